"""Many tasks record at once, and share the commits."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_pandas.errors import JournalError
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.recorder import Recorder
from tests.run.journal.journals import answer, key, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from asr_pandas.model import Outcome
    from asr_pandas.run.journal.claims import Claimed
    from asr_pandas.run.journal.journal import Claim, Record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


class Counting(Journal):
    """A journal that counts its commits."""

    commits = 0
    fail_at = 0

    def commit(
        self,
        *,
        records: Sequence[Record] = (),
        releases: Sequence[bytes] = (),
        claims: Sequence[Claim] = (),
    ) -> list[Claimed | Outcome]:
        self.commits += 1
        if self.commits == self.fail_at:
            raise JournalError("the disk is full")
        return super().commit(records=records, releases=releases, claims=claims)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=st.integers(1, 40), rows=st.integers(1, 5))
def test_an_outcome_can_be_read_by_others_when_the_wait_for_it_ends(
    tmp_path: Path, tasks: int, rows: int
) -> None:
    path = tmp_path / "journal.sqlite"
    seen: list[bool] = []

    async def run(journal: Journal, other: sqlite3.Connection) -> None:
        recorder = Recorder(journal)

        async def work(task: int) -> None:
            for row in range(rows):
                name = f"{task} {row}"
                await recorder.record(record(name))
                asked = "SELECT count(*) FROM outcomes WHERE key = ?"
                seen.append(other.execute(asked, [key(name)]).fetchone()[0] >= 1)

        await asyncio.gather(*(work(task) for task in range(tasks)))
        await recorder.close()

    with Journal(path) as journal, closing(sqlite3.connect(path)) as other:
        asyncio.run(run(journal, other))

    assert seen == [True] * (tasks * rows)


def test_whatever_waits_goes_into_one_commit(path: Path) -> None:
    async def run(journal: Counting) -> None:
        recorder = Recorder(journal)
        await asyncio.gather(*(recorder.record(record(str(number))) for number in range(1_000)))
        await recorder.close()

    with Counting(path) as journal:
        asyncio.run(run(journal))

        assert 10 <= journal.commits <= 100
        assert len(journal.find([key(str(number)) for number in range(1_000)])) == 1_000


def test_claims_are_granted_answered_and_given_back(journal: Journal, path: Path) -> None:
    async def run(other: Journal) -> list[object]:
        one, two = Recorder(journal), Recorder(other)
        told: list[object] = [await one.claim(key("a")), await two.claim(key("a"))]
        await one.release(key("a"))
        told.append(await two.claim(key("a")))
        await two.record(record("a"))
        told += [await one.claim(key("a")), await one.claim(key("a"), reuse=False)]
        await asyncio.gather(one.close(), two.close())
        return told

    with Journal(path) as other:
        told = asyncio.run(run(other))

    assert told == ["ours", "theirs", "ours", answer(), "ours"]


def test_a_cancelled_wait_loses_no_outcome(journal: Journal) -> None:
    async def run() -> None:
        recorder = Recorder(journal)
        waiting = [asyncio.create_task(recorder.record(record(str(one)))) for one in range(20)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await recorder.close()

    asyncio.run(run())

    assert len(journal.find([key(str(one)) for one in range(20)])) == 20


def test_a_claim_that_nobody_waits_for_any_more_is_given_back(journal: Journal, path: Path) -> None:
    async def run(other: Journal) -> object:
        recorder = Recorder(journal)
        claiming = asyncio.create_task(recorder.claim(key("a")))
        await asyncio.sleep(0)
        claiming.cancel()
        await recorder.claim(key("b"))
        await recorder.claim(key("c"))
        answer = other.claim([key("a")])[key("a")]
        await recorder.close()
        return answer

    with Journal(path) as other:
        assert asyncio.run(run(other)) == "ours"


def test_closing_waits_for_what_was_handed_in(journal: Journal) -> None:
    async def run() -> None:
        recorder = Recorder(journal)
        waiting = asyncio.create_task(recorder.record(record("a")))
        await asyncio.sleep(0)
        await recorder.close()
        assert journal.find([key("a")])
        await waiting
        with pytest.raises(JournalError, match="has ended"):
            await recorder.record(record("b"))

    asyncio.run(run())


def test_a_commit_that_fails_is_told_to_all_who_wait_for_it_and_the_next_goes_on(
    path: Path,
) -> None:
    async def run(journal: Counting) -> None:
        recorder = Recorder(journal)
        with pytest.raises(JournalError, match="disk is full"):
            await recorder.record(record("a"))
        await recorder.record(record("b"))
        await recorder.close()

    with Counting(path) as journal:
        journal.fail_at = 1
        asyncio.run(run(journal))

        assert set(journal.find([key("a"), key("b")])) == {key("b")}


def test_an_outcome_outlives_the_loop_that_handed_it_in(journal: Journal) -> None:
    recorders: list[Recorder] = []

    async def run() -> None:
        recorders.append(Recorder(journal))
        task = asyncio.create_task(recorders[0].record(record("a")))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    asyncio.run(recorders[0].close())

    assert journal.find([key("a")]) == {key("a"): answer()}


def test_the_loop_can_look_while_others_record(journal: Journal) -> None:
    async def run() -> int:
        recorder = Recorder(journal)
        writing = [recorder.record(record(str(one))) for one in range(100)]
        looking = [asyncio.to_thread(journal.find, [key(str(one))]) for one in range(20)]
        await asyncio.gather(*writing, *looking)
        await recorder.close()
        return len(journal.find([key(str(one)) for one in range(100)]))

    assert asyncio.run(run()) == 100
