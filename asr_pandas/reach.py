"""Which endpoint a call means, and how it is reached: the embedded recogniser is started here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from asr_pandas.endpoint import Endpoint
from asr_pandas.endpoint.endpoint import KEY_VARIABLE, from_environment, named
from asr_pandas.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_UNASKED: Final = 2 * 3_600.0  # seconds that the embedded recogniser takes on by itself

_HOSTED_CONCURRENCY: Final = 16
# One row is recognised at a time, with all cores; the second is read and waits.
_LOCAL_CONCURRENCY: Final = 2

_in_use: list[Endpoint] = []


def use(endpoint: Endpoint | str | None) -> None:
    """Set the default endpoint of this process.

    Parameters
    ----------
    endpoint : Endpoint, str or None
        A value, a short word or an address; None goes back to the usual choice: DashScope where
        `DASHSCOPE_API_KEY` is set, else the embedded recogniser.

    Raises
    ------
    OptionError
        The word names no endpoint.

    Examples
    --------
    >>> use("local")
    >>> use(None)
    """
    chosen = _value(endpoint)
    _in_use[:] = [chosen] if chosen else []


def choose(endpoint: Endpoint | str | None) -> tuple[Endpoint, bool]:
    """Decide where requests go.

    Returns
    -------
    endpoint : Endpoint
        The one named, else the one in use, else DashScope where its key is set, else the embedded
        recogniser.
    asked : bool
        False for the last of these, which nobody has asked for.
    """
    chosen = _value(endpoint) or next(iter(_in_use), None) or from_environment()
    return chosen or Endpoint.local(), chosen is not None


def check(endpoint: Endpoint, *, asked: bool, cells: Iterable[object]) -> None:
    """Refuse what cannot end well, before anything is sent.

    Raises
    ------
    OptionError
        The key is missing; or nobody asked for the embedded recogniser, and there is more audio
        than one would want to wait for.
    """
    # Late: reading cells brings HTTP and stores with it, and importing the package must not.
    from asr_pandas.audio.cells import total_duration

    if endpoint.is_dashscope and not endpoint.key():
        message = (
            f"{endpoint.host} wants a key, and {KEY_VARIABLE} is not set.\n\n"
            f"Hint: export {KEY_VARIABLE}=..., or endpoint='local' for the embedded recogniser."
        )
        raise OptionError(message)
    if not asked and total_duration(cells, enough=LONGEST_UNASKED) > LONGEST_UNASKED:
        message = (
            f"{KEY_VARIABLE} is not set, and there is more audio than {LONGEST_UNASKED / 3600:.0f} "
            "hours, for which the embedded recogniser needs long.\n\n"
            f"Hint: export {KEY_VARIABLE}=..., or say endpoint='local' to run it here all the same."
        )
        raise OptionError(message)


class Reached(NamedTuple):
    """A service that answers."""

    endpoint: Endpoint
    """With an address, also where the embedded recogniser is meant."""
    identity: str
    """What its answers are recorded under, beside the model."""


def reached(endpoint: Endpoint) -> Reached:
    """Start the embedded recogniser where that is meant, and return an address that answers.

    Raises
    ------
    RecogniserMissing
        It is not installed.
    WeightsError
        Its weights are not there, or not what they should be.
    """
    if not endpoint.is_local:
        return Reached(endpoint, endpoint.identity)
    from asr_pandas.local import service

    address = service.start(endpoint.model, device=endpoint.device)
    running = replace(endpoint, url=address.url, api_key=address.token, model=address.model)
    return Reached(running, address.identity)


def usual_concurrency(endpoint: Endpoint) -> int:
    """Return how many rows are under way at once where nobody says so."""
    return _LOCAL_CONCURRENCY if endpoint.is_local else _HOSTED_CONCURRENCY


def _value(endpoint: Endpoint | str | None) -> Endpoint | None:
    return named(endpoint) if isinstance(endpoint, str) else endpoint
