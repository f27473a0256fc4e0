"""How long a run takes, and what holds it up: arithmetic from what is known and assumed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Bottleneck = Literal["limit", "uplink", "concurrency", "CPU"]

UPLINK_MBIT: Final = 20.0
"""Mbit/s that are assumed to leave this machine: nobody measures without sending."""
LATENCY: Final = 2.0
"""Seconds that a hosted service is assumed to need for a reply; about 1 to 2 were seen for short
clips."""
CPU_PER_REQUEST: Final = 0.003
"""CPU seconds of this machine, an estimate: read, hashed, encoded, sent and recorded; 0.002 were
measured for sending 0.96 MB alone."""
RECOGNISER_CPU: Final = 0.2
"""CPU seconds per second of audio that the embedded recogniser needs with `base`: README's table
has 0.09 to 0.28."""
RECOGNISER_MODEL: Final = "base"  # the one that was measured

_BITS: Final = 8e-6  # Mbit in a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What there is to do."""

    requests: int
    seconds: float
    """Of audio."""
    size: int
    """Bytes that leave this machine, after Base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What it is done with."""

    concurrency: int
    rpm: float | None = None
    """Requests per minute that are allowed; None where no limit is known."""
    uplink_mbit: float | None = UPLINK_MBIT
    """Mbit/s; None where nothing leaves this machine."""
    latency: float | None = LATENCY
    """Seconds to a reply; None where the work is done here."""
    cpu_per_request: float = CPU_PER_REQUEST
    """Seconds."""
    cpu_per_second: float | None = 0.0
    """CPU seconds per second of audio; None where nobody has measured it."""


class Forecast(NamedTuple):
    """How long it takes."""

    time: float | None
    """Seconds; None where what it depends on is not known."""
    bottleneck: Bottleneck | None
    """What it depends on; None where there is nothing to do."""
    uplink_mbit: float | None
    """Mbit/s that it takes to be so fast; None where nothing leaves this machine."""


def forecast(load: Load, pace: Pace) -> Forecast:
    """Tell how long a run takes, and what holds it up.

    Examples
    --------
    >>> load = Load(requests=15_844, seconds=118_800, size=5_000_000_000)
    >>> time, bottleneck, _ = forecast(load, Pace(concurrency=16, rpm=100))
    >>> f"{time / 3600:.1f} h: {bottleneck}"
    '2.6 h: limit'
    """
    if load.requests == 0:
        return Forecast(0.0, None, None)
    if pace.cpu_per_second is None:
        return Forecast(None, "CPU", None)
    times: dict[Bottleneck, float] = {
        "CPU": load.requests * pace.cpu_per_request + load.seconds * pace.cpu_per_second
    }
    if pace.rpm is not None:
        times["limit"] = load.requests / pace.rpm * 60
    if pace.latency is not None:
        # The last round is a whole one, however few are in it.
        times["concurrency"] = -(-load.requests // pace.concurrency) * pace.latency
    if pace.uplink_mbit is not None:
        times["uplink"] = load.size * _BITS / pace.uplink_mbit
    bottleneck = max(times, key=times.__getitem__)
    time = times[bottleneck]
    leaves = pace.uplink_mbit is not None
    return Forecast(time, bottleneck, load.size * _BITS / time if leaves and time else None)
