"""Who may ask: of all processes that want the same answer at the same time, one.

Called inside a write transaction of the journal, so that nobody else decides meanwhile.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from asr_pandas.run.journal.owners import Owner

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

Claimed = Literal["ours", "theirs"]

BATCH: Final = 500
"""Values that go into one statement; SQLite's oldest limit is 999."""


class Claims:
    """The claims of one open journal.

    Parameters
    ----------
    journal : Path
        The database.
    """

    def __init__(self, journal: Path) -> None:
        self._owner = Owner(journal)

    def take(self, db: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, Claimed]:
        """Claim what no living process has claimed."""
        dead = self._owner.appear()
        held = dict(_held(db, keys))
        others = set(held.values()) - {self._owner.name, *dead}
        living = {name for name in others if self._owner.lives(name)}
        self._bury(db, {*dead, *others} - living)
        free = [key for key in keys if held.get(key) not in living]
        db.executemany(
            "INSERT OR REPLACE INTO claims VALUES (?, ?)", [(key, self._owner.name) for key in free]
        )
        return {**dict.fromkeys(keys, "theirs"), **dict.fromkeys(free, "ours")}

    def drop(self, db: sqlite3.Connection, keys: Iterable[bytes]) -> None:
        """Give claims back."""
        rows = [(key, self._owner.name) for key in keys]
        db.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", rows)

    def leave(self, db: sqlite3.Connection) -> None:
        """Give everything back."""
        self._bury(db, {self._owner.name})

    def die(self) -> None:
        """Let others see that nobody is there any more."""
        self._owner.leave()

    def _bury(self, db: sqlite3.Connection, names: set[str]) -> None:
        for name in names:
            db.execute("DELETE FROM claims WHERE owner = ?", [name])


def in_batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Cut into lists that one statement can take.

    Examples
    --------
    >>> [len(batch) for batch in in_batches(range(1200))]
    [500, 500, 200]
    """
    rest = iter(values)
    while batch := list(islice(rest, BATCH)):
        yield batch


def marks(values: Collection[Any]) -> str:
    """Return a place holder for each value.

    Examples
    --------
    >>> marks([b"a", b"b"])
    '?,?'
    """
    return ",".join("?" * len(values))


def _held(db: sqlite3.Connection, keys: Collection[bytes]) -> Iterator[tuple[bytes, str]]:
    for batch in in_batches(keys):
        asked = f"SELECT key, owner FROM claims WHERE key IN ({marks(batch)})"  # noqa: S608 - marks
        yield from db.execute(asked, batch)
