"""The fan-out on a clock that the test moves: who is asked, how often, and when it ends."""

from __future__ import annotations

import asyncio
import io
import math
import threading
import wave
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.audio.cells import identify_bytes, read
from asr_pandas.errors import JournalError
from asr_pandas.model import PENDING, Failure, Outcome, Request, Transcription, Usage
from asr_pandas.run.budget import Budget
from asr_pandas.run.journal.journal import Journal, Known, Record
from asr_pandas.run.journal.recorder import Recorder
from asr_pandas.run.question import Row
from tests.run.clocks import Stepping
from tests.run.told import (
    ASKED,
    BROKEN,
    CLIP,
    FATAL,
    HOPELESS,
    OK,
    REFUSED,
    TIMEOUT,
    Patient,
    Ran,
    Told,
    by_context,
    finished,
    in_turn,
    never,
    over,
    rows_of,
)

if TYPE_CHECKING:
    from pathlib import Path

REPLIES = st.sampled_from([OK, Transcription(text=""), HOPELESS])


@settings(deadline=None, max_examples=40)
@given(replies=st.lists(REPLIES, max_size=30), concurrency=st.integers(1, 9))
def test_every_row_gets_its_own_outcome_once(replies: list[Any], concurrency: int) -> None:
    sender = Told(by_context(*replies))

    ran = over([CLIP] * len(replies), sender, concurrency=concurrency)

    found = [outcome.transcription or outcome.failure for outcome in ran.results]
    assert found == replies
    assert len(sender.asked) == len(replies) == ran.tally.done


@pytest.mark.parametrize("failures", range(5))
def test_what_passes_is_asked_again_until_it_has_passed(failures: int) -> None:
    broken = Failure(kind="server", message="", retry="again", retry_after=10.0)
    clock = Stepping()

    ran = over([CLIP], Told(in_turn(*[broken] * failures, OK)), clock=clock)

    assert ran.results[0].attempts == failures + 1
    assert ran.results[0].transcription == OK
    assert clock.time() >= 10.0 * failures


def test_a_rate_limit_holds_back_all_rows_and_not_only_its_own() -> None:
    clock = Stepping()
    limit = Failure(kind="rate_limit", message="", retry="again", retry_after=60.0, throttle="rate")
    left = [limit]
    times: list[float] = []

    def answer(_: Request) -> Transcription | Failure:
        times.append(clock.time())
        return left.pop() if left else OK

    over([CLIP] * 3, Told(answer), clock=clock, concurrency=1)

    assert times[0] == 0.0
    assert min(times[1:]) >= 60.0


def test_a_hopeless_cause_stops_the_run_and_leaves_the_rest_pending() -> None:
    sender = Told(lambda _: FATAL)

    ran = over([CLIP] * 100, sender)

    assert ran.run.stopped_by is not None
    assert ran.run.stopped_by[1] == FATAL
    assert len(sender.asked) <= 2
    assert ran.statuses.count("failed") == len(sender.asked)
    assert ran.statuses.count("pending") == 100 - len(sender.asked)


def test_a_stop_lets_what_is_in_flight_finish_and_sends_nothing_new() -> None:
    async def answer_after_stop() -> Transcription:
        sender.run.stop()
        await asyncio.sleep(0.001)
        return OK

    sender = Told(lambda _: answer_after_stop())

    ran = over([CLIP] * 100, sender, clock=Patient())

    assert ran.statuses.count("ok") == len(sender.asked) <= 2
    assert ran.statuses.count("pending") == 100 - len(sender.asked)
    assert ran.run.stopped_by is None


def test_after_the_grace_what_is_still_in_flight_is_cancelled() -> None:
    async def hang_after_stop() -> Transcription:
        sender.run.stop()
        await asyncio.Event().wait()
        return OK

    sender = Told(lambda _: hang_after_stop())

    ran = over([CLIP] * 3, sender, concurrency=1)

    assert ran.statuses == ["cancelled", "pending", "pending"]
    assert ran.results[0].unanswered == 1
    assert ran.results[0].note is not None


def test_a_row_that_waits_for_its_next_attempt_keeps_its_last_failure_when_stopped() -> None:
    class Hanging(Stepping):
        async def sleep(self, seconds: float) -> None:
            if 0 < seconds < 5:
                sender.run.stop()
                await asyncio.Event().wait()

    sender = Told(lambda _: BROKEN)

    ran = over([CLIP], sender, clock=Hanging())

    assert (ran.results[0].status, ran.results[0].failure) == ("failed", BROKEN)


def test_without_any_reply_the_rows_still_end() -> None:
    ran = over([None, b"no audio", None], Told(never), concurrency=8)

    assert ran.statuses == ["missing", "failed", "missing"]
    assert ran.results[1].failure is not None
    assert ran.results[1].failure.message.startswith("8 bytes: ")


def test_a_defect_of_ours_is_not_swallowed() -> None:
    def answer(_: Request) -> Transcription:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        over([CLIP] * 3, Told(answer))

    assert caught.group_contains(ZeroDivisionError)


# What is durable, and when.


class Witness(list[Outcome]):
    """Takes outcomes, and looks at that moment whether the journal has them."""

    def __init__(self, journal: Journal, count: int) -> None:
        super().__init__([PENDING] * count)
        self._journal = journal

    def __setitem__(self, position: Any, outcome: Any) -> None:
        if outcome.status in {"ok", "empty"}:
            key = key_of(position)
            assert key in self._journal.find([key])
        super().__setitem__(position, outcome)


def key_of(position: int, *, context: str | None = None) -> bytes:
    """Return the key of a row of `rows_of`."""
    row = Row(position=position, cell=CLIP, context=context or str(position))
    return ASKED.key(row, identity_of(CLIP))


def identity_of(content: bytes) -> str:
    return identify_bytes(content) or ""


def test_an_outcome_is_durable_before_its_row_counts_as_done() -> None:
    ran = over([CLIP] * 40, Told(lambda _: OK), new_results=Witness)

    assert ran.statuses == ["ok"] * 40


def test_with_errors_raise_every_finished_row_is_recorded_first(tmp_path: Path) -> None:
    replies = [*[OK] * 7, HOPELESS, *[OK] * 30]

    ran = over(
        [CLIP] * len(replies),
        Told(by_context(*replies)),
        journal=tmp_path / "j",
        clock=Patient(),
        stop_on_failure=True,
    )

    done = [position for position, status in enumerate(ran.statuses) if status == "ok"]
    with Journal(tmp_path / "j") as journal:
        recorded = journal.find([key_of(position) for position in done])
    assert ran.run.stopped_by == (7, HOPELESS)
    assert ran.statuses[7] == "failed"
    assert "pending" in ran.statuses
    assert len(recorded) == len(done)


class Full(Recorder):
    """A journal on a disk that is full after two outcomes."""

    room = 2

    async def record(self, record: Record) -> None:
        if self.room == 0:
            raise JournalError("the disk is full")
        self.room -= 1
        await super().record(record)


def test_a_journal_that_cannot_be_written_stops_the_run_and_keeps_what_is_in_hand() -> None:
    sender = Told(lambda _: OK)

    ran = over([CLIP] * 50, sender, new_recorder=Full, concurrency=1, clock=Patient())

    assert str(ran.run.broken_by) == "the disk is full"
    assert ran.statuses[:2] == ["ok", "ok"]
    assert ran.statuses[3:] == ["pending"] * 47
    assert len(sender.asked) == 3


def test_an_answer_that_could_not_be_recorded_is_handed_back_all_the_same() -> None:
    ran = over([CLIP] * 5, Told(lambda _: OK), new_recorder=Full, concurrency=1, clock=Patient())

    assert ran.results[2].transcription == OK  # it is paid, and nowhere else
    assert ran.tally.done == 2


def test_a_journal_that_cannot_be_asked_stops_the_run_before_anything_is_sent() -> None:
    class Unwritable(Recorder):
        async def claim(self, *_: Any, **__: Any) -> Any:
            raise JournalError("read-only")

    ran = over([CLIP] * 50, Told(never), new_recorder=Unwritable)

    assert str(ran.run.broken_by) == "read-only"
    assert ran.statuses == ["pending"] * 50


def test_the_first_cause_that_breaks_a_run_is_the_one_that_is_told() -> None:
    class Failing(Recorder):
        times = 0

        async def record(self, record: Record) -> None:
            del record
            Failing.times += 1
            raise JournalError(f"number {Failing.times}")

    ran = over([CLIP] * 2, Told(lambda _: OK), new_recorder=Failing, clock=Patient())

    assert str(ran.run.broken_by) == "number 1"


# Equal audio.


def twins(*cells: object) -> list[Row]:
    return [Row(position=position, cell=cell) for position, cell in enumerate(cells)]


@settings(deadline=None, max_examples=30)
@given(cells=st.lists(st.sampled_from([CLIP, CLIP + b"\0", None]), max_size=20))
def test_equal_questions_are_asked_once_and_the_first_position_pays(cells: list[Any]) -> None:
    sender = Told(lambda _: OK)

    ran = over([], sender, rows=twins(*cells))

    paid = [place for place, outcome in enumerate(ran.results) if not outcome.reused]
    firsts = [place for place, cell in enumerate(cells) if not cell or cell not in cells[:place]]
    assert len(sender.asked) == len({cell for cell in cells if cell})
    assert paid == firsts
    assert ran.tally.done == len(cells)


def test_the_first_of_equal_rows_pays_even_where_it_is_read_last(tmp_path: Path) -> None:
    settled = threading.Event()

    class Dawdling:
        """A cell whose second look, which is when it is read, comes after the others."""

        looks = 0

        def __init__(self, path: Path) -> None:
            self.path = path

        def __fspath__(self) -> str:
            self.looks += 1
            if self.looks > 1:
                assert settled.wait(10)
            return str(self.path)

    class Telling(list[Outcome]):
        def __init__(self, _: Journal, count: int) -> None:
            super().__init__([PENDING] * count)

        def __setitem__(self, position: Any, outcome: Any) -> None:
            super().__setitem__(position, outcome)
            if position == 5:
                settled.set()

    path = tmp_path / "a.wav"
    path.write_bytes(CLIP)
    others = [CLIP + bytes([number]) for number in range(4)]
    sender = Told(lambda _: OK)

    ran = over([], sender, rows=twins(Dawdling(path), *others, CLIP), new_results=Telling)

    assert len(sender.asked) == 5
    assert [outcome.reused for outcome in ran.results] == [False] * 5 + [True]


def test_what_is_kept_of_the_rows_that_paid_does_not_grow_with_their_number() -> None:
    ran = over([CLIP] * 1_100, Told(lambda _: OK), concurrency=16)

    assert len(ran.run._paid) < 1_100  # noqa: SLF001 - what it holds is nobody else's business
    assert ran.statuses == ["ok"] * 1_100


def test_an_address_is_sent_for_the_service_to_fetch() -> None:
    url = "https://example.org/a.mp3"
    sender = Told(lambda _: OK)

    ran = over([], sender, rows=twins(url, url, f"{url}?other"))

    assert ran.statuses == ["ok"] * 3
    assert {request.payload.url for request in sender.asked} == {url, f"{url}?other"}
    assert len(sender.asked) == 2


def test_equal_rows_share_a_failure_and_after_a_fatal_one_stay_pending() -> None:
    failed = over([], Told(lambda _: HOPELESS), rows=twins(CLIP, CLIP))
    stopped = over([], Told(lambda _: FATAL), rows=twins(CLIP, CLIP))

    assert failed.statuses == ["failed", "failed"]
    assert stopped.statuses == ["failed", "pending"]


# Other processes that ask the same.


def answered(row: Row, *, content: bytes = CLIP, text: str = "ok") -> Record:
    reply = replace(OK, text=text)
    outcome = Outcome(status="ok", transcription=reply, attempts=1, endpoint="h", model="m")
    identity = identity_of(content)
    return Record(
        key=ASKED.key(row, identity),
        question=ASKED.question(row, identity),
        audio=identity,
        outcome=outcome,
    )


@pytest.mark.parametrize("count", [1, 3])
def test_what_another_process_asks_at_this_moment_is_waited_for(tmp_path: Path, count: int) -> None:
    rows = twins(*[CLIP] * count)
    key = ASKED.key(rows[0], identity_of(CLIP))

    class Waiting(Stepping):
        naps = 0

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            self.naps += 1
            if self.naps == 3:
                await asyncio.to_thread(other.write, [answered(rows[0])])

    sender = Told(never)
    with Journal(tmp_path / "j") as other:
        assert other.claim([key]) == {key: "ours"}
        ran = over([], sender, rows=rows, journal=tmp_path / "j", clock=Waiting())

    assert ran.statuses == ["ok"] * count
    assert all(outcome.reused for outcome in ran.results)


def test_a_file_that_changes_while_another_process_asks_gives_its_text_to_no_other_row(
    tmp_path: Path,
) -> None:
    changed = CLIP + b"\0"
    path = tmp_path / "a.wav"
    path.write_bytes(CLIP)
    rows = twins(path, CLIP)
    mine, new = answered(rows[0]), answered(rows[0], content=changed, text="of the new one")

    class Waiting(Stepping):
        naps = 0

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            self.naps += 1
            if self.naps == 3:
                path.write_bytes(changed)
                clip = read(path)
                assert clip.file is not None
                known = Known(identity=identity_of(changed), duration=1.0, exact=True, container="")
                other.remember(clip.file, known)
                await asyncio.to_thread(other.write, [mine, new])

    with Journal(tmp_path / "j") as other:
        other.claim([mine.key])
        ran = over(
            [],
            Told(never),
            rows=rows,
            journal=tmp_path / "j",
            clock=Waiting(),
            concurrency=1,
        )

    assert ran.results[1].transcription == OK


def test_what_another_process_gave_up_is_asked_here(tmp_path: Path) -> None:
    rows = twins(CLIP, CLIP)
    key = ASKED.key(rows[0], identity_of(CLIP))

    class Waiting(Stepping):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            await asyncio.to_thread(other.release, [key])

    sender = Told(lambda _: OK)
    with Journal(tmp_path / "j") as other:
        other.claim([key])
        ran = over([], sender, rows=rows, journal=tmp_path / "j", clock=Waiting())

    assert ran.statuses == ["ok", "ok"]
    assert len(sender.asked) == 1


def test_a_stop_ends_the_wait_for_another_process_too(tmp_path: Path) -> None:
    rows = twins(CLIP)
    key = ASKED.key(rows[0], identity_of(CLIP))

    class Endless(Stepping):
        async def sleep(self, seconds: float) -> None:
            del seconds
            sender.run.stop()
            await asyncio.Event().wait()

    sender = Told(never)
    with Journal(tmp_path / "j") as other:
        other.claim([key])
        ran = over([], sender, rows=rows, journal=tmp_path / "j", clock=Endless())

    assert ran.statuses == ["pending"]


def test_a_journal_that_breaks_while_another_process_is_waited_for_ends_the_run(
    tmp_path: Path,
) -> None:
    class Breaking(Recorder):
        times = 0

        async def claim(self, key: bytes, **options: Any) -> Any:
            self.times += 1
            if self.times > 1:
                raise JournalError("gone")
            return await super().claim(key, **options)

    rows = twins(CLIP, CLIP)
    key = ASKED.key(rows[0], identity_of(CLIP))
    with Journal(tmp_path / "j") as other:
        other.claim([key])
        ran = over([], Told(never), rows=rows, journal=tmp_path / "j", new_recorder=Breaking)

    assert str(ran.run.broken_by) == "gone"
    assert ran.statuses == ["pending", "pending"]


def test_what_was_recorded_since_the_glance_is_taken_and_not_asked(tmp_path: Path) -> None:
    rows = twins(CLIP, CLIP)

    class Late(Recorder):
        async def claim(self, key: bytes, **options: Any) -> Any:
            await asyncio.to_thread(self._journal.write, [answered(rows[0])])
            return await super().claim(key, **options)

    sender = Told(never)

    ran = over([], sender, rows=rows, journal=tmp_path / "j", new_recorder=Late)

    assert [outcome.reused for outcome in ran.results] == [True, True]


def test_a_row_that_is_given_up_gives_its_claim_back(tmp_path: Path) -> None:
    claims: list[Any] = []

    class Asking(Recorder):
        async def release(self, key: bytes) -> None:
            await super().release(key)
            claims.append(await asyncio.to_thread(lambda: other.claim([key])[key]))

    over_five_minutes = io.BytesIO()
    with wave.open(over_five_minutes, "wb") as file:
        file.setparams((1, 1, 8_000, 0, "NONE", ""))
        file.writeframes(b"\x80" * (8_000 * 301))
    with Journal(tmp_path / "j") as other:
        long = over(
            [over_five_minutes.getvalue()],
            Told(never),
            journal=tmp_path / "j",
            new_recorder=Asking,
        )
        down = over(
            [CLIP, CLIP],
            Told(lambda _: REFUSED),
            journal=tmp_path / "j",
            new_recorder=Asking,
            concurrency=1,
            patience=100,
        )

    assert long.results[0].failure is not None
    assert long.results[0].failure.kind == "too_long"
    assert down.statuses == ["pending", "pending"]
    assert claims == ["ours", "ours"]


# How it stops.


def test_after_a_fatal_answer_nobody_leaves_who_only_waited_for_the_pace() -> None:
    class Slow(Recorder):
        """A journal on a busy disk: everybody else has many turns meanwhile."""

        async def record(self, record: Record) -> None:
            if record.outcome.failure == FATAL:
                free.set()
                for _ in range(200):
                    await asyncio.sleep(0)
            await super().record(record)

    class Crowded:
        """A pacer that lets two through; the others wait until they are free to go."""

        turns = 0

        async def turn(self) -> None:
            self.turns += 1
            if self.turns == 4:
                waiting.set()
            if self.turns > 2:
                await free.wait()

        def accepted(self) -> None:
            pass

    async def answer(request: Request) -> Any:
        if request is sender.asked[0]:
            return OK
        await waiting.wait()
        return FATAL

    waiting, free = asyncio.Event(), asyncio.Event()
    sender = Told(answer)

    ran = over([CLIP] * 30, sender, pacer=Crowded(), new_recorder=Slow, clock=Patient())

    assert ran.run.stopped_by is not None
    assert len(sender.asked) == 2


def test_a_run_that_is_cancelled_says_which_rows_were_under_way() -> None:
    results: list[Outcome] = []

    class Kept(list[Outcome]):
        def __init__(self, _: Journal, count: int) -> None:
            super().__init__([PENDING] * count)

        def __setitem__(self, position: Any, outcome: Any) -> None:
            super().__setitem__(position, outcome)
            results[:] = self

    async def hang() -> Any:
        for task in asyncio.all_tasks():
            if task.get_name() == "main":
                task.cancel()
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("main")
        await finished(
            [CLIP] * 3, Told(lambda _: hang()), new_results=Kept, concurrency=1, clock=Patient()
        )

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())

    assert [outcome.status for outcome in results] == ["cancelled", "pending", "pending"]


def test_an_answer_that_is_being_recorded_when_the_run_is_cut_off_is_in_the_frame() -> None:
    class Stuck(Recorder):
        async def record(self, record: Record) -> None:
            await super().record(record)
            sender.run.stop()
            await asyncio.Event().wait()

    sender = Told(lambda _: OK)

    ran = over([CLIP], sender, new_recorder=Stuck)

    assert ran.statuses == ["ok"]


# What is said about a run that ended before its rows did.


def remarks(ran: Ran) -> list[str]:
    return list(ran.run.service.remarks())


def test_a_run_whose_service_does_not_come_back_says_so() -> None:
    gone = over([CLIP] * 3, Told(lambda _: REFUSED), patience=100, concurrency=1)
    there = over([CLIP] * 3, Told(lambda _: OK), patience=100)

    assert gone.statuses == ["pending"] * 3
    assert remarks(gone) == [
        "h has not answered for too long: the rest is pending. patience= is how long a run waits"
    ]
    assert remarks(there) == []


def test_a_run_says_how_many_rows_its_budget_did_not_reach() -> None:
    price = 0.5
    seconds = math.ceil(read(CLIP).duration or 0)
    bill = Transcription(text="ok", usage=Usage(seconds=seconds))
    rows = [
        *rows_of([CLIP] * 2),
        *[Row(position=place, cell=CLIP, context="equal") for place in (2, 3, 4)],
    ]

    def ran(*replies: Any, affords: int, count: int = 5) -> Ran:
        return over(
            [],
            Told(in_turn(*replies)),
            rows=rows[:count],
            price=price,
            budget=Budget(limit=price * seconds * affords, price=price),
            concurrency=1,
        )

    spent = ran(bill, affords=2)
    enough = ran(bill, affords=3)
    timed_out = ran(bill, bill, TIMEOUT, affords=3, count=3)

    assert spent.statuses == ["ok", "ok", "pending", "pending", "pending"]
    assert remarks(spent) == ["the budget is spent: 3 rows are pending"]
    assert enough.statuses == ["ok"] * 5
    assert remarks(enough) == []
    # The second attempt does not fit any more; what was known of the first is what is said.
    assert timed_out.statuses == ["ok", "ok", "failed"]
    assert remarks(timed_out) == []
