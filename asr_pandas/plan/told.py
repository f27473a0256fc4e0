"""A plan in, its sentences out, each under a label. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asr_pandas.plan.forecast import LATENCY, RECOGNISER_CPU, UPLINK_MBIT
from asr_pandas.plan.sums import OVER
from asr_pandas.run.shown.figures import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asr_pandas.plan.planned import Plan

_CENTS: Final = 0.1  # of a currency's unit; less is shown in more digits
_NAMED_AT_MOST: Final = 5
_EXAMPLES: Final = 3
_LONGEST_EXAMPLE: Final = 200  # characters
_BECOME_ERRORS: Final = ("unreadable", "download", "format", "content", *OVER)


def told(plan: Plan) -> list[tuple[str, str]]:
    """Say what there is, what happens to it, what that costs and how long it takes."""
    said = {
        "rows": _rows(plan),
        "audio": _audio(plan),
        "addresses": _addresses(plan),
        "journal": _journal(plan),
        "requests": _requests(plan),
        "time": _time(plan),
        "leaves": _leaves(plan),
    }
    listed = [(label, sentence) for label, sentence in said.items() if sentence]
    return listed + [("note", note) for note in plan.notes] + list(_examples(plan))


def money(amount: float, currency: str | None) -> str:
    """Write an amount of money.

    Examples
    --------
    >>> money(5.031, "USD"), money(0.00121, "CNY")
    ('5.03 USD', '0.0012 CNY')
    """
    digits = 4 if 0 < amount < _CENTS else 2
    return f"{amount:,.{digits}f} {currency or '(currency not known)'}"


def _rows(plan: Plan) -> str:
    sums = plan.sums
    failing = [
        *_named(sums.unreadable, "unreadable"),
        *_named(sums.count(*OVER), "over 5 minutes or 10 MB"),
    ]
    parts = [
        f"{sums.rows:,}",
        _some(sums.count("missing"), "missing"),
        f"rows with an error: {', '.join(failing)}" if failing else "",
        _some(sums.undecodable, "not decodable here, and sent all the same"),
    ]
    return "; ".join(filter(None, parts))


def _audio(plan: Plan) -> str:
    sums = plan.sums
    if not sums.clips:
        return ""
    upto = "up to " if sums.is_open else ""
    clips = f"{upto}{_counted(sums.clips, 'distinct clip')}"
    kinds = [f"{name} {in_words(seconds)}" for name, seconds in sums.containers.items()]
    hints = [f"{count:,} {code}" for code, count in sums.languages.items()]
    unnamed = sums.rows - sum(sums.languages.values())
    parts = [
        f"{in_words(sums.seconds)}, {clips}",
        _few(kinds),
        f"language: {_few([*hints, *_named(unnamed, 'not named')])}"
        if hints
        else "no language named",
        _some(sums.silent, "probably silent"),
        _some(sums.converted, "converted to FLAC"),
    ]
    return "; ".join(filter(None, parts))


def _addresses(plan: Plan) -> str:
    ways = dict(plan.sums.addresses)
    unasked, unknown = ways.pop("not asked", 0), ways.pop("nothing", 0)
    learns = "downloads them" if plan.means.fetch else "asks their hosts"
    hint = "" if plan.means.deep else f" (plan(deep=True) {learns})"
    again = (
        "nothing that changes with them: not reused in another run, unless fetch=True downloads "
        "them"
    )
    parts = [
        *(f"{count:,} known by {way}" for way, count in ways.items()),
        *_named(unknown, f"known by {again}"),
        *_named(unasked, f"not asked{hint}"),
        _some(plan.sums.unmeasured, "of unknown length"),
    ]
    return "; ".join(filter(None, parts)) if plan.sums.addresses else ""


def _journal(plan: Plan) -> str:
    sums = plan.sums
    if not plan.means.looked_up:
        return "nothing is taken from it"
    parts = [
        f"{sums.count('recorded'):,} recorded already",
        _some(sums.count("duplicate"), "equal to rows above"),
        _some(sums.count("pending"), "not there: they stay pending"),
        _some(
            0 if plan.means.replays else sums.unread, "not yet read (plan(deep=True) reads them)"
        ),
    ]
    return "; ".join(filter(None, parts))


def _requests(plan: Plan) -> str:
    sums, means = plan.sums, plan.means
    if means.replays:
        return "none: only the journal is asked"
    upto = "up to " if sums.is_open and sums.requests else ""
    said = f"{upto}{sums.requests:,}, {_cost(plan)}"
    if means.budget is not None and sums.cost is not None and sums.cost > means.budget:
        said += f"; the budget of {money(means.budget, means.currency)} may not be enough"
    return said


def _cost(plan: Plan) -> str:
    sums, means = plan.sums, plan.means
    if means.is_local:
        return "at no price"
    if sums.cost is None:
        return f"cost not known: Endpoint(..., price_per_second=) says the price of {means.host}"
    upto = "up to " if sums.is_open or sums.unmeasured else ""
    about = "about " if sums.estimated else ""
    counted = f" ({sums.unmeasured:,} of unknown length as 5 minutes)" if sums.unmeasured else ""
    return f"cost {upto}{about}{money(sums.cost, means.currency)}{counted}"


def _time(plan: Plan) -> str:
    means, (time, bottleneck, mbit) = plan.means, plan.forecast
    if bottleneck is None:
        return ""
    if time is None:
        return "not known: nobody has measured this model on this machine"
    why = {
        "limit": f"at {means.rpm:,g} requests a minute: the limit is the bottleneck"
        if means.rpm
        else "",
        "uplink": f"at an assumed {UPLINK_MBIT:g} Mbit/s: the uplink is the bottleneck",
        "concurrency": (
            f"with {means.concurrency} at once and an assumed {LATENCY:g} s for a reply: "
            "concurrency is the bottleneck"
        ),
        "CPU": "of CPU time, which is the bottleneck",
    }[bottleneck]
    if means.is_local and bottleneck == "CPU":
        why = f"of CPU time at {RECOGNISER_CPU:g} s a second of audio, without a GPU"
    needed = f" ({mbit:,.1f} Mbit/s of uplink)" if mbit and bottleneck != "uplink" else ""
    return f"{'up to ' if plan.sums.is_open else ''}about {in_words(max(time, 1.0))} {why}{needed}"


def _leaves(plan: Plan) -> str:
    sums, means = plan.sums, plan.means
    if means.stays or means.replays or not sums.requests:
        return "nothing: all audio stays on this machine"
    upto = "up to " if sums.is_open else ""
    unknown = f", and {sums.unmeasured:,} of unknown length" if sums.unmeasured else ""
    return f"{upto}{in_words(sums.sent_seconds)} of audio{unknown}, for {means.host}"


def _examples(plan: Plan) -> Iterator[tuple[str, str]]:
    wrong = plan.frame["status"].isin(_BECOME_ERRORS).to_numpy(bool)
    lines = plan.frame[wrong].head(_EXAMPLES)
    for label, line in zip(lines.index, lines.itertuples(index=False), strict=True):
        said = f"row {label!r}: {line.message}"
        yield (
            str(line.status),
            said if len(said) <= _LONGEST_EXAMPLE else f"{said[:_LONGEST_EXAMPLE]}…",
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""


def _named(count: int, what: str) -> list[str]:
    return list(filter(None, [_some(count, what)]))


def _few(parts: list[str]) -> str:
    return ", ".join([*parts[:_NAMED_AT_MOST], *["…"] * (len(parts) > _NAMED_AT_MOST)])
