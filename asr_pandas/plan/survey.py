"""A call's rows in, a frame with a line for each out: what would become of it, and why."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.endpoint.prices import cost_of
from asr_pandas.model import Usage
from asr_pandas.plan.found import identified_by
from asr_pandas.plan.headers import glimpsed
from asr_pandas.plan.hearing import heard
from asr_pandas.plan.recorded import Recorded
from asr_pandas.run.question import Identities

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asr_pandas.call import Call
    from asr_pandas.plan.found import Found
    from asr_pandas.run.journal.journal import Journal
    from asr_pandas.run.question import Row

_TOGETHER: Final = 256  # rows that are looked up at once
_THREADS: Final = 8  # each may hold a clip's samples: some 50 MB at most

DTYPES: Final[dict[str, str]] = {
    "status": TEXT,
    "message": TEXT,
    "source": TEXT,
    "container": TEXT,
    "duration": "Float64",
    "exact": "boolean",
    "size": "Int64",
    "language": TEXT,
    "clip": "Int64",
    "identity": TEXT,
    "identified_by": TEXT,
    "sound": TEXT,
    "cost": "Float64",
}


@dataclass(slots=True)
class Survey:
    """One look at all rows.

    Parameters
    ----------
    call : Call
        What is asked for.
    journal : Journal
        What is known and recorded.
    deep : bool
        Whether everything is read and decoded, too.
    """

    call: Call
    journal: Journal
    deep: bool = False
    _identities: Identities = field(init=False)
    _recorded: Recorded = field(init=False)
    _columns: dict[str, list[Any]] = field(init=False)
    _clips: dict[str, int] = field(init=False, default_factory=dict)
    _asked: set[bytes] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        """Begin with no row."""
        self._identities = Identities(journal=self.journal)
        self._recorded = Recorded(self.call, self.journal)
        self._columns = {name: [] for name in DTYPES}

    def frame(self) -> pd.DataFrame:
        """Look at all rows, and return a line for each, with the frame's index."""
        rows = iter(self.call.rows())
        with ThreadPoolExecutor(_THREADS) if self.deep else nullcontext() as pool:
            while batch := list(islice(rows, _TOGETHER)):
                founds = self._heard(batch, pool) if pool else self._glimpsed(batch)
                self._add(batch, list(founds))
        index = self.call.place.cells.index
        return pd.DataFrame(
            {
                name: pd.Series(self._columns.pop(name), index=index, dtype=dtype)
                for name, dtype in DTYPES.items()
            },
            index=index,
        )

    def _glimpsed(self, rows: Sequence[Row]) -> Iterator[Found]:
        for row, identity in zip(rows, self._identities.at_a_glance(rows), strict=True):
            yield glimpsed(row.cell, identity)

    def _heard(self, rows: Sequence[Row], pool: ThreadPoolExecutor) -> Iterator[Found]:
        hear = partial(heard, identities=self._identities, fetch=self.call.settings.fetch)
        return pool.map(hear, [row.cell for row in rows])

    def _add(self, rows: Sequence[Row], founds: Sequence[Found]) -> None:
        recorded = self._recorded.of(rows, [found.identity for found in founds])
        for row, found, is_recorded in zip(rows, founds, recorded, strict=True):
            status = self._status(row, found, is_recorded=is_recorded)
            line = {
                "status": status,
                "message": found.message and _writable(found.message),
                "source": None if found.source == "none" else found.source,
                "container": found.container,
                "duration": found.duration,
                "exact": None if found.duration is None else found.exact,
                "size": found.size,
                "language": row.language,
                "clip": self._clip(found),
                "identity": found.identity and _writable(found.identity),
                "identified_by": identified_by(found),
                "sound": found.sound,
                "cost": self._cost(found, status),
            }
            for name, value in line.items():
                self._columns[name].append(value)

    def _status(self, row: Row, found: Found, *, is_recorded: bool) -> str:
        """Say what becomes of a row, in the order in which a run decides."""
        if found.source == "none":
            return "missing"
        if is_recorded:
            return "recorded"
        if found.error is not None:
            return found.error
        if self.call.replays:
            return "pending"
        question = self.call.asked().question(row, found.same or "")
        if question in self._asked:
            return "duplicate"
        self._asked.add(question)
        return "send"

    def _clip(self, found: Found) -> int | None:
        if found.same is None:
            return None
        return self._clips.setdefault(found.same, len(self._clips))

    def _cost(self, found: Found, status: str) -> float | None:
        price = self.call.endpoint.price_per_second
        if price is None:
            return None
        if status != "send":
            return 0.0
        return cost(found.duration, price)


def cost(duration: float | None, price: float) -> float | None:
    """Tell what a row would cost; None where its duration is not known.

    Examples
    --------
    >>> cost(2.04, 0.000035)
    0.000105
    """
    if duration is None:
        return None
    seconds = float(max(1, math.ceil(duration)))  # as the service counts: vendor's docs
    return cost_of(Usage(seconds=seconds), duration=None, price=price).amount


def _writable(text: str) -> str:
    # A file's name need not be text.
    return text.encode(errors="backslashreplace").decode()
