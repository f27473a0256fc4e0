"""What each row of a set of results cost, or may have cost: columns in, amounts out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd

from asr_pandas.endpoint.prices import Price, cost_of, price_of
from asr_pandas.model import Usage

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asr_pandas.results import Results

# Where no column counts them: these ends leave open whether the service did the work.
_UNANSWERED: Final = ("timeout", "network", "bad_reply")


class Amount(NamedTuple):
    """One kind of money, with a cell for each row."""

    known: pd.Series[Any]
    """Missing where it cannot be told, and where it is not asked for."""
    asked: pd.Series[Any]
    """Whether the row has anything of this kind at all."""


class Money(NamedTuple):
    """What the rows cost, with a cell for each."""

    cost: Amount
    """Price of the transcription, whoever paid."""
    paid: Amount
    """What the run that made the columns paid of it."""
    saved: Amount
    """What it did not, because the row was reused."""
    possibly_paid: Amount
    """Price of the attempts that ended without a reply."""
    currency: pd.Series[Any]
    """The same for all rows, unless there are several; a host where its currency is not known."""


def billed_seconds(results: Results) -> pd.Series[Any]:
    """Tell what each row's reply bills, or would have billed."""
    counted = zip(
        *(results.numbers(name).array for name in ("seconds", "audio_tokens", "duration")),
        strict=True,
    )
    seconds = [
        cost_of(Usage(seconds=said, audio_tokens=tokens), duration=duration, price=None).seconds
        for said, tokens, duration in (map(_or_none, row) for row in counted)
    ]
    return pd.Series(seconds, index=pd.RangeIndex(len(seconds)), dtype="Float64")


def _or_none(number: Any) -> Any:  # noqa: ANN401  (pandas' own union)
    return None if number is pd.NA else number


def money_of(results: Results, billed: pd.Series[Any]) -> Money:
    """Tell what each row cost.

    Parameters
    ----------
    results : Results
        The result columns.
    billed : Series
        Seconds, from `billed_seconds`.
    """
    done, reused, hosts = results.done, results.truths("reused"), _hosts(results)
    said = results.numbers("cost", full=True).where(done)
    listed = _listed(results, hosts)
    prices = _prices(said, billed, hosts, listed)
    cost = said.fillna((billed * prices).where(done))
    unanswered = _unanswered(results, reused)
    possibly_paid = _amount(unanswered * billed * prices, unanswered.gt(0))
    currency = hosts.map(
        lambda host: listed[host].currency if host in listed else host, na_action="ignore"
    )
    # Where nothing says whether a row was reused, it is asked of both, and known of neither.
    was_reused, may_be = reused.fillna(value=False), reused.fillna(value=True)
    return Money(
        cost=_amount(cost, done),
        paid=_amount(cost.where(~may_be), done & ~was_reused),
        saved=_amount(cost.where(was_reused), done & may_be),
        possibly_paid=possibly_paid,
        currency=_split(currency, cost.notna() | possibly_paid.known.notna()),
    )


def _amount(known: pd.Series[Any], asked: pd.Series[Any]) -> Amount:
    return Amount(known.where(asked), asked)


def _hosts(results: Results) -> pd.Series[Any]:
    hosts = results.words("endpoint", full=True)
    there = hosts.dropna().unique()
    if not len(there):
        # The basic columns do not name it; what the frame remembers of the call may.
        return results.all_rows(results.record.get("endpoint"))
    # A row that has no reply would have got it where all the others got theirs.
    return hosts.where(hosts.notna() | results.done, there[0]) if len(there) == 1 else hosts


def _listed(results: Results, hosts: pd.Series[Any]) -> dict[Hashable, Price]:
    model = None if results.is_full else results.record.get("model")
    found = {host: price_of(str(host), model) for host in hosts.dropna().unique()}
    return {host: price for host, price in found.items() if price}


def _prices(
    cost: pd.Series[Any],
    billed: pd.Series[Any],
    hosts: pd.Series[Any],
    listed: dict[Hashable, Price],
) -> pd.Series[Any]:
    """Tell each row's price of a second: what other rows of its host cost, else the table's."""
    told = cost.gt(0).fillna(value=False) & billed.gt(0).fillna(value=False)
    sums = pd.DataFrame({"cost": cost, "billed": billed})[told].groupby(hosts[told]).sum()
    known = {
        **{host: price.per_second for host, price in listed.items()},
        **(sums["cost"] / sums["billed"]).to_dict(),
    }
    return hosts.map(known).astype("Float64")


def _unanswered(results: Results, reused: pd.Series[Any]) -> pd.Series[Any]:
    """Count each row's attempts that ended without a reply."""
    status, error = results.words("status"), results.words("error")
    cancelled = status.eq("cancelled")
    guessed = cancelled | (status.eq("failed") & error.isin(_UNANSWERED))
    counted = results.numbers("unanswered", full=True).fillna(guessed.astype("Float64"))
    counted = counted.mask(cancelled & counted.lt(1), 1.0)
    # What a reused row's first run did not learn is that run's business.
    return counted.mask(reused.fillna(value=False), 0.0)


def _split(currency: pd.Series[Any], has_money: pd.Series[Any]) -> pd.Series[Any]:
    """Give all rows the one currency there is; where there are several, leave each its own."""
    there = currency[has_money].unique()
    if len(there) > 1:
        return currency
    return pd.Series(there[0] if len(there) else None, index=currency.index, dtype=object)
