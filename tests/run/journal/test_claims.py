"""Several processes, one question: who asks."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from asr_pandas.errors import JournalError
from asr_pandas.run.journal.journal import Journal
from tests.run.clocks import START
from tests.run.journal.journals import answer, beside, failure, key, record, tell, told_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


@pytest.fixture
def other(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def test_what_one_has_claimed_is_theirs_to_the_others(journal: Journal, other: Journal) -> None:
    assert journal.claim([key("a"), key("b")]) == {key("a"): "ours", key("b"): "ours"}

    assert other.claim([key("b"), key("c")]) == {key("b"): "theirs", key("c"): "ours"}
    assert journal.claim([key("a"), key("c")]) == {key("a"): "ours", key("c"): "theirs"}


def test_an_outcome_ends_its_claim_and_answers_the_others(journal: Journal, other: Journal) -> None:
    journal.claim([key("a")])
    other.claim([key("b")])
    journal.write([record("a")])

    assert other.claim([key("a"), key("b")]) == {key("a"): answer(), key("b"): "ours"}


def test_after_a_failure_the_next_may_ask(journal: Journal, other: Journal) -> None:
    journal.claim([key("a")])
    journal.write([record("a", failure())])

    assert other.claim([key("a")]) == {key("a"): "ours"}


def test_a_claim_can_be_given_back_by_its_owner_alone(journal: Journal, other: Journal) -> None:
    journal.claim([key("a")])
    other.release([key("a")])
    assert other.claim([key("a")]) == {key("a"): "theirs"}

    journal.release([key("a")])
    assert other.claim([key("a")]) == {key("a"): "ours"}


def test_an_answer_that_is_too_old_or_not_wanted_is_asked_for_again(journal: Journal) -> None:
    journal.write([record("a", answer(days=1))])

    yesterday, tomorrow = START, START + timedelta(days=2)
    assert journal.claim([key("a")], since=yesterday) == {key("a"): answer(days=1)}
    assert journal.claim([key("a")], since=tomorrow) == {key("a"): "ours"}
    assert journal.claim([key("a")], reuse=False) == {key("a"): "ours"}


def test_who_closes_gives_everything_back(journal: Journal, path: Path) -> None:
    leaving = Journal(path)
    leaving.claim([key("a"), key("b")])
    leaving.close()

    assert set(journal.claim([key("a"), key("b")]).values()) == {"ours"}
    assert len(list(path.with_name("journal.sqlite.owners").iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("claimed_before", [True, False])
def test_nobody_waits_for_the_dead(path: Path, *, claimed_before: bool) -> None:
    keys = [key(str(number)) for number in range(1_100)]
    with Journal(path) as journal:
        if claimed_before:
            journal.claim([key("mine")])
        code = """
            journal.claim([key(str(number)) for number in range(1_100)])
            print("claimed", flush=True)
            sys.stdin.read()
        """
        with beside(code, path) as killed:
            assert told_by(killed) == "claimed"
            if claimed_before:
                assert set(journal.claim(keys).values()) == {"theirs"}
            killed.send_signal(signal.SIGKILL)

        assert set(journal.claim(keys).values()) == {"ours"}
        assert len(list(path.with_name("journal.sqlite.owners").iterdir())) == 1


def test_of_two_processes_that_want_the_same_each_key_goes_to_one(path: Path) -> None:
    code = """
        sys.stdin.readline()
        ours = []
        for number in range(200):
            if journal.claim([key(str(number))])[key(str(number))] == "ours":
                ours.append(str(number))
        print(*ours, flush=True)
        sys.stdin.readline()
    """
    with beside(code, path) as one, beside(code, path) as two:
        tell(one, "go")
        tell(two, "go")
        claimed = [told_by(one).split(), told_by(two).split()]

    assert sorted(claimed[0] + claimed[1]) == sorted(str(number) for number in range(200))


def test_where_no_lock_file_can_be_made_the_journal_says_so(journal: Journal, path: Path) -> None:
    path.with_name("journal.sqlite.owners").write_text("a file, and no folder")

    with pytest.raises(JournalError, match="ASR_PANDAS_JOURNAL"):
        journal.claim([key("a")])
    assert journal.find([key("a")]) == {}
