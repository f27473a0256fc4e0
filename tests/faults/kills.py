"""Kill a run again and again, and see what is lost and what is sent twice."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.children import Task
from tests.faults.clips import digest, heard_in, write_clips
from tests.faults.serving import PATIENCE, Server, serving

if TYPE_CHECKING:
    import pandas as pd

CONCURRENCY = 16
_LATENCY = 0.02  # seconds that the server works on a request


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterKills:
    """What is left of a run that was killed, and finished at last."""

    kills: int
    rows: int
    own: int
    """Rows that are `ok` and have their own clip's transcript."""
    sent_again: list[int]
    """Requests beyond the first of each clip, counted when the run after each kill had ended."""

    @property
    def most_per_kill(self) -> float:
        """The largest mean of what kills cost, taken from the first to any."""
        # One run may send again what two kills cut off: the first re-run was killed too soon.
        return max(count / number for number, count in enumerate(self.sent_again, start=1))


def killed(folder: Path, *, rows: int, kills: int, seed: int) -> AfterKills:
    """Kill a run at so many points, each once the server has seen a drawn number of requests."""
    paths = write_clips(folder / "audio", rows)
    # Each point leaves a part of the rows, so that there is still somebody to be killed.
    dice = random.Random(seed)  # noqa: S311 - a test that fails must fail again
    points = sorted(dice.sample(range(1, rows * 9 // 10), kills))
    with serving(latency=_LATENCY) as server:
        task = Task(
            url=server.url,
            paths=paths,
            journal=folder / "journal.sqlite",
            home=folder,
            saved=folder / "out.parquet",
            options={"concurrency": CONCURRENCY},
        )
        again = []
        for point in points:
            _kill_at(server, task, point)
            again.append(server.counts().sent_again)
        out = task.finish()
        counts = server.counts()
    return AfterKills(
        kills=kills,
        rows=len(out),
        own=_own(out),
        # Before the first kill nothing can be sent again.
        sent_again=[*again[1:], counts.sent_again],
    )


def _kill_at(server: Server, task: Task, distinct: int) -> None:
    """Kill a run once so many distinct clips have arrived in all."""
    before = server.totals()
    target = max(distinct + server.counts().sent_again, before.arrived + 1)
    # On a busy machine the run must not end before it is killed: the server stops answering then.
    server.hold(target + 2 * CONCURRENCY)
    child = task.start()
    server.wait_until(lambda totals: totals.arrived >= target, running=child.is_alive)
    child.kill()
    child.join(PATIENCE)
    assert child.exitcode == -signal.SIGKILL, f"the run ended by itself: {child.exitcode}"
    child.close()
    server.hold(None)
    # What the dead one sent may still be on its way; it belongs to this kill, not to the next.
    server.wait_until(lambda totals: totals.in_flight == 0)


def _own(out: pd.DataFrame) -> int:
    heard = [heard_in(digest(Path(path).read_bytes())) for path in out["audio"]]
    return int(((out["status"] == "ok") & (out["transcript"] == heard)).sum())
