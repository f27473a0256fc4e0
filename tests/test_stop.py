"""The stop button of a script: nothing new is sent, and what is paid for is kept."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd
import pytest

from tests.faults.children import homely
from tests.faults.clips import write_clips
from tests.faults.serving import PATIENCE, ROOT, Server, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_signals = pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process alone")

ROWS = 200
STOPPED_WITHIN = 0.2  # seconds from the signal: the contract
ON_ITS_WAY = 0.1  # seconds more for a request that had left to be seen by the server's process
STEADY = 3_000.0  # requests a minute: without the signal, another one would leave soon
GRACE = 5.0  # seconds that requests in flight have

# A script that prints what it has when it ends. Its own handler lets a signal that comes after the
# run be no more than a signal.
SCRIPT = """
import json, signal, sys
signal.signal(signal.SIGINT, lambda *_: None)
import asr_pandas, pandas as pd
url, journal, paths, options = json.loads(sys.argv[1])
frame = pd.DataFrame({"audio": paths})
endpoint = asr_pandas.Endpoint(url, api_key="sk-test-0123456789")
try:
    out, how = frame.asr.transcribe(
        "audio", endpoint=endpoint, journal=journal, progress=False, **options), "returned"
except asr_pandas.Interrupted as stopped:
    out, how = stopped.partial, "raised"
print(json.dumps([how, out["status"].tolist()]))
"""


@contextmanager
def script(server: Server, folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    paths = write_clips(folder / "audio", ROWS)
    asked = orjson.dumps([server.url, str(folder / "journal.sqlite"), paths, options]).decode()
    with subprocess.Popen(  # noqa: S603 - our own code, in a fresh interpreter
        [sys.executable, "-c", SCRIPT, asked],
        cwd=ROOT,
        env={**os.environ, **homely(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> float:
    now = time.time()
    process.send_signal(signal.SIGINT)
    return now


def told_by(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    out, _ = process.communicate(timeout=PATIENCE)
    how, statuses = orjson.loads(out)
    return how, statuses


@needs_signals
@pytest.mark.parametrize(("on_interrupt", "ending"), [("raise", "raised"), ("return", "returned")])
def test_an_interrupt_sends_nothing_new_and_keeps_what_was_in_flight(
    tmp_path: Path, on_interrupt: str, ending: str
) -> None:
    with (
        serving(latency=0.2) as server,
        script(server, tmp_path, on_interrupt=on_interrupt, concurrency=16, rpm=STEADY) as process,
    ):
        server.wait_until(
            lambda totals: totals.arrived > 40, running=lambda: process.poll() is None
        )
        pressed = interrupt(process)
        how, statuses = told_by(process)
        counts = server.counts()

    assert how == ending
    assert max(counts.stamps) < pressed + STOPPED_WITHIN + ON_ITS_WAY
    assert 40 < counts.totals.arrived < ROWS
    assert statuses.count("ok") == counts.totals.arrived
    assert statuses.count("pending") == ROWS - counts.totals.arrived


@needs_signals
def test_what_hangs_is_cancelled_by_a_second_interrupt_at_once(tmp_path: Path) -> None:
    with serving(latency=3_600) as server, script(server, tmp_path, concurrency=8) as process:
        server.wait_until(
            lambda totals: totals.in_flight > 0, running=lambda: process.poll() is None
        )
        pressed = interrupt(process)
        # Two signals that come together are one: press again, as people do.
        until(lambda: _ended(process) or not interrupt(process), what="the script's end")
        took = time.time() - pressed
        how, statuses = told_by(process)

    assert how == "raised"
    assert took < GRACE
    assert set(statuses) == {"cancelled", "pending"}


def _ended(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


@needs_signals
def test_after_an_interrupt_the_next_run_sends_only_the_rest(tmp_path: Path) -> None:
    with serving(latency=0.1) as server:
        with script(server, tmp_path, concurrency=16) as process:
            server.wait_until(
                lambda totals: totals.arrived > 40, running=lambda: process.poll() is None
            )
            interrupt(process)
            told_by(process)
        with script(server, tmp_path, concurrency=16) as process:
            how, statuses = told_by(process)
        counts = server.counts()

    assert (how, statuses) == ("returned", ["ok"] * ROWS)
    assert (counts.totals.arrived, counts.sent_again) == (ROWS, 0)


def test_cancelling_the_async_call_stops_it_in_the_same_way(tmp_path: Path) -> None:
    frame = pd.DataFrame({"audio": write_clips(tmp_path / "audio", ROWS)})

    with serving(latency=0.2) as server:
        options = {"endpoint": server.endpoint, "journal": tmp_path / "journal.sqlite"}
        cancelled = asyncio.run(cancel_in_the_midst(server, frame, **options))
        counts = server.counts()
        out = frame.asr.transcribe("audio", **options, progress=False)
        afterwards = server.counts()

    assert max(counts.stamps) < cancelled + STOPPED_WITHIN + ON_ITS_WAY
    assert counts.totals.arrived < ROWS
    assert (out["status"] == "ok").all()
    assert (afterwards.totals.arrived, afterwards.sent_again) == (ROWS, 0)


async def cancel_in_the_midst(server: Server, frame: pd.DataFrame, **options: Any) -> float:
    call = asyncio.create_task(frame.asr.transcribe_async("audio", **options, progress=False))
    under_way = partial(
        server.wait_until, lambda totals: totals.arrived > 40, running=lambda: not call.done()
    )
    await asyncio.to_thread(under_way)
    now = time.time()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    return now
