"""`Plan`: what a run would do, as a value that shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_pandas.plan import shown

if TYPE_CHECKING:
    import pandas as pd

    from asr_pandas.plan.forecast import Bottleneck, Forecast
    from asr_pandas.plan.sums import Sums

_HOUR: Final = 3_600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run is done with."""

    variable: str
    """How the audio is called: `df["audio"]`."""
    host: str
    """The host's name; `local` for the embedded recogniser, `journal` where nothing is sent."""
    model: str
    currency: str | None
    stays: bool
    """Whether all audio stays on this machine."""
    is_local: bool
    """Whether the embedded recogniser does the work."""
    replays: bool
    """Whether nothing is sent."""
    rpm: float | None
    """Requests per minute that are allowed."""
    concurrency: int
    budget: float | None
    """In the currency."""
    deep: bool
    """Whether everything was read."""
    looked_up: bool
    """Whether recorded answers were looked for."""
    fetch: bool
    """Whether addresses are downloaded here."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Plan:
    """What a run would do, and cost; nothing was sent to make it.

    Attributes
    ----------
    frame : pandas.DataFrame
        A line for each row, with the frame's index:

        `status` is what would become of it: `send`; `recorded` (in the journal already);
        `duplicate` (of a row above, with the same options); `missing`; `unreadable`, `too_long`,
        `too_large`, `download` (it becomes a row with that error); `pending` (only the journal is
        asked, and lacks it). `message` says why. `source` (`file`, `cell`, `http`, `store`),
        `container`, `duration` (seconds), `exact` (whether it is counted, and not estimated),
        `size` (bytes that are sent, before Base64), `language` (the hint), `clip` (rows with equal
        numbers hold the same audio, as far as is known), `identity` (what the journal knows it by),
        `identified_by` (`content`, `etag, size`…, `not yet read`, `not asked`, `nothing`), `sound`
        (in a deep plan: `audible`, `silent`, `undecodable`), `cost` (what the run would pay for the
        row, in the endpoint's currency; missing where its length or the price is not known).
    sums : Sums
        What the lines add up to.
    means : Means
        What the run is done with.
    forecast : Forecast
        How long it takes, and what holds it up.
    notes : tuple of str
        What should be known before it begins.
    """

    frame: pd.DataFrame
    sums: Sums
    means: Means
    forecast: Forecast
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.sums.rows

    @property
    def clips(self) -> int:
        """How many distinct clips there are, at most."""
        return self.sums.clips

    @property
    def hours(self) -> float:
        """Hours of audio, as far as its length is known."""
        return self.sums.seconds / _HOUR

    @property
    def requests(self) -> int:
        """How many requests are sent, at most."""
        return self.sums.requests

    @property
    def cost(self) -> float | None:
        """What they cost, at most, in `currency`; None where the price is not known."""
        return self.sums.cost

    @property
    def currency(self) -> str | None:
        """The currency of `cost`; None where it is not known."""
        return self.means.currency

    @property
    def time(self) -> float | None:
        """Seconds that the run takes, at the pace allowed; None where that is not known."""
        return self.forecast.time

    @property
    def bottleneck(self) -> Bottleneck | None:
        """What the time depends on: `limit`, `uplink`, `concurrency` or `CPU`."""
        return self.forecast.bottleneck

    @property
    def host(self) -> str:
        """The host that is asked."""
        return self.means.host

    @property
    def leaves(self) -> float:
        """Hours of audio that go to the host, as far as their length is known."""
        return 0.0 if self.means.stays else self.sums.sent_seconds / _HOUR

    def __repr__(self) -> str:
        """Show it in a terminal."""
        return shown.text(self)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return shown.html(self)
