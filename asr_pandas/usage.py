"""What a set of results took and cost, from its columns alone. Pure, but for a warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final, get_args

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.errors import AsrWarning
from asr_pandas.model import Status
from asr_pandas.money import Amount, Money, billed_seconds, money_of
from asr_pandas.results import Results, by_position

if TYPE_CHECKING:
    from collections.abc import Hashable

_TOTAL: Final = "total"
_COUNTS: Final = ("rows", *get_args(Status))
_SECONDS: Final = ("duration", "seconds")
_TOKENS: Final = ("prompt_tokens", "audio_tokens", "completion_tokens", "total_tokens")
_MONEY: Final = ("cost", "paid", "saved", "possibly_paid")
_LONGEST: Final = pd.Timedelta(days=30)
_NAMED_AT_MOST: Final = 3
_DECIMALS: Final = 9  # of an amount of money; prices have 6


def usage(
    frame: pd.DataFrame, *, by: Hashable | list[Hashable] = None, prefix: str = ""
) -> pd.DataFrame:
    """Sum up what results took and cost.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame with result columns, basic or full.
    by : label or list of labels, optional
        Columns to group by; rows without a value are a group too.
    prefix : str
        What stands before the result columns' names.

    Returns
    -------
    pandas.DataFrame
        A line per group, sorted, and one called `total`:

        `rows`, and of these `ok`, `empty`, `missing`, `failed`, `cancelled`, `pending`;
        `duration` (seconds, measured), `seconds` (billed; where the reply did not say, from its
        audio tokens, else from the duration); `prompt_tokens`, `audio_tokens`,
        `completion_tokens`, `total_tokens`; `cost` (price of the transcriptions, whoever paid),
        `paid` (by the run that made the columns), `saved` (reused rows), `possibly_paid` (attempts
        that ended without a reply) and the `currency` of these.

        What no row of a line tells is missing. Where several currencies occur, there is a line for
        each, never a sum over them; the host stands for a currency that is not known.

    Raises
    ------
    ColumnError
        There are no result columns of that prefix, or there is no column to group by.

    Warns
    -----
    AsrWarning
        The results come from several models, or from more than 30 days.

    Examples
    --------
    >>> done = pd.DataFrame({"status": ["ok", "ok", "failed"], "seconds": [3, 5, None]})
    >>> usage(done)[["rows", "ok", "failed", "seconds"]]
           rows  ok  failed  seconds
    total     3   2       1      8.0
    """
    said = mixed(frame, prefix)
    if said:
        warnings.warn(said, AsrWarning, stacklevel=3)  # the caller of `df.asr.usage`
    lines = _lines(Results(frame, prefix))
    labels = by if isinstance(by, list) else [] if by is None else [by]
    keys = [by_position(frame, label) for label in labels]
    total = _summed(lines, [pd.Series(_TOTAL, index=lines.index, dtype=object)])
    # No rows are no group, but they have a total.
    total = total if len(total) else total.reindex([_TOTAL])
    if not len(lines) or not keys:
        return _finished(total)
    groups = _summed(lines, keys)
    summed = pd.concat([groups, total])
    summed.index = _index(groups.index, len(total), labels)
    return _finished(summed)


def mixed(frame: pd.DataFrame, prefix: str = "") -> str | None:
    """Say whether results of one prefix come from several models, or from more than 30 days.

    Returns
    -------
    str or None
        One sentence, or nothing to say.

    Raises
    ------
    ColumnError
        There are no result columns of that prefix.

    Examples
    --------
    >>> mixed(pd.DataFrame({"status": "ok", "model": ["a", "b"], "reused": False}))
    "the results come from 2 models ('a', 'b')"
    """
    results = Results(frame, prefix)
    said = [
        _models(results.words("model", full=True)[results.done]),
        _days(results.times("transcribed_at")[results.done]),
    ]
    return f"the results come {' and '.join(filter(None, said))}" if any(said) else None


def _models(models: pd.Series[Any]) -> str | None:
    names = sorted(map(str, models.dropna().unique()))
    if len(names) < 2:  # noqa: PLR2004  (two are several)
        return None
    listed = [*map(repr, names[:_NAMED_AT_MOST]), *["…"] * (len(names) > _NAMED_AT_MOST)]
    return f"from {len(names)} models ({', '.join(listed)})"


def _days(times: pd.Series[Any]) -> str | None:
    first, last = times.min(), times.max()
    if not last - first > _LONGEST:  # also where there are none
        return None
    return f"from {(last - first).ceil('D').days} days ({first:%Y-%m-%d} to {last:%Y-%m-%d})"


def _lines(results: Results) -> pd.DataFrame:
    """Tell of each row what there is to sum up."""
    status = results.words("status")
    billed = billed_seconds(results)
    counts = {word: status.eq(word).astype("Float64") for word in _COUNTS}
    return pd.DataFrame(
        {
            **counts,
            "rows": pd.Series(1.0, index=status.index, dtype="Float64"),
            "duration": results.numbers("duration"),
            "seconds": billed.where(results.done),
            **{name: results.numbers(name) for name in _TOKENS},
            **_amounts(money_of(results, billed)),
        }
    )


def _amounts(money: Money) -> dict[str, pd.Series[Any]]:
    kinds: dict[str, Amount] = {name: getattr(money, name) for name in _MONEY}
    return {
        **{name: kind.known for name, kind in kinds.items()},
        **{_asked(name): kind.asked.astype("Float64") for name, kind in kinds.items()},
        "currency": money.currency,
    }


def _asked(name: str) -> str:
    return f"rows with {name}"


def _summed(lines: pd.DataFrame, keys: list[pd.Series[Any]]) -> pd.DataFrame:
    grouped = lines.drop(columns="currency").groupby(
        [*keys, lines["currency"]], dropna=False, observed=True
    )
    return grouped.sum(min_count=1).reset_index(level=-1)


def _index(groups: pd.Index, totals: int, labels: list[Hashable]) -> pd.Index:
    if len(labels) == 1:
        return pd.Index([*groups, *[_TOTAL] * totals], name=labels[0])
    total = (_TOTAL, *[""] * (len(labels) - 1))
    return pd.MultiIndex.from_tuples([*groups, *[total] * totals], names=labels)


def _finished(summed: pd.DataFrame) -> pd.DataFrame:
    money = {
        # Nothing that could cost costs nothing; what could and does not say remains unknown.
        name: summed[name].mask(summed[_asked(name)].fillna(0).eq(0), 0.0).round(_DECIMALS)
        for name in _MONEY
    }
    return pd.DataFrame(
        {
            **{name: summed[name].fillna(0).astype("Int64") for name in _COUNTS},
            **{name: summed[name].astype("Float64") for name in _SECONDS},
            **{name: summed[name].round().astype("Int64") for name in _TOKENS},
            **money,
            "currency": summed["currency"].astype(TEXT),
        }
    )
