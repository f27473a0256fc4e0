"""A real Jupyter kernel: Run All stops at an interrupted cell, and a run lives through cells."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.children import homely
from tests.faults.clips import write_clips
from tests.faults.serving import PATIENCE, ROOT, Server, serving
from tests.test_stop import ON_ITS_WAY, STOPPED_WITHIN, needs_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

ROWS = 200

pytestmark = needs_signals


@dataclass(slots=True)
class Cell:
    """What became of a cell."""

    reply: dict[str, Any]
    printed: str
    traceback: list[str]


@dataclass(slots=True)
class Notebook:
    """A kernel, and the cells that were sent to it."""

    kernel: KernelManager
    client: BlockingKernelClient
    sent: deque[str] = field(default_factory=deque)

    def send(self, code: str) -> None:
        """Queue a cell behind those before it, as Run All does."""
        self.sent.append(self.client.execute(code, stop_on_error=True))

    def wait(self) -> Cell:
        """Wait for the next cell's end."""
        cell = self.sent.popleft()
        reply = _until_it_is_of(cell, self.client.get_shell_msg)
        cell_ended = Cell(reply["content"], "", [])
        while True:
            message = _until_it_is_of(cell, self.client.get_iopub_msg)
            match message["msg_type"], message["content"]:
                case "stream", {"name": "stdout", "text": text}:
                    cell_ended.printed += text
                case "error", {"traceback": traceback}:
                    cell_ended.traceback = traceback
                case "status", {"execution_state": "idle"}:
                    return cell_ended

    def run(self, code: str) -> Cell:
        """Run one cell to its end."""
        self.send(code)
        cell = self.wait()
        assert cell.reply["status"] == "ok", cell.traceback
        return cell


def _until_it_is_of(cell: str, get: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            message = get(timeout=PATIENCE)
        except Empty:
            break
        if message["parent_header"].get("msg_id") == cell:
            return message
    return pytest.fail("the kernel does not answer")


@contextmanager
def opened(folder: Path) -> Iterator[Notebook]:
    from jupyter_client.manager import KernelManager

    kernel = KernelManager()
    kernel.start_kernel(cwd=str(ROOT), env={**os.environ, **homely(folder)})
    client = kernel.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        yield Notebook(kernel, client)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        kernel.cleanup_resources()


def first_cell(server: Server, folder: Path) -> str:
    paths = write_clips(folder / "audio", ROWS)
    return (
        "import sys, asr_pandas, pandas as pd\n"
        f"df = pd.DataFrame({{'audio': {paths}}})\n"
        f"options = dict(endpoint=asr_pandas.Endpoint({server.url!r}, api_key='sk-test'),\n"
        f"               journal={str(folder / 'journal.sqlite')!r}, progress=False)\n"
    )


def test_run_all_stops_at_an_interrupted_cell_and_what_is_finished_can_be_reached(
    tmp_path: Path,
) -> None:
    with serving(latency=0.2) as server, opened(tmp_path) as notebook:
        notebook.run(first_cell(server, tmp_path))
        notebook.send("out = df.asr.transcribe('audio', **options)")
        notebook.send("out = 'the next cell has run'")
        server.wait_until(lambda totals: totals.arrived > 40)
        pressed = time.time()
        notebook.kernel.interrupt_kernel()
        stopped, following = notebook.wait(), notebook.wait()
        counts = server.counts()
        partial = notebook.run("print((sys.last_value.partial['status'] == 'ok').sum())")
        again = notebook.run("print((asr_pandas.last_run().frame()['status'] == 'ok').sum())")
        rest = notebook.run(
            "print('out' in dir(), (df.asr.transcribe('audio', **options)['status'] == 'ok').all())"
        )
        afterwards = server.counts()

    arrived = counts.totals.arrived
    assert (stopped.reply["status"], stopped.reply["ename"]) == ("error", "Interrupted")
    assert following.reply["status"] == "aborted"
    assert len(stopped.traceback) == 1
    assert len(stopped.traceback[0].splitlines()) == 1
    assert max(counts.stamps) < pressed + STOPPED_WITHIN + ON_ITS_WAY
    assert arrived < ROWS
    assert partial.printed == again.printed == f"{arrived}\n"
    assert rest.printed == "False True\n"
    assert (afterwards.totals.arrived, afterwards.sent_again) == (ROWS, 0)


def test_a_started_run_goes_on_while_other_cells_are_executed(tmp_path: Path) -> None:
    with serving(latency=0.05) as server, opened(tmp_path) as notebook:
        notebook.run(first_cell(server, tmp_path))
        # It cannot end before it is stopped: the server answers no more than 100 requests.
        server.hold(100)
        notebook.run("run = df.asr.start('audio', **options)")
        server.wait_until(lambda totals: totals.arrived >= 100)
        midway = notebook.run("print(sorted(set(run.frame()['status'])), len(run.frame()))")
        server.hold(None)
        server.wait_until(lambda totals: totals.arrived > 110)
        notebook.run("run.stop()")
        notebook.run("run.wait()")
        arrived = server.totals().arrived
        ended = notebook.run("print(run.frame()['status'].value_counts().to_dict())")
        newest = notebook.run("print(asr_pandas.last_run() is run)")
        collected = notebook.run(
            "print((df.asr.collect('audio', **options)['status'] == 'ok').sum())"
        )
        unchanged = server.totals().arrived

    assert "ok" in midway.printed
    assert "pending" in midway.printed
    assert midway.printed.endswith(f" {ROWS}\n")
    assert f"'ok': {arrived}" in ended.printed
    assert newest.printed == "True\n"
    assert collected.printed == f"{arrived}\n"
    assert unchanged == arrived
