"""What `import asr_pandas` adds to `import pandas`: fresh interpreters in turns, and their ratio.

python tests/benchmarks/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
    return time.perf_counter() - began


def main() -> None:
    ratios = [
        seconds("import pandas, asr_pandas") / seconds("import pandas") for _ in range(ROUNDS)
    ]
    print(f"import pandas, asr_pandas / import pandas, {ROUNDS} rounds in turns:")
    print(f"median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
