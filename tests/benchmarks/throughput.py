"""Rows per second, CPU and memory: ours, and what else one could run, against the same mock.

    python -m tests.benchmarks.throughput [--quick] [--rounds 5] [--rows N] [--settings 64x50 ...]

Plain HTTP on this machine's loopback: what is measured is the client, not a network or a service.
Each run is a process of its own with a mock of its own (mock.py), each round has all clients
(clients.py) in a shuffled order, and ratios are taken inside a round. The files are distinct, so
that ours, which asks once for equal audio, sends as many requests as the others; every transcript
and the mock's counts are checked. Figures are medians, with the least and the most in brackets.
"C / latency" bounds rows per second for everybody, and with it how many times `usual` anything can
be: where that is less than a goal says, CPU per row tells more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE: Final = 16_000  # Hz; 16 bits a sample, one channel
NOISE: Final = 32_768  # bytes of each file that are written; a hole, which reads as zeros, follows
PACKAGES: Final = ("openai", "aiohttp", "httpx2", "pandas", "orjson", "pybase64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all clients of a round are given."""

    concurrency: int
    latency: float
    kilobytes: int
    rows: int
    rounds: int
    clients: tuple[str, ...] = tuple(CLIENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process did."""

    wall: float
    cpu: float
    peak_mb: float
    connections: int
    most_in_flight: int
    requests: int


SETTINGS: Final = {
    "64x50": Setting(concurrency=64, latency=0.05, kilobytes=160, rows=2_560, rounds=5),
    "256x300": Setting(concurrency=256, latency=0.3, kilobytes=160, rows=2_048, rounds=5),
    "64x300": Setting(concurrency=64, latency=0.3, kilobytes=160, rows=1_536, rounds=5),
    # Not what a service does, but where the client alone is the limit, on a fast machine too.
    "64x5": Setting(concurrency=64, latency=0.005, kilobytes=160, rows=2_560, rounds=5),
    "memory64": Setting(
        concurrency=64, latency=0.3, kilobytes=960, rows=10_000, rounds=1, clients=("ours",)
    ),
    "memory256": Setting(
        concurrency=256, latency=0.3, kilobytes=960, rows=10_000, rounds=1, clients=("ours",)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--clients", nargs="+", choices=CLIENTS)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--quick", action="store_true", help="one round of at most 1,024 rows")
    asked = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES), f"; {os.cpu_count()} CPUs")
    for name in asked.settings:
        setting = SETTINGS[name]
        if asked.quick:
            setting = replace(setting, rounds=1, rows=min(setting.rows, 1_024))
        setting = replace(
            setting,
            rounds=asked.rounds or setting.rounds,
            rows=asked.rows or setting.rows,
            clients=tuple(asked.clients or setting.clients),
        )
        show(name, setting, measure(setting))


def measure(setting: Setting) -> list[dict[str, Run]]:
    """Run all clients, round after round."""
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        # One more: each client's first row is not counted.
        paths = [write(Path(folder), row, setting.kilobytes) for row in range(setting.rows + 1)]
        for _ in range(setting.rounds):
            order = random.sample(setting.clients, len(setting.clients))
            rounds.append({client: run(client, setting, paths) for client in order})
    return rounds


def run(client: str, setting: Setting, paths: list[Path]) -> Run:
    with mock(setting.latency) as url:
        command = [sys.executable, "-m", "tests.benchmarks.clients", client, "--url", url]
        told = subprocess.run(  # noqa: S603 (our own script)
            [*command, "--concurrency", str(setting.concurrency)],
            input="\n".join(map(str, paths)),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        with urllib.request.urlopen(f"{url}/stats") as stats:  # noqa: S310 (our own mock)
            counts: dict[str, Any] = json.load(stats)
    assert counts.pop("recognised") == len(paths), f"{client} asked too often, or not for all"
    assert counts.pop("in_flight") == 0
    assert counts["most_in_flight"] <= setting.concurrency, f"{client} had too many in flight"
    return Run(**json.loads(told.stdout), **counts)


@contextmanager
def mock(latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.mock", "--latency", str(latency)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as server:  # noqa: S603 (our own script)
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.communicate()


def write(folder: Path, row: int, kilobytes: int) -> Path:
    """Write a WAV file that begins with its mark and noise, and is no other file's equal."""
    path = folder / f"{row:08}.wav"
    size = kilobytes * 1_000
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    head = struct.pack("<4sI4s4s", b"RIFF", size - 8, b"WAVE", b"fmt ") + form
    data = struct.pack("<4sI", b"data", size - 44) + f"{row:08}".encode()
    path.write_bytes(head + data + random.randbytes(NOISE))  # noqa: S311 (noise)
    os.truncate(path, size)
    return path


def show(name: str, setting: Setting, rounds: list[dict[str, Run]]) -> None:
    ideal = setting.rows * setting.latency / setting.concurrency
    print(
        f"\n{name}: C={setting.concurrency}, {setting.latency * 1000:.0f} ms, "
        f"{setting.kilobytes} KB, N={setting.rows}, rounds={len(rounds)}, "
        f"load {os.getloadavg()[0]:.1f}, at most {setting.concurrency / setting.latency:.0f} rows/s"
    )
    print(
        f"{'':8} {'rows/s':>18} {'x usual':>18} {'CPU ms/row':>18} {'CPU / usual':>18} "
        f"{'of ideal':>18} {'peak MB':>14} {'requests':>9} {'conn.':>6} {'in flight':>9}"
    )
    for client in setting.clients:
        runs = [one[client] for one in rounds]
        usual = [one.get("usual") for one in rounds]
        pairs = [(ours, other) for ours, other in zip(runs, usual, strict=True) if other]
        columns = (
            spread([setting.rows / one.wall for one in runs], "{:.0f}", 18),
            spread([other.wall / ours.wall for ours, other in pairs], "{:.2f}", 18),
            spread([1_000 * one.cpu / setting.rows for one in runs], "{:.2f}", 18),
            spread([ours.cpu / other.cpu for ours, other in pairs], "{:.3f}", 18),
            spread([ideal / one.wall for one in runs], "{:.3f}", 18),
            spread([one.peak_mb for one in runs], "{:.0f}", 14),
            f"{runs[0].requests:>9} {runs[0].connections:>6} {runs[0].most_in_flight:>9}",
        )
        print(f"{client:8}", *columns, flush=True)


def spread(values: list[float], form: str, width: int) -> str:
    if not values:
        return " " * width
    middle, least, most = (form.format(one) for one in (median(values), min(values), max(values)))
    return f"{middle} [{least}-{most}]".rjust(width)


if __name__ == "__main__":
    main()
