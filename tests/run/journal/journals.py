"""Records to write into journals, and other processes that use one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from asr_pandas.model import Failure, Outcome, Transcription
from asr_pandas.run.journal.journal import Record
from tests.run.clocks import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "dashscope-intl.aliyuncs.com"


def key(name: str) -> bytes:
    return sha256(name.encode()).digest()


def answer(said: str = "Good morning.", *, days: float = 0, **changes: Any) -> Outcome:
    """What a service said, so many days after the clock's start."""
    return Outcome(
        **{
            "status": "ok",
            "transcription": Transcription(text=said),
            "duration": 5.0,
            "transcribed_at": START + timedelta(days=days),
            "endpoint": HOST,
            "model": "qwen3-asr-flash",
            "cost": 0.000175,
            **changes,
        }
    )


def failure(**changes: Any) -> Outcome:
    told = Failure(kind="network", message="The connection was lost.")
    return answer(**{"status": "failed", "transcription": None, "failure": told, **changes})


def record(name: str, outcome: Outcome | None = None) -> Record:
    """A record whose key, question and audio are made from a name."""
    return Record(
        key=key(name),
        question=key(f"asked {name}"),
        audio=f"sha256:{name}",
        outcome=answer() if outcome is None else outcome,
    )


@contextmanager
def beside(code: str, path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has this journal open as `journal`; it ends with the block."""
    opened = """
import sys
from pathlib import Path
from asr_pandas.run.journal.journal import Journal, Record
from tests.run.journal.journals import key, record
journal = Journal(Path(sys.argv[1]))
"""
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", opened + textwrap.dedent(code), str(path), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told_by(process: subprocess.Popen[str]) -> str:
    """The next line that it prints, without its end."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Let it read a line."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
