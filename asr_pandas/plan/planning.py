"""The door: a checked call in, its plan out. Sends nothing to the service, and wants no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr_pandas import reach
from asr_pandas.addresses import is_loopback
from asr_pandas.errors import OptionError
from asr_pandas.plan.forecast import (
    LATENCY,
    RECOGNISER_CPU,
    RECOGNISER_MODEL,
    UPLINK_MBIT,
    Load,
    Pace,
    forecast,
)
from asr_pandas.plan.planned import Means, Plan
from asr_pandas.plan.sums import Sums
from asr_pandas.plan.survey import Survey
from asr_pandas.run.journal.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asr_pandas.call import Call


def plan(call: Call, *, deep: bool = False) -> Plan:
    """Look at what a run would do.

    Parameters
    ----------
    call : Call
        Checked, but for the key.
    deep : bool
        Whether all audio is read and decoded, and the hosts of addresses are asked.

    Raises
    ------
    JournalError
        The journal cannot be read.
    """
    with Journal(call.journal) as journal:
        lines = Survey(call, journal, deep=deep).frame()
    sums = Sums.of(lines, price=call.endpoint.price_per_second)
    means = _means(call, deep=deep)
    load = Load(requests=sums.requests, seconds=sums.sent_seconds, size=sums.sent_size)
    return Plan(
        frame=lines,
        sums=sums,
        means=means,
        forecast=forecast(load, _pace(means)),
        notes=tuple(_notes(call, sums)),
    )


def _means(call: Call, *, deep: bool) -> Means:
    endpoint, settings = call.endpoint, call.settings
    return Means(
        variable=call.place.variable,
        host=endpoint.host,
        model=endpoint.model,
        currency=endpoint.currency,
        stays=endpoint.is_local or is_loopback(endpoint.host),
        is_local=endpoint.is_local,
        replays=call.replays,
        rpm=settings.rpm or endpoint.rpm,
        concurrency=call.concurrency,
        budget=call.budget,
        deep=deep,
        looked_up=call.journal is not None and settings.reuse is not False,
        fetch=settings.fetch,
    )


def _pace(means: Means) -> Pace:
    measured = RECOGNISER_CPU if means.model == RECOGNISER_MODEL else None
    return Pace(
        concurrency=means.concurrency,
        rpm=means.rpm,
        uplink_mbit=None if means.stays else UPLINK_MBIT,
        latency=None if means.is_local else LATENCY,
        cpu_per_second=measured if means.is_local else 0.0,
    )


def _notes(call: Call, sums: Sums) -> Iterator[str]:
    if call.replays:
        return
    try:
        reach.check(call.endpoint, asked=True, cells=())
    except OptionError as error:
        yield " ".join(str(error).split())
    if call.endpoint_asked:
        return
    yield "DASHSCOPE_API_KEY is not set: the embedded recogniser is meant"
    if sums.seconds > reach.LONGEST_UNASKED:
        hours = reach.LONGEST_UNASKED / 3600
        yield f"above {hours:.0f} hours of audio it has to be asked for: endpoint='local'"
