"""One run in a fresh interpreter, and what it took: seconds, and memory beyond the frame.

    python -m tests.faults.measured '{"url": …, "folder": …, "rows": 100, "journal": …}'

Prints JSON. Everything is imported, and a connection made, before anything is measured.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

import asr_pandas
from tests.faults.children import homely
from tests.faults.clips import clip
from tests.faults.serving import ROOT

_MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is run."""

    url: str
    folder: str
    """Its clips are taken in turn until there are enough rows."""
    rows: int
    journal: str
    contexts: int = 0
    """With how many contexts in turn each clip is sent, so that it is another question."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What it took."""

    seconds: float
    before: float
    """MB resident when the frame was there."""
    peak: float
    """MB resident at most from then on."""
    results: float
    """MB of the result columns."""
    statuses: dict[str, int]
    reused: int

    @property
    def beyond(self) -> float:
        """MB that were needed beyond the frame and the result columns."""
        return self.peak - self.before - self.results


def measured(work: Work, *, home: Path) -> Measured:
    """Run in a fresh interpreter."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.faults.measured", orjson.dumps(asdict(work)).decode()],
        cwd=ROOT,
        env={**os.environ, **homely(home)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Measured(**orjson.loads(done.stdout))


def _measure(work: Work) -> Measured:
    endpoint = asr_pandas.Endpoint(work.url, api_key="sk-test-0123456789")
    options = {"endpoint": endpoint, "progress": False, "columns": "full", **work.options}
    pd.DataFrame({"audio": [clip(-1)]}).asr.transcribe("audio", journal=False, **options)
    frame = _frame(work)
    if work.contexts:
        options["context_from"] = "context"
    gc.collect()
    before = _forget_the_peak()
    began = time.perf_counter()
    out = frame.asr.transcribe("audio", journal=work.journal, **options)
    seconds = time.perf_counter() - began
    results = out.drop(columns=list(frame.columns))
    return Measured(
        seconds=seconds,
        before=before,
        peak=_resident("VmHWM"),
        results=float(results.memory_usage(index=False, deep=True).sum()) / _MB,
        statuses=dict(Counter(out["status"].tolist())),
        reused=int(out["reused"].sum()),
    )


def _frame(work: Work) -> pd.DataFrame:
    paths = sorted(str(path) for path in Path(work.folder).glob("*.wav"))
    columns = {"audio": list(islice(cycle(paths), work.rows))}
    if work.contexts:
        columns["context"] = [f"No. {row // len(paths)}" for row in range(work.rows)]
    return pd.DataFrame(columns)


def _forget_the_peak() -> float:
    """Let the peak count from here; return what is resident, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def _resident(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(what)]
    return int(found.split()[1]) / 1024


def main() -> None:
    took = _measure(Work(**orjson.loads(sys.argv[1])))
    sys.stdout.write(orjson.dumps(asdict(took)).decode())


if __name__ == "__main__":
    main()
