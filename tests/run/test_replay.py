"""Without a service: what the journal has of the rows, and which it lacks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.audio.cells import identify_bytes
from asr_pandas.errors import JournalError, OptionError
from asr_pandas.model import PENDING, Outcome, Transcription
from asr_pandas.run.journal.journal import Journal, Record
from asr_pandas.run.question import Asked, Identities, Row
from asr_pandas.run.replay import Replay
from asr_pandas.run.shown.tally import Tally
from tests.run.clocks import START
from tests.run.told import CLIP, HOPELESS, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = Asked(service="", model="")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def answer(
    journal: Journal,
    row: Row,
    text: str = "ok",
    *,
    endpoint: str = "h",
    model: str = "m",
    days: int = 0,
    content: bytes = CLIP,
) -> None:
    """Record what a service said, as a run that asked it does."""
    identity = identify_bytes(content) or ""
    asked = Asked(service=endpoint, model=model)
    outcome = Outcome(
        status="ok",
        transcription=Transcription(text=text),
        attempts=1,
        endpoint=endpoint,
        model=model,
        transcribed_at=START + timedelta(days=days),
    )
    key, question = asked.key(row, identity), asked.question(row, identity)
    journal.write([Record(key=key, question=question, audio=identity, outcome=outcome)])


def replayed(journal: Journal, rows: list[Row], **options: Any) -> tuple[list[Outcome], Tally]:
    results = [PENDING] * len(rows)
    tally = Tally(rows=len(rows))
    replay = Replay(
        rows=rows,
        asked=options.pop("asked", NOBODY),
        identities=options.pop("identities", Identities(journal=journal, head=lambda _: None)),
        results=results,
        tally=tally,
        **options,
    )
    asyncio.run(replay.finish())
    return results, tally


@settings(deadline=None, max_examples=25)
@given(known=st.sets(st.integers(0, 29)))
def test_each_row_gets_what_the_journal_has_and_says_where_it_has_nothing(
    known: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = rows_of([CLIP] * 30)
    with Journal(tmp_path_factory.mktemp("journal") / "j") as journal:
        for position in known:
            answer(journal, rows[position], text=str(position))
        results, tally = replayed(journal, rows)

    for position, outcome in enumerate(results):
        if position in known:
            assert outcome.transcription == Transcription(text=str(position))
            assert outcome.reused
        else:
            assert (outcome.status, outcome.attempts) == ("pending", 0)
            assert outcome.note is not None
            assert "no result" in outcome.note
    assert tally.done == tally.saved_rows == len(known)
    assert tally.sent == 0


def test_more_rows_than_are_looked_up_at_once_are_all_looked_up(journal: Journal) -> None:
    rows = rows_of([CLIP] * 600)
    answer(journal, rows[0])
    answer(journal, rows[599])

    results, _ = replayed(journal, rows)

    found = [position for position, outcome in enumerate(results) if outcome.status == "ok"]
    assert found == [0, 599]


def test_other_options_are_another_question(journal: Journal) -> None:
    answer(journal, Row(position=0, cell=CLIP, language="de"))
    rows = [Row(position=0, cell=CLIP), Row(position=1, cell=CLIP, language="de")]

    results, _ = replayed(journal, rows)
    with_itn, _ = replayed(journal, rows, asked=Asked(service="", model="", itn=True))

    assert [outcome.status for outcome in results] == ["pending", "ok"]
    assert [outcome.status for outcome in with_itn] == ["pending", "pending"]


def test_whichever_service_answered_is_taken_and_two_are_an_error(journal: Journal) -> None:
    row = Row(position=0, cell=CLIP)
    answer(journal, row, endpoint="a.example", model="m")
    (only,), _ = replayed(journal, [row])
    answer(journal, row, endpoint="b.example", model="n")

    with pytest.raises(OptionError) as several:
        replayed(journal, [row], row_name=lambda position: f"df['audio'][{position}]")

    assert only.endpoint == "a.example"
    assert str(several.value).startswith("df['audio'][0]: ")
    assert "a.example (m), b.example (n)" in str(several.value)
    assert "endpoint=" in str(several.value)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"endpoint": "a.example"}, "from a"),
        ({"model": "n"}, "from b"),
        ({"endpoint": "b.example", "model": "n"}, "from b"),
    ],
)
def test_who_names_a_service_or_a_model_gets_its_answers(
    journal: Journal, told: dict[str, str], text: str
) -> None:
    row = Row(position=0, cell=CLIP)
    answer(journal, row, "from a", endpoint="a.example", model="m")
    answer(journal, row, "from b", endpoint="b.example", model="n")

    (found,), _ = replayed(journal, [row], **told)

    assert found.transcription == Transcription(text=text)


def test_of_one_service_the_newest_answer_counts(journal: Journal) -> None:
    row = Row(position=0, cell=CLIP)
    answer(journal, row, "first")
    answer(journal, row, "second", days=1)

    (found,), _ = replayed(journal, [row])

    assert found.transcription == Transcription(text="second")


def test_answers_that_are_too_old_are_none(journal: Journal) -> None:
    row = Row(position=0, cell=CLIP)
    answer(journal, row, endpoint="a.example")
    answer(journal, row, endpoint="b.example", days=40)

    (one,), _ = replayed(journal, [row], since=START + timedelta(days=30))
    (none,), _ = replayed(journal, [row], since=START + timedelta(days=50))

    assert (one.endpoint, none.status) == ("b.example", "pending")


def test_failures_are_not_replayed(journal: Journal) -> None:
    row = Row(position=0, cell=CLIP)
    identity = identify_bytes(CLIP) or ""
    failed = Outcome(status="failed", failure=HOPELESS, attempts=1, endpoint="h", model="m")
    question = NOBODY.question(row, identity)
    journal.write([Record(key=b"k" * 32, question=question, audio=identity, outcome=failed)])

    (found,), _ = replayed(journal, [row])

    assert found.status == "pending"


def test_files_addresses_missing_and_unreadable_cells_are_what_they_are(
    journal: Journal, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(CLIP)
    cells = [path, None, tmp_path, "nowhere.wav", "https://example.org/a.wav"]
    rows = [Row(position=position, cell=cell) for position, cell in enumerate(cells)]
    answer(journal, rows[0])

    results, tally = replayed(journal, rows)

    statuses = ["ok", "missing", "failed", "failed", "pending"]
    assert [outcome.status for outcome in results] == statuses
    assert tally.errors == {"unreadable": 2}


def test_an_address_is_found_by_what_its_host_tells(journal: Journal) -> None:
    row = Row(position=0, cell="https://example.org/a.wav?Signature=x")
    identities = Identities(journal=journal, head=lambda _: {"etag": '"1"', "content-length": "9"})
    identity = identities.of_address(row.cell)
    assert identity is not None
    outcome = Outcome(status="ok", transcription=Transcription(text="ok"), endpoint="h", model="m")
    question = NOBODY.question(row, identity)
    journal.write([Record(key=b"k" * 32, question=question, audio=identity, outcome=outcome)])

    (found,), _ = replayed(journal, [row], identities=identities)

    assert found.status == "ok"


def test_a_stop_looks_nothing_further_up(journal: Journal) -> None:
    rows = rows_of([CLIP] * 1_000)
    looked = 0

    class Stopping(list[Outcome]):
        def __setitem__(self, position: Any, outcome: Any) -> None:
            nonlocal looked
            looked += 1
            replay.stop()

    replay = Replay(
        rows=rows,
        asked=NOBODY,
        identities=Identities(journal=journal),
        results=Stopping(),
        tally=Tally(rows=1_000),
    )
    asyncio.run(replay.finish())

    assert 0 < looked < 1_000


def test_a_journal_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        pass

    with pytest.raises(JournalError, match="closed"):
        replayed(journal, rows_of([CLIP]))
