"""What was asked before, and what was answered: one SQLite file for all kernels of a user.

Outcomes are only ever added; of each key the newest `ok` or `empty` one counts, and failures are
kept as a record that nothing is answered from.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from asr_pandas.errors import JournalError
from asr_pandas.run.journal.claims import Claims, in_batches, marks
from asr_pandas.run.journal.database import opened
from asr_pandas.run.journal.later import Later, Reuse
from asr_pandas.run.journal.place import unusable
from asr_pandas.run.journal.rows import decode, encode, stored, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from asr_pandas.model import File, Outcome
    from asr_pandas.run.journal.claims import Claimed

_ANSWER: Final = "status, endpoint, model, cost, rest FROM outcomes"
_LOCAL: Final = "local"  # what the embedded recogniser is called
_ANSWERED: Final = "status IN ('ok', 'empty')"
_RECORD: Final = """
INSERT INTO outcomes
    (key, question, audio, at, status, endpoint, model, seconds, cost, rest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a file that has not changed since."""

    identity: str
    duration: float | None
    """Seconds."""
    exact: bool
    """Whether the duration is counted in samples."""
    container: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One outcome, with what it is found by."""

    key: bytes
    """As `keys.key` makes it."""
    question: bytes
    """As `keys.question` makes it."""
    audio: str
    """The clip's identity."""
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The wish to be the one who asks."""

    key: bytes
    since: datetime | None = None
    """How old an answer may be that is as good."""
    reuse: bool = True
    """Whether an answer that is there is as good."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """A journal that is open. Any thread of the process that opened it may use it.

    Parameters
    ----------
    path : Path or None
        As `journal_place.place` returns it. None: a private database that is gone when closed.
    now : callable
        Tells the date and time in UTC, for the day that something was saved on.

    Raises
    ------
    JournalError
        Here and in every method: the file cannot be read or written. What was to be written with
        it is not written at all.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self._now = now
        # Readers share the connection, and wait for a commit to be whole.
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._claims = None if path is None else Claims(path)
        self._later = Later()
        self._db: sqlite3.Connection | None = opened(path)
        self._inode = None if path is None else _inode(path)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def known(self, files: Sequence[File]) -> list[Known | None]:
        """Tell what is known of local files, in their order; None for new and changed ones."""
        paths = [_path(file) for file in files]
        found: dict[bytes, Any] = {}
        with self._reading() as db:
            for batch in in_batches(paths):
                asked = f"SELECT * FROM files WHERE path IN ({marks(batch)})"  # noqa: S608 - marks
                found.update((row[0], row) for row in db.execute(asked, batch))
        found.update((row[0], row) for row in self._later.files(paths))
        return [_known(found.get(path), file) for path, file in zip(paths, files, strict=True)]

    def remember(self, file: File, known: Known) -> None:
        """Note what is in a file; written with the next commit, or at the end."""
        row = (
            _path(file),
            file.size,
            file.mtime_ns,
            stored(known.identity),
            known.duration,
            known.exact,
            known.container,
        )
        if self._later.add_file(row):
            self.commit()

    def saved(self, *, rows: int, seconds: float, cost: float | None, endpoint: str) -> None:
        """Count what was not paid again; written with the next commit, or at the end.

        Parameters
        ----------
        rows : int
            How many were answered from here.
        seconds : float
            Their audio.
        cost : float, optional
            What they would have cost, in the endpoint's currency.
        endpoint : str
            The host.
        """
        day = self._now().date().isoformat()
        self._later.add_reuse(day, endpoint, Reuse(rows, seconds, cost))

    def find(self, keys: Iterable[bytes], *, since: datetime | None = None) -> dict[bytes, Outcome]:
        """Find the newest `ok` or `empty` outcome of each key, none older than `since`."""
        with self._reading() as db:
            return _found(db, keys, since)

    def replay(
        self, questions: Iterable[bytes], *, endpoint: str | None = None, model: str | None = None
    ) -> dict[bytes, list[Outcome]]:
        """Find who answered what, whoever was asked.

        Parameters
        ----------
        questions : iterable of bytes
            As `keys.question` makes them.
        endpoint, model : str, optional
            Only what this host, and this model, answered.

        Returns
        -------
        dict
            For each question that was answered: the newest outcome of every host and model.
        """
        told = {"endpoint": endpoint, "model": model}
        where = "".join(f" AND {name} = ?" for name, value in told.items() if value is not None)
        values = [stored(value) for value in told.values() if value is not None]
        answers: dict[bytes, dict[Any, Outcome]] = defaultdict(dict)
        with self._reading() as db:
            for batch in in_batches(questions):
                for question, key, *row in db.execute(
                    f"SELECT question, key, {_ANSWER} WHERE question IN ({marks(batch)})"
                    f" AND {_ANSWERED}{where} ORDER BY question, id",
                    [*batch, *values],
                ):
                    if (outcome := decode(*row)) is not None:
                        # Two ports of a host are two services. Other weights under the same
                        # name are not, in the eyes of whoever wrote that name.
                        apart = None if row[1] == _LOCAL else key
                        answers[question][row[1], row[2], apart] = outcome
        return {question: list(found.values()) for question, found in answers.items()}

    def claim(
        self, keys: Sequence[bytes], *, since: datetime | None = None, reuse: bool = True
    ) -> dict[bytes, Claimed | Outcome]:
        """Ask to be the one who asks; see `commit`."""
        claims = [Claim(key=key, since=since, reuse=reuse) for key in keys]
        return dict(zip(keys, self.commit(claims=claims), strict=True))

    def write(self, records: Sequence[Record]) -> None:
        """Record outcomes, and give back the claims on their keys."""
        self.commit(records=records)

    def release(self, keys: Sequence[bytes]) -> None:
        """Give claims back without an outcome."""
        self.commit(releases=keys)

    def commit(
        self,
        *,
        records: Sequence[Record] = (),
        releases: Sequence[bytes] = (),
        claims: Sequence[Claim] = (),
    ) -> list[Claimed | Outcome]:
        """Do all this in one transaction: all of it is durable when this returns, or none.

        Parameters
        ----------
        records : sequence of Record
            Outcomes; the claims on their keys are given back.
        releases : sequence of bytes
            Keys whose claims are given back.
        claims : sequence of Claim
            What somebody here is about to ask.

        Returns
        -------
        list
            For each claim: the outcome that makes asking needless; `"ours"`: ask; `"theirs"`:
            another process is asking, try again later. The dead own nothing.
        """
        rows = [_row(record) for record in records]
        with self._writing() as db:
            if rows:
                db.executemany(_RECORD, rows)
            if self._claims is not None and (rows or releases):
                self._claims.drop(db, [*releases, *(record.key for record in records)])
            return self._decide(db, claims)

    def close(self) -> None:
        """Write what waits, give all claims back and close; a second time nothing happens."""
        # A forked child has a copy that it must not touch: its parent goes on.
        if self._db is None or self._process != os.getpid():
            return
        try:
            with self._writing() as db:
                if self._claims is not None:
                    self._claims.leave(db)
        finally:
            if self._claims is not None:
                self._claims.die()  # whatever the database says: nobody is to wait for us
            with self._lock:
                self._db.close()
                self._db = None

    def _decide(self, db: sqlite3.Connection, claims: Sequence[Claim]) -> list[Claimed | Outcome]:
        answers: dict[Claim, Claimed | Outcome] = {}
        for since in {claim.since for claim in claims if claim.reuse}:
            reusing = {claim.key: claim for claim in claims if claim.reuse and claim.since == since}
            for key, outcome in _found(db, reusing, since).items():
                answers[reusing[key]] = outcome
        open_keys = [claim.key for claim in claims if claim not in answers]
        if open_keys and self._claims is not None:
            taken = self._claims.take(db, open_keys)
        else:
            taken = dict.fromkeys(open_keys, "ours")
        return [answers[one] if one in answers else taken[one.key] for one in claims]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                self._later.write(db)
                db.execute("COMMIT")
                self._refuse_another_file()
            except BaseException:
                # Where the disk is full, SQLite may have gone back on its own.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _refuse_another_file(self) -> None:
        """Raise where what was written is no longer what the path names."""
        if self.path is not None and _inode(self.path) != self._inode:
            raise unusable(self.path, "it was deleted, or replaced, while it was in use")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db is None or self._process != os.getpid():
                why = "it was closed" if self._db is None else "another process opened it"
                raise unusable(self.path, why)
            try:
                yield self._db
            except JournalError:
                raise
            except (sqlite3.Error, OSError) as error:
                raise unusable(self.path, str(error)) from error


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _found(
    db: sqlite3.Connection, keys: Iterable[bytes], since: datetime | None
) -> dict[bytes, Outcome]:
    young = "" if since is None else " AND at >= ?"
    values = [] if since is None else [since.timestamp()]
    rows: dict[bytes, Any] = {}
    for batch in in_batches(keys):
        asked = (
            f"SELECT key, {_ANSWER} WHERE key IN ({marks(batch)})"
            f" AND {_ANSWERED}{young} ORDER BY key, id"
        )
        rows.update((row[0], row) for row in db.execute(asked, [*batch, *values]))
    decoded = ((key, decode(*row[1:])) for key, row in rows.items())
    return {key: outcome for key, outcome in decoded if outcome is not None}


def _row(record: Record) -> tuple[Any, ...]:
    row = encode(record.outcome)
    return (record.key, record.question, stored(record.audio), *row)


def _path(file: File) -> bytes:
    # Names need not be text: what is not UTF-8 comes as lone surrogates.
    return file.path.encode(errors="surrogatepass")


def _known(row: Any, file: File) -> Known | None:  # noqa: ANN401 - what SQLite returns
    if row is None or (row[1], row[2]) != (file.size, file.mtime_ns):
        return None
    identity, duration, exact, container = row[3:]
    return Known(
        identity=text(identity) or "", duration=duration, exact=bool(exact), container=container
    )
