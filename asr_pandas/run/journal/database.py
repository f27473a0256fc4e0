"""A path → a connection to the database in it, made or checked."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from asr_pandas.errors import JournalError
from asr_pandas.run.journal.place import on_network, prepare, unusable

if TYPE_CHECKING:
    from pathlib import Path

FORM: Final = 1
"""To be raised when an older asr-pandas could no longer read, or add to, what is written."""

_APPLICATION: Final = 0x41535250  # "ASRP": a database of somebody else is not written into
_PATIENCE: Final = 15.0  # seconds that a statement waits for another process to finish its commit
_SWITCH_WAITS: Final = tuple(0.01 * 2**turn for turn in range(10))  # ten seconds in all

_TABLES: Final = """
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    question BLOB NOT NULL,
    audio TEXT NOT NULL,
    at REAL,
    status TEXT NOT NULL,
    endpoint TEXT,
    model TEXT,
    seconds REAL,
    cost REAL,
    rest BLOB NOT NULL
);
CREATE INDEX outcomes_by_key ON outcomes (key);
CREATE INDEX outcomes_by_question ON outcomes (question);
CREATE TABLE files (
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    identity TEXT NOT NULL,
    duration REAL,
    exact INTEGER NOT NULL,
    container TEXT
) WITHOUT ROWID;
CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE reuses (
    day TEXT,
    endpoint TEXT,
    rows INTEGER NOT NULL,
    seconds REAL NOT NULL,
    cost REAL,
    PRIMARY KEY (day, endpoint)
);
"""


def opened(path: Path | None) -> sqlite3.Connection:
    """Open a journal; what is not there is made.

    Parameters
    ----------
    path : Path or None
        None: a private database that is gone when it is closed.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, for one thread at a time. What it commits survives the death of the
        process; after a power cut, the last commits may be missing.

    Raises
    ------
    JournalError
        The path is no place for a journal, or is something else.
    """
    try:
        if path is not None:
            prepare(path)
        return _connected(path)
    except sqlite3.Error as error:
        raise unusable(path, str(error)) from error
    except JournalError:
        raise
    except (OSError, ValueError) as error:
        raise unusable(path, getattr(error, "strerror", None) or str(error)) from error


def _connected(path: Path | None) -> sqlite3.Connection:
    # The empty name is SQLite's for a temporary database, which no other connection sees.
    db = sqlite3.connect(
        "" if path is None else path,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if path is not None:
            _check_kind(db, path)
            _set_mode(db, path)
        # What is deleted in passing, claims and file digests, is not personal; `forget` is strict.
        db.execute("PRAGMA secure_delete = OFF")
        _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def _check_kind(db: sqlite3.Connection, path: Path) -> None:
    # All at one moment: another process may be making it.
    db.execute("BEGIN")
    application, form = _number(db, "application_id"), _number(db, "user_version")
    has_tables = db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    db.execute("COMMIT")
    if application == _APPLICATION and form > FORM:
        raise unusable(path, f"a newer asr-pandas wrote it (form {form}, this one knows {FORM})")
    if application != _APPLICATION and has_tables:
        raise unusable(path, "it is a database of something else")


def _set_mode(db: sqlite3.Connection, path: Path) -> None:
    if not on_network(path) and _switched(db, "wal"):
        # Durable against the death of the process, which is what is promised; a commit need not
        # wait for the disk.
        db.execute("PRAGMA synchronous = NORMAL")
        return
    if not _switched(db, "delete"):
        why = "it is on a network file system, and another process has it open as if it were not"
        raise unusable(path, why)
    db.execute("PRAGMA synchronous = FULL")


def _switched(db: sqlite3.Connection, mode: str) -> bool:
    # Two that switch at once refuse each other without waiting.
    for wait in _SWITCH_WAITS:
        try:
            return str(db.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]) == mode
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(wait)
    return False


def _make_tables(db: sqlite3.Connection) -> None:
    # It takes the writer's lock even where all is made: a journal that cannot be written, or a
    # file system without locks, shows now and not when there is something to lose.
    db.execute("BEGIN IMMEDIATE")
    if _number(db, "application_id") != _APPLICATION:
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {FORM}")
    db.execute("COMMIT")


def _number(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
