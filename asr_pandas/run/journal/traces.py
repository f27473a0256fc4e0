"""A cell → everything that a journal may know its audio by, so that it can be forgotten."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asr_pandas.audio.cells import Reading, is_missing, read
from asr_pandas.audio.paths import local_path, scheme
from asr_pandas.audio.remote import identity
from asr_pandas.audio.signatures import unsigned
from asr_pandas.audio.stores import Stores, is_stored
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True, kw_only=True)
class Traces:
    """What cells left behind."""

    identities: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    """Absolute: a file may be gone, or another by now, and its name is still known."""
    addresses: set[str] = field(default_factory=set)
    """As identities begin: whatever the address held, and whenever."""
    unread: int = 0
    """Cells that cannot be read; only what their names tell is known of them."""


def traces(cells: Iterable[object], *, stores: Stores | None = None) -> Traces:
    """Find what cells are known by; files are read, stores are asked.

    Parameters
    ----------
    cells : iterable
        As in a column; missing ones leave nothing.
    stores : Stores, optional
        The stores that were opened.
    """
    found, stores = Traces(), stores or Stores()
    for cell in cells:
        if is_missing(cell):
            continue
        try:
            _trace(cell, found, stores)
        except AudioError:
            found.unread += 1
    return found


def address_of(known_by: str) -> str:
    """Return the address in an identity.

    Examples
    --------
    >>> address_of('https://example.org/a.wav|etag="5d41"|size=160044')
    'https://example.org/a.wav'
    >>> address_of("unknown:0f3a:https://example.org/a.wav")
    'https://example.org/a.wav'
    """
    if known_by.startswith("unknown:"):
        return _addressed(known_by.split(":", 2)[2])
    return known_by.partition("|")[0]


def _trace(cell: object, found: Traces, stores: Stores) -> None:
    named = cell.get("path") if isinstance(cell, dict) and cell.get("bytes") is None else cell
    if isinstance(named, str) and scheme(named) in {"http", "https"}:
        found.addresses.add(_addressed(named.strip()))
        return
    if isinstance(named, str) and is_stored(named):
        found.addresses.add(identity(named.strip(), {}))
        seen = stores.look(named).identity
        # It may be a digest, which says nothing of the address.
        found.identities.update([seen] if seen else [])
        return
    with suppress(Exception):  # `read` says what is wrong with it
        if (path := local_path(named)) is not None:
            found.paths.add(os.path.abspath(path))  # noqa: PTH100 - as `paths.look` does it
    known_by = read(cell, Reading(hold=0)).identity
    if known_by is not None:
        found.identities.add(known_by)


def _addressed(url: str) -> str:
    return identity(unsigned(url), {})
