"""What a notebook shows of a run, as its file keeps it: cells in a real kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from asr_pandas import notebook

PREPARE = """
import asyncio, threading
from asr_pandas import notebook
from asr_pandas.model import Outcome
from asr_pandas.run.shown.progress import Progress
from asr_pandas.run.shown.tally import Tally

def tally_and_progress(**options):
    tally = Tally(rows=2)
    new_bar = notebook.new_bar if notebook.in_notebook() else None
    return tally, Progress(tally, wanted=None, new_bar=new_bar, **options)

def work(tally, progress):
    tally.all_seconds = 12.0
    progress.say("asr-pandas → host")
    for _ in range(2):
        tally.add(Outcome(status="ok", attempts=1, duration=6.0))
        progress.draw()
    progress.close()
"""
HERE = "work(*tally_and_progress())"
ON_THE_LOOP = """
async def there():
    work(*tally_and_progress())

await there()
"""
IN_BACKGROUND = """
class Clock:
    seconds = 0.0

    def time(self):
        return self.seconds

clock = Clock()
tally, progress = tally_and_progress(background=True, clock=clock)
tally.notice = "<script>alert(1)</script> & more"
"""
LATER = """
tally.all_seconds = 12.0
clock.seconds = 3.0
thread = threading.Thread(target=progress.draw)
thread.start()
thread.join()
"""
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def executed(*cells: str, folder: Path) -> Any:
    """Run cells in a kernel of their own; return the notebook as it would be saved."""
    v4: Any = nbformat.v4  # without types
    written = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(Path(__file__).parents[1])}}
    client = NotebookClient(written, timeout=120, resources=resources)
    return client.execute(env={**os.environ, "IPYTHONDIR": str(folder)})


def outputs(cell: Any) -> list[Any]:
    """Return what is saved below a cell, without what differs from run to run and is not shown."""
    return [
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in cell.outputs
    ]


def widgets(executed: Any) -> list[str]:
    """Return what the widgets show in the end, from the state that was saved."""
    models = executed.metadata.widgets[STATE].state.values()
    return [model.state.value for model in models if model.model_name == "HTMLModel"]


def test_a_saved_notebook_has_one_constant_text_and_the_figures_in_the_widget_alone(
    tmp_path: Path,
) -> None:
    done = executed(PREPARE, HERE, ON_THE_LOOP, folder=tmp_path)

    kept = ["asr-pandas → host\n", notebook.WITHOUT_KERNEL, "2 rows: 2 ok\n"]
    assert [outputs(cell) for cell in done.cells] == [[], kept, kept]
    assert WIDGET in done.cells[1].outputs[1].data
    assert len(widgets(done)) == 2
    assert all("2 rows · 12 s of audio · in 0 s" in shown for shown in widgets(done))


def test_in_the_background_the_bar_stands_under_the_cell_that_started_and_any_thread_draws_it(
    tmp_path: Path,
) -> None:
    done = executed(PREPARE, IN_BACKGROUND, LATER, folder=tmp_path)

    (shown,) = widgets(done)
    assert [outputs(cell) for cell in done.cells] == [[], [notebook.WITHOUT_KERNEL], []]
    assert "0/2 rows · 0/12 s of audio" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in shown


def test_two_days_do_not_flood_the_page() -> None:
    now, pictures, bar = 0.0, 0, notebook.Bar.__new__(notebook.Bar)

    while now < 2 * 24 * 3600:
        now += bar.pause(now)
        pictures += 1

    assert bar.pause(0) >= 0.2
    assert pictures < 100_000


def test_outside_a_kernel_there_is_no_notebook() -> None:
    assert not notebook.in_notebook()
