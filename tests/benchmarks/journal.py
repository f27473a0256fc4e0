"""What the journal costs: CPU per row, for outcomes recorded in groups and for rows found again.

Run it alone: `python tests/benchmarks/journal.py [rows]`.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from asr_pandas.model import File, Outcome, Transcription, Usage
from asr_pandas.run.journal.journal import Journal, Known, Record
from asr_pandas.run.journal.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
TASKS = 64
LOOK_AHEAD = 500


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        records = [_record(number) for number in range(ROWS)]
        files = [_file(number) for number in range(ROWS)]
        with Journal(path) as journal, _measured("claim and record, a commit for 64 rows"):
            for start in range(0, ROWS, TASKS):
                group = records[start : start + TASKS]
                journal.claim([record.key for record in group])
                journal.write(group)
        print(f"{path.stat().st_size / ROWS:.0f} bytes a row")
        path.unlink()
        with Journal(path) as journal:
            with _measured(f"await claim and record, {TASKS} tasks"):
                asyncio.run(_run(journal, records))
            with _measured("remember the file"):
                for file, record in zip(files, records, strict=True):
                    known = Known(identity=record.audio, duration=5.1, exact=True, container="wav")
                    journal.remember(file, known)
        with Journal(path) as journal:
            found = 0
            with _measured("known and find"):
                for start in range(0, ROWS, LOOK_AHEAD):
                    known_files = journal.known(files[start : start + LOOK_AHEAD])
                    keys = [_key(known.identity) for known in known_files if known]
                    found += len(journal.find(keys))
            assert found == ROWS


async def _run(journal: Journal, records: list[Record]) -> None:
    recorder = Recorder(journal)
    queue = iter(records)
    waits = []

    async def work() -> None:
        for record in queue:
            began = time.perf_counter()
            assert await recorder.claim(record.key) == "ours"
            await recorder.record(record)
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(work() for _ in range(TASKS)))
    await recorder.close()
    waits.sort()
    print(
        f"wait for both: median {waits[ROWS // 2] * 1e3:.1f} ms, longest {waits[-1] * 1e3:.0f} ms"
    )


@contextmanager
def _measured(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), _cpu()
    yield
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    print(f"{what}: {cpu / ROWS * 1e6:.1f} µs CPU a row, {wall / ROWS * 1e6:.1f} µs wall")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _key(audio: str) -> bytes:
    return sha256(audio.encode()).digest()


def _file(number: int) -> File:
    path = f"/home/somebody/calls/2026/11/{number % 365:03}/{number:08}.wav"
    return File(path=path, size=160_044, mtime_ns=1_790_000_000_000_000_000 + number)


def _record(number: int) -> Record:
    audio = "sha256:" + sha256(b"%d" % number).hexdigest()
    said = "Good morning, this is the third message that I leave about order twenty five."
    reply = Transcription(
        text=said,
        language="en",
        emotion="neutral",
        usage=Usage(seconds=6.0, prompt_tokens=130, audio_tokens=128, completion_tokens=20,
                    total_tokens=150),
        finish_reason="stop",
        request_id="chatcmpl-487abe5f-b2a6-9b0c-a0d1-0f9f4ad8e5f2",
        model="qwen3-asr-flash",
    )  # fmt: skip
    outcome = Outcome(
        status="ok",
        transcription=reply,
        duration=5.1,
        attempts=1,
        latency=0.3123 + number * 1e-6,
        transcribed_at=datetime.now(UTC),
        endpoint="dashscope-intl.aliyuncs.com",
        model="qwen3-asr-flash",
        cost=0.00021,
    )
    question = sha256(b"q%d" % number).digest()
    return Record(key=_key(audio), question=question, audio=audio, outcome=outcome)


if __name__ == "__main__":
    main()
