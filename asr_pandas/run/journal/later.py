"""What a journal writes with its next commit: nothing is lost with it but a little time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

FULL: Final = 500
"""Files that are held before they are written without waiting for a commit."""

_FILES: Final = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)"
_REUSES: Final = """
INSERT INTO reuses VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    rows = rows + excluded.rows,
    seconds = seconds + excluded.seconds,
    cost = coalesce(cost + excluded.cost, cost, excluded.cost)
"""


class Reuse(NamedTuple):
    """What was not paid again."""

    rows: int
    seconds: float
    cost: float | None

    def plus(self, more: Reuse) -> Reuse:
        """Add up; a cost that is not known adds nothing."""
        known = [cost for cost in (self.cost, more.cost) if cost is not None]
        seconds = self.seconds + more.seconds
        return Reuse(self.rows + more.rows, seconds, sum(known) if known else None)


FileRow = tuple[bytes, int, int, "str | bytes | None", "float | None", bool, "str | None"]
"""A row of the table `files`."""


class Later:
    """Two small buffers, filled by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[bytes, FileRow] = {}
        self._reuses: dict[tuple[str, str], Reuse] = {}

    def add_file(self, row: FileRow) -> bool:
        """Hold a file's row; say whether it is time to write."""
        with self._lock:
            self._files[row[0]] = row
            return len(self._files) >= FULL

    def add_reuse(self, day: str, endpoint: str, reuse: Reuse) -> None:
        """Count what was not paid again."""
        with self._lock:
            before = self._reuses.get((day, endpoint))
            self._reuses[day, endpoint] = reuse if before is None else before.plus(reuse)

    def files(self, paths: Iterable[bytes]) -> list[FileRow]:
        """Return the rows that are held of these files."""
        with self._lock:
            if not self._files:
                return []
            return [row for path in paths if (row := self._files.get(path)) is not None]

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything into a transaction that is open."""
        with self._lock:
            files, self._files = self._files, {}
            reuses, self._reuses = self._reuses, {}
        if files:
            db.executemany(_FILES, files.values())
        if reuses:
            db.executemany(_REUSES, [(*at, *reuse) for at, reuse in reuses.items()])
