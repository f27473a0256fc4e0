"""What a person sees of a run, in a terminal and in a log, on a clock that the test moves."""

from __future__ import annotations

import io
import os
import sys
import threading
from itertools import pairwise
from typing import TypeVar

import pytest
from tqdm import tqdm

from asr_pandas.model import Failure, Outcome
from asr_pandas.run.shown.progress import Progress, expect, in_words
from asr_pandas.run.shown.tally import Tally
from asr_pandas.run.shown.views import Log
from tests.run.clocks import Stepping

OK = Outcome(status="ok", attempts=1, duration=6.0, cost=0.01)
LATE = Outcome(status="failed", attempts=3, failure=Failure(kind="timeout", message="late"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def shown(self) -> str:
        """Return the last line that was drawn."""
        return self.getvalue().rstrip().rpartition("\r")[2]


class Gone(Terminal):
    def write(self, _: str) -> int:
        raise BrokenPipeError


Stream = TypeVar("Stream", bound=io.StringIO)


class Pictures:
    """A view that keeps what it is shown."""

    width = None
    quiet = 0.0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shares: list[float] = []

    def pause(self, elapsed: float) -> float:  # noqa: ARG002
        return 0.25

    def show(self, line: str, share: float) -> None:
        self.lines.append(line)
        self.shares.append(share)

    def clear(self) -> None:
        pass

    def end(self, line: str, share: float) -> None:
        self.show(f"end: {line}", share)


def on_stderr(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Put a stream in stderr's place: no fixture, because pytest puts its own there after them."""
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def work(
    progress: Progress, tally: Tally, clock: Stepping, *, seconds: float, every: float = 0.5
) -> None:
    """Let time pass, with one row done each second."""
    end = clock.seconds + seconds
    while clock.seconds < end:
        clock.seconds += every
        if clock.seconds % 1 == 0 and tally.done < tally.rows:
            tally.sent += 1
            tally.add(OK)
        progress.draw()


def test_a_terminal_shows_a_bar_that_moves_and_one_line_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=20, all_seconds=120.0, currency="USD", limit=100)
    progress = Progress(tally, wanted=None, clock=clock)

    work(progress, tally, clock, seconds=15)
    midway = terminal.shown()
    work(progress, tally, clock, seconds=5)
    progress.close()

    assert midway.startswith(" 75%|")
    assert midway.endswith(
        "| 15/20 rows · 1.5/2.0 min of audio · 0.15 USD · 60 of 100 requests/min · 5 s left"
    )
    *_, bar, summary = terminal.getvalue().splitlines()
    assert bar.endswith("| 20 rows · 2.0 min of audio · 0.20 USD · in 20 s")
    assert summary == "20 rows: 20 ok"


def test_a_narrow_terminal_shows_what_weighs_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((61, 25)))
    tally = Tally(rows=20, all_seconds=120.0, notice="the rate limit: 40 s more")
    tally.add(LATE)
    progress = Progress(tally, wanted=None, clock=Stepping())

    progress.draw()
    shown = terminal.shown()
    progress.close()

    assert len(shown) <= 60
    assert shown.endswith("1/20 rows · the rate limit: 40 s more")


def test_a_terminal_that_says_it_has_no_columns_shows_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    tally = Tally(rows=20, all_seconds=120.0)
    progress = Progress(tally, wanted=None, clock=Stepping())

    progress.draw()
    shown = terminal.shown()
    progress.close()

    assert shown.endswith("0/20 rows · 0.0/2.0 min of audio · 0 s so far")


def test_nothing_is_drawn_before_it_is_known_how_much_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    progress = Progress(Tally(rows=2), wanted=True, clock=Stepping())

    progress.draw()
    progress.close()

    assert terminal.getvalue() == "2 rows: 2 pending\n"


def test_a_line_that_is_said_meanwhile_stands_above_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    tally = Tally(rows=20, all_seconds=120.0)
    progress = Progress(tally, wanted=None, clock=Stepping())
    progress.draw()

    progress.say("a word")
    said = terminal.shown()
    progress.close()

    assert said == "a word"


def test_a_log_of_a_short_run_has_its_last_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    log = on_stderr(io.StringIO(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=50, all_seconds=300.0)
    progress = Progress(tally, wanted=None, clock=clock)

    work(progress, tally, clock, seconds=59)
    progress.close()

    assert log.getvalue() == "50 rows: 50 ok\n"


def test_a_log_of_two_hours_has_a_few_dozen_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    log = on_stderr(io.StringIO(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=10_000, all_seconds=60_000.0, currency="USD")
    progress = Progress(tally, wanted=None, clock=clock)

    work(progress, tally, clock, seconds=2 * 3600)
    progress.close()

    first, *lines, last = log.getvalue().splitlines()
    assert first == (
        "asr-pandas: 1% · 60/10,000 rows · 0.1/16.7 h of audio · 0.60 USD · 60 requests/min · "
        "2.8 h left"
    )
    assert 24 <= len(lines) <= 48
    assert last == "10,000 rows: 7,200 ok, 2,800 pending"


def test_the_lines_of_a_log_are_a_minute_apart_at_first_and_ten_in_the_end() -> None:
    pauses = [Log().pause(hours * 3600.0) for hours in range(49)]

    assert pauses[0] == 60
    assert all(earlier <= later for earlier, later in pairwise(pauses))
    assert pauses[-1] == 600


def test_in_a_log_a_run_that_waits_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    log = on_stderr(io.StringIO(), monkeypatch)
    clock = Stepping()
    tally = Tally(rows=5, all_seconds=30.0, notice="the service is down: next try in 12 s")
    progress = Progress(tally, wanted=None, clock=clock)

    work(progress, Tally(rows=0), clock, seconds=60)

    assert log.getvalue().endswith("60 s so far · the service is down: next try in 12 s\n")


def test_a_bar_may_be_wanted_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    log = on_stderr(io.StringIO(), monkeypatch)
    tally = Tally(rows=1, all_seconds=6.0)
    tally.add(OK)
    progress = Progress(tally, wanted=True, clock=Stepping())

    progress.close()

    assert "100%|" in log.getvalue()


def test_silence_is_kept_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=20, all_seconds=120.0)
    progress = Progress(tally, wanted=False, clock=clock)

    progress.say("a word")
    work(progress, tally, clock, seconds=10)
    told = progress.line()
    progress.close()

    assert terminal.getvalue() == ""
    assert told.startswith("10/20 rows")


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_in_the_background_nothing_is_written_over_the_prompt(
    monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]
) -> None:
    stream = on_stderr(kind(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=200, all_seconds=1_200.0)
    progress = Progress(tally, wanted=None, clock=clock, background=True)

    work(progress, tally, clock, seconds=100)
    told = progress.line()
    progress.close()

    assert stream.getvalue() == ""
    assert told == (
        "100/200 rows · 10.0/20.0 min of audio · 1.00 (currency not known) · 60 requests/min · "
        "100 s left"
    )
    assert progress.line() == "200 rows: 100 ok, 100 pending"


def test_in_the_background_a_notebooks_bar_stands_under_its_cell_from_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, clock, tally = Pictures(), Stepping(), Tally(rows=2, all_seconds=None)

    progress = Progress(tally, wanted=None, new_bar=lambda: view, clock=clock, background=True)
    at_once = list(view.lines)
    tally.all_seconds = 12.0
    work(progress, tally, clock, seconds=2)
    progress.close()

    assert at_once == ["0/2 rows · 0 s so far"]
    assert view.lines[-1] == "end: 2 rows · 12 s of audio · 0.0200 (currency not known) · in 2 s"
    assert view.shares[-1] == 1.0
    assert capsys.readouterr() == ("", "")


def test_pictures_are_no_closer_than_their_view_wants_them() -> None:
    view, clock, tally = Pictures(), Stepping(), Tally(rows=100, all_seconds=600.0)
    progress = Progress(tally, wanted=None, new_bar=lambda: view, clock=clock)

    work(progress, tally, clock, seconds=10, every=0.0625)

    assert len(view.lines) == 40


@pytest.mark.parametrize("stream", [Gone(), None])
def test_a_terminal_that_goes_away_costs_no_run(
    monkeypatch: pytest.MonkeyPatch, stream: Gone | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    clock, tally = Stepping(), Tally(rows=3, all_seconds=18.0)
    progress = Progress(tally, wanted=True, clock=clock)

    progress.say("a word")
    work(progress, tally, clock, seconds=3)
    progress.close()

    assert tally.done == 3
    opened: list[object] = []
    elsewhere = threading.Thread(target=lambda: opened.append(tqdm(disable=True)), daemon=True)
    elsewhere.start()
    elsewhere.join(5)
    assert opened, "tqdm's lock stayed closed"


def test_where_no_bar_can_be_made_the_last_line_is_still_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> Pictures:
        raise ImportError

    tally = Tally(rows=1, all_seconds=6.0)
    progress = Progress(tally, wanted=None, new_bar=broken, clock=Stepping())

    progress.draw()
    progress.close()
    progress.close()

    assert capsys.readouterr().out == "1 row: 1 pending\n"


def test_any_thread_may_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_stderr(Terminal(), monkeypatch)
    clock, tally = Stepping(), Tally(rows=2, all_seconds=12.0)
    progress = Progress(tally, wanted=None, clock=clock)

    def draw() -> None:
        for _ in range(200):
            clock.seconds += 0.1
            progress.draw()
            progress.line()

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.close()

    assert terminal.getvalue().endswith("2 rows: 2 pending\n")


def test_a_run_that_is_done_says_what_became_of_the_rows() -> None:
    tally = Tally(rows=1, all_seconds=6.0)
    progress = Progress(tally, wanted=False)

    tally.add(OK)

    assert progress.line() == "1 row: 1 ok"


def test_the_length_of_many_cells_is_estimated_from_a_part_of_them() -> None:
    assert expect([]) == 0.0
    assert expect([b"no audio"] * 5_000) == 0.0
    assert in_words(90) == "90 s"
