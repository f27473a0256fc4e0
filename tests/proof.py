"""The promises of a run at full size: one line for each, with what was found and its bound.

    python -m tests.proof                    everything; takes long
    python -m tests.proof kills faults       some of it
    python -m tests.proof --scale 0.01       the same, smaller

Memory is read as Linux tells it. `make test` keeps a reduced form of each promise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults.clips import write_clips
from tests.faults.kills import CONCURRENCY, killed
from tests.faults.measured import Measured, Work, measured
from tests.faults.serving import serving
from tests.faults.under_fire import SHARE, under_fire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAME_MEMORY: Final = 50.0  # MB that ten times as many rows may need more
PEAK: Final = 200.0  # MB
FROM_JOURNAL: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table."""

    what: str
    size: str
    result: str
    bound: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where a proof works, and how large it is."""

    folder: Path
    scale: float
    url: str
    """Of a service that answers at once. It stays the same: the journal asks by it."""

    def rows(self, full: int) -> int:
        return max(10, round(full * self.scale))


def kills(bench: Bench) -> Iterator[Finding]:
    """Kill a run at random points, and finish it."""
    rows, count = bench.rows(2_000), max(2, round(50 * bench.scale))
    after = killed(bench.folder / "kills", rows=rows, kills=count, seed=1)
    size = f"{count} kills, {rows:,} rows"
    yield Finding(
        what="rows with their own transcript after the last run",
        size=size,
        result=f"{after.own:,}",
        bound=f"{rows:,}",
        holds=after.own == after.rows == rows,
    )
    yield Finding(
        what="clips sent again for each kill",
        size=size,
        result=f"{after.most_per_kill:.1f} at most, {after.sent_again[-1]:,} in all",
        bound=f"{CONCURRENCY}",
        holds=after.most_per_kill <= CONCURRENCY,
    )


def faults(bench: Bench) -> Iterator[Finding]:
    """Send rows to a service that fails."""
    for stream, full in ((False, 10_000), (True, 2_000)):
        rows = bench.rows(full)
        result = under_fire(rows=rows, stream=stream, seed=7)
        size = f"{rows:,} rows, {SHARE:.0%} faults{', streamed' if stream else ''}"
        found = f"{result.statuses['ok']:,} ok, {result.given.total():,} faults"
        broken = {
            "rows that did not end": len(result.unfinished),
            "rows with another row's transcript": len(result.strangers),
            "rows of another kind than their last answer": len(result.wrong_kinds),
            "clips billed or sent more often than faults explain": len(result.unexplained),
        }
        for what, count in broken.items():
            yield Finding(
                what=what, size=size, result=f"{count} ({found})", bound="0", holds=count == 0
            )


def journal(bench: Bench) -> Iterator[Finding]:
    """Take finished rows from the journal, in a process that has not seen them."""
    rows = bench.rows(100_000)
    yield from _sent(bench, rows)
    took = _from_journal(bench, clips=rows, rows=rows)
    yield Finding(
        what="finished rows from the journal, files unchanged",
        size=f"{rows:,} rows",
        result=f"{took.seconds:.1f} s",
        bound=f"{FROM_JOURNAL:.0f} s",
        holds=took.seconds <= FROM_JOURNAL and took.reused == rows,
    )


def million(bench: Bench) -> Iterator[Finding]:
    """Compare the memory of many rows with that of ten times as many."""
    few, many = bench.rows(100_000), bench.rows(1_000_000)
    clips = bench.rows(10_000)
    yield from _sent(bench, clips)
    small, large = (_from_journal(bench, clips=clips, rows=rows) for rows in (few, many))
    yield Finding(
        what="memory beyond the frame and the result columns",
        size=f"{many:,} rows against {few:,}",
        result=f"{large.beyond:.0f} MB against {small.beyond:.0f} MB",
        bound=f"{SAME_MEMORY:.0f} MB more",
        holds=large.beyond - small.beyond <= SAME_MEMORY,
    )


def bulk(bench: Bench) -> Iterator[Finding]:
    """Send ten thousand large files: each of a tenth as many, with ten contexts."""
    rows = bench.rows(10_000)
    folder = bench.folder / "bulk"
    write_clips(folder, max(1, rows // 10), seconds=30.0, rate=16_000)
    with serving(latency=0.3) as server:
        took = measured(
            Work(
                url=server.url,
                folder=str(folder),
                rows=rows,
                journal=str(bench.folder / "bulk.sqlite"),
                contexts=10,
                options={"concurrency": 64},
            ),
            home=bench.folder,
        )
        arrived = server.totals().billed - 1  # without the first one, which is not measured
    yield Finding(
        what="peak memory, 64 requests at a time",
        size=f"{rows:,} files of 960 KB",
        result=f"{took.peak:.0f} MB ({took.before:.0f} before), {rows / took.seconds:.0f} rows/s",
        bound=f"{PEAK:.0f} MB",
        holds=took.peak <= PEAK and took.statuses == {"ok": rows} and arrived == rows,
    )


def _sent(bench: Bench, clips: int) -> Iterator[Finding]:
    """Fill a journal with so many clips' transcripts, once."""
    folder = _clips(bench, clips)
    if folder.exists():
        return
    write_clips(folder, clips)
    took = _run(bench, clips=clips, rows=clips)
    yield Finding(
        what="memory beyond the frame and the result columns, all sent",
        size=f"{clips:,} distinct clips",
        result=f"{took.beyond:.0f} MB, {clips / took.seconds:.0f} rows/s",
        bound=f"{SAME_MEMORY:.0f} MB",
        holds=took.beyond <= SAME_MEMORY and took.statuses == {"ok": clips},
    )


def _from_journal(bench: Bench, *, clips: int, rows: int) -> Measured:
    took = _run(bench, clips=clips, rows=rows)
    assert took.statuses == {"ok": rows}
    assert took.reused == rows
    return took


def _run(bench: Bench, *, clips: int, rows: int) -> Measured:
    return measured(
        Work(
            url=bench.url,
            folder=str(_clips(bench, clips)),
            rows=rows,
            journal=str(bench.folder / f"{clips}.sqlite"),
        ),
        home=bench.folder,
    )


def _clips(bench: Bench, clips: int) -> Path:
    return bench.folder / f"{clips}"


PROOFS: Final[dict[str, Callable[[Bench], Iterator[Finding]]]] = {
    "kills": kills,
    "faults": faults,
    "journal": journal,
    "million": million,
    "bulk": bulk,
}


def main() -> int:
    """Print the table; the code is 1 where a promise is broken."""
    asked = _arguments()
    _row("what", "size", "result", "bound", "")
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        bench = Bench(folder=Path(folder), scale=asked.scale, url=server.url)
        findings = [_shown(found) for name in asked.proofs for found in PROOFS[name](bench)]
    return 0 if all(found.holds for found in findings) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("proofs", nargs="*", metavar="proof", help=", ".join(PROOFS))
    parser.add_argument("--scale", type=float, default=1.0, help="1 is full size")
    asked = parser.parse_args()
    if unknown := set(asked.proofs) - PROOFS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: one of {', '.join(PROOFS)} is expected")
    asked.proofs = asked.proofs or list(PROOFS)
    return asked


def _shown(found: Finding) -> Finding:
    _row(found.what, found.size, found.result, found.bound, "holds" if found.holds else "BROKEN")
    return found


def _row(what: str, size: str, result: str, bound: str, verdict: str) -> None:
    sys.stdout.write(f"{what:<70} {size:<34} {result:<34} {bound:<16} {verdict}".rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
