"""How many files a second a plan looks at: headers only, and in depth.

Run it alone: `python tests/benchmarks/plan.py [files of each kind]`. The files are in the page
cache; each kind is looked at in a frame of its own, three times, and the median counts.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import soundfile

from asr_pandas.call import Call
from asr_pandas.options import check
from asr_pandas.plan import plan

FILES: Final = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
DEEP: Final = 400  # files of each kind
SECONDS: Final = 10
SAMPLE_RATE: Final = 16_000
ROUNDS: Final = 3
KINDS: Final = {"wav": "PCM_16", "flac": "PCM_16", "mp3": "MPEG_LAYER_III"}


def main() -> None:
    print(f"{FILES:,} files of {SECONDS} s of each kind, load {os.getloadavg()[0]:.1f}")
    print("kind   headers/s   s for all   known/s   deep/s")
    with tempfile.TemporaryDirectory() as name:
        for kind, subtype in KINDS.items():
            folder = Path(name) / kind
            folder.mkdir()
            cells = [_written(folder / f"{n}.{kind}", n, subtype) for n in range(FILES)]
            journal = Path(name) / f"{kind}.sqlite"
            headers = [_rate(cells, journal) for _ in range(ROUNDS)]
            deep = _rate(cells[:DEEP], journal, deep=True)
            known = [_rate(cells[:DEEP], journal) for _ in range(ROUNDS)]
            median = statistics.median(headers)
            print(
                f"{kind:<6} {median:>9,.0f} {FILES / median:>11.2f} "
                f"{statistics.median(known):>9,.0f} {deep:>8,.0f}"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _written(path: Path, number: int, subtype: str) -> str:
    # Each is another sound, so that none is equal to another.
    noise = np.random.default_rng(number).standard_normal(SECONDS * SAMPLE_RATE) / 20
    if number == 0 or subtype != "MPEG_LAYER_III":
        soundfile.write(path, noise, SAMPLE_RATE, subtype=subtype)
    else:  # encoding takes too long; what follows the last frame makes it another file
        path.write_bytes(path.with_name("0.mp3").read_bytes() + number.to_bytes(4, "big"))
    return str(path)


def _rate(cells: list[str], journal: Path, *, deep: bool = False) -> float:
    frame = pd.DataFrame({"audio": cells})
    settings = check(endpoint="dashscope-intl", journal=journal)
    started = time.perf_counter()
    found = plan(Call.of_column(frame, "audio", settings, plans=True), deep=deep)
    rate = len(cells) / (time.perf_counter() - started)
    assert found.requests == len(cells), found
    return rate


if __name__ == "__main__":
    main()
