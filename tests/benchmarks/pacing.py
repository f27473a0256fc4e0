"""How much of a rate limit is used, and how many answers are refusals?

    python -m tests.benchmarks.pacing [--seed 1] [--draws 100] [--seconds 20]

(a) On a clock that jumps: limiters drawn at random, known and unknown to the pacer, one or several
processes on one account. (b) In real time: a token bucket behind aiohttp, 64 workers.

`share` is of what the limit's rate allows until the last request is admitted; `ideal` is the
fastest run that could be, bursts used as well, until the last reply. A run longer than a minute
shows the pacing, a shorter one mostly its start and its end. All timers are late by up to 2 ms, and
fifty times as late now and then; the way to the limiter takes 3 to 40 ms, give or take a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import ClientSession, TCPConnector, web

from asr_pandas.model import Failure
from asr_pandas.run.clock import RealClock
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.pace.slots import shared
from tests.run.pace.limiters import Bucket, Limiter, Sliding, Window, simulate

if TYPE_CHECKING:
    from tests.run.pace.limiters import Result

LONG = 60.0  # seconds that a run lasts at least, where requests are as many as it takes
LATE = 0.002  # seconds
SETTINGS = [
    # what is known, processes, Retry-After in seconds, at least a minute
    ("known", 1, None, True),
    ("known", 2, None, True),
    ("known", 4, None, True),
    ("unknown", 1, None, False),
    ("unknown", 1, None, True),
    ("unknown", 2, None, True),
    ("unknown", 4, None, True),
    ("unknown", 1, 1.0, True),
]


def draw(rng: random.Random) -> Limiter:
    """Draw a limiter: mostly buckets, and windows of a second and of a minute."""
    rate, kind = math.exp(rng.uniform(math.log(0.5), math.log(200.0))), rng.random()
    if kind < 0.6:
        return Bucket(rate, max(1, round(math.exp(rng.uniform(0.0, math.log(200.0))))))
    if kind < 0.8:
        return Window(max(1, round(rate * 60.0)), 60.0, rng.choice([0.0, rng.uniform(0.0, 60.0)]))
    if kind < 0.9:
        return Window(max(1, round(rate)), 1.0, rng.random())
    return Sliding(max(1, round(rate * 60.0)), 60.0)


def sort_of(limiter: Limiter) -> str:
    if isinstance(limiter, Bucket):
        return "bucket, burst 1" if limiter.burst == 1 else "bucket, burst 2-200"
    if isinstance(limiter, Window):
        return f"window of {limiter.size:.0f} s"
    return "sliding, 60 s"


def row(name: str, results: list[Result], *, least: float) -> str:
    shares, refused = [r.share for r in results], [r.refused for r in results]
    met = sum(r.share >= least and r.refused <= 0.02 for r in results)
    return (
        f"{name:42s} {len(results):4d}   {statistics.median(shares):.3f} {min(shares):.3f}   "
        f"{statistics.median(r.ideal for r in results):.3f}   "
        f"{statistics.median(refused):7.2%} {max(refused):7.2%}   {met:4d}"
    )


def simulated(seed: int, draws: int) -> None:
    print(f"seed {seed}; met: share >= 0.95 (known: 0.97) and 429s <= 2 %")
    print(f"{'':42s}    n   share (min)     ideal   429s    (max)      met")
    for known, processes, wait, long in SETTINGS:
        results: dict[str, list[Result]] = {}
        for number in range(draws):
            limiter = draw(random.Random(f"{seed}/{number}"))  # noqa: S311 - no secret
            results.setdefault(sort_of(limiter), []).append(
                simulate(
                    limiter,
                    seed=seed * 100_003 + number,
                    requests=max(1_500, int(LONG * limiter.rate)) if long else 1_500,
                    rpm=limiter.rate * 60.0 if known == "known" else None,
                    processes=processes,
                    retry_after=wait,
                    late=LATE,
                )
            )
        name = f"{known}, {processes} pr., {'>= 60 s' if long else 'N=1500'}"
        name += f", Retry-After {wait:.0f} s" if wait else ""
        least = 0.97 if known == "known" else 0.95
        print(row(name, [r for some in results.values() for r in some], least=least))
        for sort, some in sorted(results.items()):
            print(row(f"    {sort}", some, least=least))


async def in_real_time(rate: float, burst: int, *, known: bool, requests: int) -> str:
    bucket, refusals = Bucket(rate, burst), 0
    began = time.monotonic()

    async def answer(_: web.Request) -> web.Response:
        if not bucket.admits(time.monotonic() - began):
            return web.Response(status=429)
        await asyncio.sleep(0.3)
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    refusal = Failure(kind="rate_limit", message="", retry="again", throttle="rate")
    with tempfile.TemporaryDirectory() as folder:
        slots = shared(host="localhost", model="m", api_key="k", folder=Path(folder))
        pacer = Pacer(rate * 60.0 if known else None, clock=RealClock(), slots=slots)
        queue = iter(range(requests))

        async def work(session: ClientSession) -> None:
            nonlocal refusals
            for _ in queue:
                await pacer.turn()
                while (await session.post(address, data=b"x")).status != 200:
                    refusals += 1
                    pacer.refused(refusal, 0.0)
                    await pacer.turn()
                pacer.accepted()

        start, cpu = time.monotonic(), time.process_time()
        async with (
            ClientSession(connector=TCPConnector(limit=64)) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(64):
                group.create_task(work(session))
        took, cpu = time.monotonic() - start, time.process_time() - cpu
    await runner.cleanup()
    return (
        f"{rate:6.1f}/s burst {burst:3d} {'known' if known else 'unknown':8s} N={requests:5d} "
        f"share {requests / rate / took:.3f}  429s {refusals / (requests + refusals):6.2%}  "
        f"CPU {1e3 * cpu / requests:.2f} ms/request (with the server's)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each real-time run")
    options = parser.parse_args()
    simulated(options.seed, options.draws)
    for rate, burst, known in [(100.0, 10, True), (100.0, 10, False), (20.0, 20, True)]:
        requests = int(rate * options.seconds)
        print(asyncio.run(in_real_time(rate, burst, known=known, requests=requests)))


if __name__ == "__main__":
    main()
