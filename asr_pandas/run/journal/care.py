"""What is done to a whole journal: counted, listed, forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from asr_pandas.errors import JournalError
from asr_pandas.run.journal.database import opened
from asr_pandas.run.journal.place import unusable
from asr_pandas.run.journal.rows import decode, stored, text
from asr_pandas.run.journal.traces import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asr_pandas.model import Outcome
    from asr_pandas.run.journal.traces import Traces

_MARK: Final = "INSERT OR IGNORE INTO temp.gone VALUES (?)"
_MARK_FILE: Final = "INSERT OR IGNORE INTO temp.gone SELECT identity FROM files WHERE path = ?"
_UNUSED_FILES: Final = "DELETE FROM files WHERE identity NOT IN (SELECT audio FROM outcomes)"


class Saved(NamedTuple):
    """What was not paid again at one endpoint."""

    endpoint: str
    """The host."""
    rows: int
    seconds: float
    """Of audio."""
    cost: float | None
    """In the endpoint's currency; None where it is not known."""


def size(path: Path) -> int:
    """Return the bytes that a journal takes; 0 where there is none."""
    files = (Path(f"{path}{ending}") for ending in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def outcomes(path: Path) -> int:
    """Count the outcomes; a row that was asked twice has two."""
    if not path.exists():
        return 0
    with _open(path) as db:
        return int(db.execute("SELECT count(*) FROM outcomes").fetchone()[0])


def saved(path: Path) -> list[Saved]:
    """Sum up what was not paid again, by endpoint."""
    if not path.exists():
        return []
    with _open(path) as db:
        rows = db.execute(
            "SELECT endpoint, sum(rows), sum(seconds), sum(cost) FROM reuses"
            " GROUP BY endpoint ORDER BY endpoint"
        )
        return [Saved(*row) for row in rows]


def listed(path: Path) -> list[tuple[str, Outcome]]:
    """List every outcome with its audio's identity, in the order in which they came."""
    if not path.exists():
        return []
    with _open(path) as db:
        asked = "SELECT audio, status, endpoint, model, cost, rest FROM outcomes ORDER BY id"
        read = ((text(row[0]) or "", decode(*row[1:])) for row in db.execute(asked))
        return [(audio, outcome) for audio, outcome in read if outcome is not None]


def forget(path: Path, *, of: Traces | None = None, before: float | None = None) -> int:
    """Remove outcomes, and every byte of them from the files.

    Parameters
    ----------
    path : Path
        The journal.
    of : Traces, optional
        Only outcomes of this audio.
    before : float, optional
        Only outcomes that are older; seconds since 1970.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    JournalError
        The journal cannot be written; or a process reads it, so that old bytes remain for now.
    """
    if not path.exists():
        return 0
    with _open(path) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("BEGIN IMMEDIATE")
        count = _delete(db, of, before)
        db.execute(_UNUSED_FILES)
        if of is None and before is None:
            db.execute("DELETE FROM reuses")
        db.execute("COMMIT")
        _sweep(db, path)
    return count


def _delete(db: sqlite3.Connection, of: Traces | None, before: float | None) -> int:
    where, values = ["1"], []
    if of is not None:
        _mark(db, of)
        where.append("audio IN (SELECT audio FROM temp.gone)")
    if before is not None:
        # What has no time failed before it was sent; it is no use to anybody.
        where.append("(at < ? OR at IS NULL)")
        values.append(before)
    asked = f"DELETE FROM outcomes WHERE {' AND '.join(where)}"  # noqa: S608 - the words above
    return db.execute(asked, values).rowcount


def _mark(db: sqlite3.Connection, of: Traces) -> None:
    """Collect the identities that are meant, in a table of this connection."""
    db.execute("CREATE TEMP TABLE gone (audio TEXT PRIMARY KEY)")
    db.executemany(_MARK, [(stored(known_by),) for known_by in of.identities])
    db.executemany(_MARK_FILE, [(path.encode(errors="surrogatepass"),) for path in of.paths])
    db.executemany(_MARK, _at(db, of.addresses))


def _at(db: sqlite3.Connection, addresses: set[str]) -> Iterable[tuple[str | bytes]]:
    if not addresses:
        return []
    rows = db.execute("SELECT DISTINCT audio FROM outcomes WHERE audio NOT LIKE 'sha256:%'")
    return [row for row in rows.fetchall() if address_of(text(row[0]) or "") in addresses]


def _sweep(db: sqlite3.Connection, path: Path) -> None:
    """Write the file anew, without the gaps that what is forgotten left, and empty the log."""
    db.execute("VACUUM")
    busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise JournalError(
            f"forgotten, but another process reads the journal {str(path)!r}: the file beside it "
            "that ends in '-wal' still holds old bytes.\n\n"
            "Hint: forget again when that process has ended"
        )


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    db = opened(path)
    try:
        yield db
    except sqlite3.Error as error:
        raise unusable(path, str(error)) from error
    finally:
        db.close()
