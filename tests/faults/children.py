"""Runs in processes of their own, which a test may kill.

They are forked from a process that has imported everything already, where the system can fork:
fifty kills cost fifty runs, not fifty imports.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

import asr_pandas
from tests.faults.serving import PATIENCE

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

_IMPORTED = ["asr_pandas.transcribing", "asr_pandas.endpoint.transport", "tests.faults.children"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a child does: transcribe a column of paths, and save the frame."""

    url: str
    paths: list[str]
    journal: Path
    home: Path
    """Where the child finds what is kept for a user: a folder of the test's own."""
    saved: Path
    """Where the frame goes, as Parquet."""
    options: dict[str, Any] = field(default_factory=dict)

    def start(self) -> BaseProcess:
        """Begin, in another process."""
        child: BaseProcess = _processes().Process(target=_transcribe, args=(self,), daemon=True)
        child.start()
        return child

    def finish(self) -> pd.DataFrame:
        """Begin, wait for the end, and return the frame."""
        return self.result(self.start())

    def result(self, child: BaseProcess) -> pd.DataFrame:
        """Wait for a child's end, and return its frame."""
        child.join(PATIENCE * 10)
        assert child.exitcode == 0, f"the run ended with {child.exitcode}"
        child.close()
        return pd.read_parquet(self.saved)


def homely(home: Path) -> dict[str, str]:
    """Return the variables by which programs find a user's folders."""
    names = ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    return dict.fromkeys((*names, "LOCALAPPDATA", "APPDATA"), str(home))


def _processes() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def _transcribe(task: Task) -> None:
    os.environ.update(homely(task.home))
    endpoint = asr_pandas.Endpoint(task.url, api_key="sk-test-0123456789")
    frame = pd.DataFrame({"audio": task.paths})
    out = frame.asr.transcribe(
        "audio",
        endpoint=endpoint,
        journal=task.journal,
        progress=False,
        columns="full",
        **task.options,
    )
    out.to_parquet(task.saved)
