"""What is asked of every row, and what a row's clip is known by: cells in, keys out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from asr_pandas.audio.cells import identify_bytes
from asr_pandas.audio.paths import local_path, look, scheme
from asr_pandas.audio.remote import heads, identity_of_address
from asr_pandas.audio.signatures import unsigned
from asr_pandas.audio.stores import Stores, is_stored
from asr_pandas.model import Request
from asr_pandas.run import keys
from asr_pandas.run.journal.journal import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asr_pandas.model import Clip, File, Payload
    from asr_pandas.run.journal.journal import Journal

_THIS_RUN: Final = "unknown"  # what stands before an identity that no later run finds again


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row's question."""

    position: int
    cell: object
    language: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked about every row.

    Parameters
    ----------
    service : str
        Dialect and address, or the local recogniser's weights and decoding options.
    model : str
        The model to ask for.
    itn, stream : bool
        As in `transcribe`.
    """

    service: str
    model: str
    itn: bool = False
    stream: bool = False

    def request(self, row: Row, payload: Payload) -> Request:
        """Put a row's question into a request."""
        return Request(
            payload=payload,
            model=self.model,
            language=row.language,
            itn=self.itn,
            context=row.context,
            stream=self.stream,
        )

    def key(self, row: Row, identity: str) -> bytes:
        """Return what the journal finds the row's answer by."""
        return keys.key(
            identity,
            service=self.service,
            model=self.model,
            language=row.language,
            itn=self.itn,
            context=row.context,
        )

    def question(self, row: Row, identity: str) -> bytes:
        """Return what the journal finds anybody's answer by."""
        return keys.question(identity, language=row.language, itn=self.itn, context=row.context)


@dataclass(slots=True, kw_only=True)
class Identities:
    """Tells what a clip is known by.

    Parameters
    ----------
    journal : Journal
        Knows the digests of files that have not changed.
    stores : Stores
        Tell about their files without sending them.
    head : callable
        Asks the host of an http(s) address about it.
    """

    journal: Journal
    stores: Stores = field(default_factory=Stores)
    head: Callable[[str], Mapping[str, str] | None] = field(default_factory=heads)
    _run: str = field(init=False, default_factory=lambda: uuid.uuid4().hex)

    def at_a_glance(self, rows: Sequence[Row]) -> list[str | None]:
        """Identify what can be identified without reading any file; None for the others."""
        files = [_file(row.cell) for row in rows]
        known = iter(self.journal.known([file for file in files if file is not None]))
        return [
            identify_bytes(row.cell) if file is None else _identity(next(known))
            for row, file in zip(rows, files, strict=True)
        ]

    def of_address(self, cell: object) -> str | None:
        """Identify what is not on this machine, by what its store or its host tells.

        Raises
        ------
        AudioError
            The store is not reached.
        """
        # Without a journal nobody looks for it later, so that nobody is asked.
        if self.journal.path is None or not isinstance(cell, str):
            return None
        if is_stored(cell):
            return self.stores.look(cell).identity
        if scheme(cell) in {"http", "https"}:
            return identity_of_address(cell.strip(), self.head)
        return None

    def of(self, clip: Clip) -> str:
        """Identify a clip that was read; an address of which nothing is known, for this run."""
        if clip.identity is not None:
            return clip.identity
        # Without its signature, which is a secret; and with a digest, since it may name the file.
        url = clip.url or ""
        return f"{_THIS_RUN}:{self._run}-{_digest(url)}:{unsigned(url)}"

    def remember(self, clip: Clip) -> None:
        """Note what is in a file, so that it is not read again while it does not change."""
        if clip.file is None or clip.identity is None:
            return
        known = Known(
            identity=clip.identity,
            duration=clip.duration,
            exact=clip.exact,
            container=clip.container,
        )
        self.journal.remember(clip.file, known)


def _digest(url: str) -> str:
    return sha256(url.encode()).hexdigest()[:16]


def _file(cell: object) -> File | None:
    try:
        path = local_path(cell)
        return None if path is None else look(path)
    except Exception:  # noqa: BLE001 - `read` says what is wrong, when it is the row's turn
        return None


def _identity(known: Known | None) -> str | None:
    return known.identity if known else None
