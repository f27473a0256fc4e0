"""What a journal keeps, and how it finds it again."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from asr_pandas.errors import AsrError, JournalError
from asr_pandas.model import File
from asr_pandas.run.journal.journal import Journal, Known
from tests.run.clocks import START
from tests.run.journal.journals import answer, beside, failure, key, record, told_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOWN = Known(identity="sha256:aa", duration=5.1, exact=True, container="wav")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def test_what_was_recorded_is_found_after_it_was_closed(path: Path) -> None:
    with Journal(path) as journal:
        journal.write([record("a"), record("b", answer("Good night."))])

    with Journal(path) as journal:
        found = journal.find([key("a"), key("b"), key("c")])

    assert found == {key("a"): answer(), key("b"): answer("Good night.")}


def test_the_newest_answer_counts(journal: Journal) -> None:
    journal.write([record("a", answer("first")), record("a", answer("second", status="empty"))])
    journal.write([record("a", failure())])

    assert journal.find([key("a")]) == {key("a"): answer("second", status="empty")}


def test_failures_are_recorded_and_never_found(journal: Journal) -> None:
    journal.write([record("a", failure()), record("b", failure(status="cancelled"))])

    assert journal.find([key("a"), key("b")]) == {}
    assert journal.replay([key("asked a")]) == {}


def test_an_answer_that_is_too_old_is_not_found(journal: Journal) -> None:
    journal.write([record("a", answer("old", days=0)), record("b", answer("new", days=31))])

    found = journal.find([key("a"), key("b")], since=START + timedelta(days=1))

    assert set(found) == {key("b")}


def test_thousands_of_keys_are_looked_up_at_once(journal: Journal) -> None:
    names = [str(number) for number in range(1_700)]
    journal.write([record(name, answer(name)) for name in names])

    found = journal.find([key(name) for name in [*names, "unknown"]])

    assert found == {key(name): answer(name) for name in names}


def test_a_replay_has_the_newest_answer_of_each_model_at_each_endpoint(journal: Journal) -> None:
    local = answer("third", endpoint="local", model="base")
    journal.write([record("a", answer("first")), record("a", answer("second"))])
    journal.write([record("a", local)])
    asked = key("asked a")

    assert journal.replay([asked]) == {asked: [answer("second"), local]}
    assert journal.replay([asked], endpoint="local") == {asked: [local]}
    assert journal.replay([asked], model="qwen3-asr-flash") == {asked: [answer("second")]}
    assert journal.replay([asked], endpoint="local", model="qwen3-asr-flash") == {}


@pytest.mark.parametrize("name", ["/calls/a.wav", "/calls/bad\udcff.wav", "/calls/été\0.wav"])
def test_a_file_is_known_as_long_as_it_has_its_size_and_time(path: Path, name: str) -> None:
    file = File(path=name, size=3, mtime_ns=2**62)
    other_size = File(path=name, size=4, mtime_ns=2**62)
    other_time = File(path=name, size=3, mtime_ns=2**62 + 1)
    with Journal(path) as journal:
        journal.remember(file, KNOWN)
        assert journal.known([other_size, file]) == [None, KNOWN]

    with Journal(path) as journal:
        assert journal.known([other_size, file, other_time]) == [None, KNOWN, None]
        assert journal.known([]) == []


def test_a_file_that_changed_is_known_by_what_is_in_it_now(journal: Journal) -> None:
    before = File(path="/a.wav", size=3, mtime_ns=1)
    after = File(path="/a.wav", size=3, mtime_ns=2)
    now = Known(identity="sha256:bb", duration=None, exact=False, container=None)
    journal.remember(before, KNOWN)
    journal.commit()
    journal.remember(after, now)

    assert journal.known([before, after]) == [None, now]


def test_many_files_are_written_before_the_end(journal: Journal, path: Path) -> None:
    files = [File(path=f"/{number}.wav", size=3, mtime_ns=1) for number in range(1_200)]
    for file in files:
        journal.remember(file, KNOWN)

    with Journal(path) as other:
        assert other.known(files[:1_000]) == [KNOWN] * 1_000


def test_a_private_journal_is_nowhere_and_ends_with_the_run() -> None:
    with Journal(None) as journal:
        assert journal.claim([key("a")]) == {key("a"): "ours"}
        journal.write([record("a")])
        assert journal.claim([key("a")]) == {key("a"): answer()}
        journal.release([key("a")])

    with Journal(None) as journal:
        assert journal.find([key("a")]) == {}


def test_what_was_saved_adds_up_for_each_day_and_endpoint(path: Path) -> None:
    for _ in range(2):
        with Journal(path, now=lambda: START) as journal:
            journal.saved(rows=2, seconds=10.0, cost=0.5, endpoint="a")
            journal.saved(rows=1, seconds=2.5, cost=None, endpoint="a")
            journal.saved(rows=1, seconds=1.0, cost=None, endpoint="local")

    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT * FROM reuses ORDER BY endpoint").fetchall()
    db.close()
    assert rows == [("2026-11-22", "a", 6, 25.0, 1.0), ("2026-11-22", "local", 2, 2.0, None)]


def test_nobody_sees_half_a_commit(journal: Journal) -> None:
    pairs = [(f"a{number}", f"b{number}") for number in range(200)]
    seen: list[int] = []

    def look() -> None:
        for left, right in pairs:
            seen.append(len(journal.find([key(left), key(right)])))

    reader = threading.Thread(target=look)
    reader.start()
    for left, right in pairs:
        journal.write([record(left), record(right)])
    reader.join()

    assert set(seen) <= {0, 2}


def test_several_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    code = """
        for number in range(300):
            journal.write([record(f"{sys.argv[2]} {number}")])
        journal.close()
    """
    with ExitStack() as stack:
        writers = [stack.enter_context(beside(code, path, name)) for name in "012"]
        ends = [writer.wait(timeout=60) for writer in writers]

    names = [f"{writer} {number}" for writer in range(3) for number in range(300)]
    assert ends == [0, 0, 0]
    with Journal(path) as journal:
        assert len(journal.find([key(name) for name in names])) == 900


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_was_written_survives_the_death_of_the_process(path: Path) -> None:
    code = """
        journal.write([record("a")])
        print("written", flush=True)
        sys.stdin.read()
    """
    with beside(code, path) as writer:
        assert told_by(writer) == "written"
        writer.send_signal(signal.SIGKILL)

    with Journal(path) as journal:
        assert journal.find([key("a")]) == {key("a"): answer()}


@pytest.mark.skipif(sys.platform == "win32", reason="limits are set with the resource module")
def test_a_full_disk_is_told_and_what_was_recorded_stays(path: Path) -> None:
    code = """
        import resource, signal
        from asr_pandas.errors import JournalError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal.write([record("a")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            for number in range(10_000):
                journal.write([record(str(number))])
        except JournalError as error:
            print(number, "ASR_PANDAS_JOURNAL" in str(error), flush=True)
    """
    with beside(code, path) as writer:
        written, names_the_variable = told_by(writer).split()

    assert names_the_variable == "True"
    with Journal(path) as journal:
        found = journal.find([key(str(number)) for number in range(10_000)])
        assert len(found) == int(written)
        assert journal.find([key("a")])


def test_a_commit_is_whole_or_not_there(journal: Journal) -> None:
    class NoText(str):
        __slots__ = ()

        def isascii(self) -> bool:
            raise sqlite3.DataError

    good, bad = record("a"), record("b", answer(endpoint=NoText("x")))
    with pytest.raises(sqlite3.DataError):
        journal.write([good, bad])

    assert journal.find([key("a")]) == {}


def test_a_closed_journal_says_so(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="closed") as raised:
        journal.find([key("a")])
    assert isinstance(raised.value, AsrError | OSError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_neither_uses_nor_closes_its_parents_journal(path: Path) -> None:
    code = """
        import os
        from asr_pandas.errors import JournalError
        journal.claim([key("a")])
        if (child := os.fork()) == 0:
            try:
                journal.find([key("a")])
            except JournalError as error:
                journal.close()
                os._exit("another process opened it" not in str(error))
            os._exit(2)
        print(os.waitpid(child, 0)[1], flush=True)
        sys.stdin.read()
    """
    with beside(code, path) as parent:
        assert told_by(parent) == "0"
        with Journal(path) as journal:
            assert journal.claim([key("a")]) == {key("a"): "theirs"}


def test_several_may_make_the_journal_at_the_same_moment(tmp_path: Path) -> None:
    def make(path: Path, all_there: threading.Barrier) -> None:
        all_there.wait()
        Journal(path).close()

    with ThreadPoolExecutor(4) as pool:
        for turn in range(40):
            all_there = threading.Barrier(4)
            path = tmp_path / f"{turn}.sqlite"
            making = [pool.submit(make, path, all_there) for _ in range(4)]

            assert [each.result() for each in making] == [None] * 4
