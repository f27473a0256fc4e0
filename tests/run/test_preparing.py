"""Before a row is sent: what is recorded of it, what it is known by and what is sent for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from asr_pandas.audio.cells import Reading, identify_bytes
from asr_pandas.model import MISSING, Outcome
from asr_pandas.run.journal.journal import Journal, Record
from asr_pandas.run.preparing import Ready, Sendable, fitted, glance, identify
from asr_pandas.run.question import Identities, Row
from tests.run.clocks import START
from tests.run.told import ASKED, CLIP, OK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ANSWER = Outcome(status="ok", transcription=OK, attempts=1, unanswered=1, transcribed_at=START)
URL = "https://example.org/a.mp3"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def told(_: str) -> Mapping[str, str]:
    return {"ETag": '"5d41"', "Content-Length": "160044"}


def identities(journal: Journal) -> Identities:
    return Identities(journal=journal, head=told)


def row(cell: object, **options: Any) -> Row:
    return Row(position=0, cell=cell, **options)


def recorded(journal: Journal, one: Row) -> None:
    identity = identify_bytes(CLIP) or ""
    journal.write(
        [
            Record(
                key=ASKED.key(one, identity),
                question=ASKED.question(one, identity),
                audio=identity,
                outcome=ANSWER,
            )
        ]
    )


def test_at_a_glance_what_is_recorded_is_taken_and_what_is_missing_is_said(
    journal: Journal,
) -> None:
    recorded(journal, row(CLIP))
    rows = [row(CLIP), row(None), row(CLIP, language="de"), row("a.wav")]

    found = glance(rows, asked=ASKED, identities=identities(journal), since=None)

    assert found[1:] == [MISSING, *rows[2:]]
    assert isinstance(found[0], Outcome)
    assert found[0].transcription == OK
    assert (found[0].reused, found[0].unanswered) == (True, 0)


@pytest.mark.parametrize(("age", "is_taken"), [(-1, True), (0, True), (1, False)])
def test_at_a_glance_what_is_too_old_is_not_taken(
    journal: Journal, age: int, *, is_taken: bool
) -> None:
    recorded(journal, row(CLIP))

    (found,) = glance(
        [row(CLIP)],
        asked=ASKED,
        identities=identities(journal),
        since=START + timedelta(seconds=age),
    )

    assert isinstance(found, Outcome) == is_taken


def identified(journal: Journal, *cells: object, fetch: bool = False) -> list[Ready | Outcome]:
    return identify(
        [row(cell) for cell in cells],
        asked=ASKED,
        identities=identities(journal),
        reading=Reading(fetch=fetch),
    )


def test_a_file_is_read_once_and_known_from_then_on(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(CLIP)

    (ready,) = identified(journal, path)

    assert isinstance(ready, Ready)
    assert ready.identity == identify_bytes(CLIP)
    assert ready.key == ASKED.key(row(path), ready.identity)
    assert ready.is_quick
    assert ready.clip is not None
    assert ready.clip.file is not None
    (known,) = journal.known([ready.clip.file])
    assert known is not None
    assert (known.identity, known.container, known.exact) == (ready.identity, "wav", True)
    assert known.duration == ready.clip.duration


def test_bytes_are_nobody_s_file(journal: Journal) -> None:
    (ready,) = identified(journal, CLIP)

    assert isinstance(ready, Ready)
    assert ready.identity == identify_bytes(CLIP)


def test_an_address_is_not_downloaded_before_its_answer_is_known_to_be_lacking(
    journal: Journal,
) -> None:
    (ready,) = identified(journal, URL)

    assert isinstance(ready, Ready)
    assert ready.identity == f'{URL}|etag="5d41"|size=160044'
    assert (ready.clip, ready.is_quick) == (None, False)


def test_an_address_that_the_service_will_fetch_is_known_for_this_run_where_its_host_is_silent(
    journal: Journal,
) -> None:
    silent = Identities(journal=journal, head=lambda _: None)

    (ready,) = identify([row(URL)], asked=ASKED, identities=silent, reading=Reading())

    assert isinstance(ready, Ready)
    assert ready.clip is not None
    assert ready.identity == silent.of(ready.clip)
    assert not ready.is_quick


def test_what_cannot_be_read_says_why_and_the_others_are_identified(
    journal: Journal, tmp_path: Path
) -> None:
    found = identified(journal, "nowhere.wav", b"no audio", CLIP, tmp_path)

    kinds = [one.failure.kind for one in found if isinstance(one, Outcome) and one.failure]
    assert kinds == ["unreadable"] * 3
    assert isinstance(found[2], Ready)


def test_with_fetch_an_address_is_downloaded_and_known_by_its_content(journal: Journal) -> None:
    # Nobody listens there: that it was asked at all shows in the failure.
    (found,) = identified(journal, "http://127.0.0.1:9/a.mp3", fetch=True)

    assert isinstance(found, Outcome)
    assert found.failure is not None
    assert found.failure.kind == "download"


def test_a_clip_that_fits_is_sent_as_it_is(journal: Journal) -> None:
    (ready,) = identified(journal, CLIP)
    assert isinstance(ready, Ready)

    sendable = fitted(ready, asked=ASKED, reading=Reading())

    assert isinstance(sendable, Sendable)
    assert sendable.request.payload.content == CLIP
    assert sendable.clip.duration == (ready.clip and ready.clip.duration)


def test_an_address_is_sent_as_an_address(journal: Journal) -> None:
    (ready,) = identified(journal, URL)
    assert isinstance(ready, Ready)

    sendable = fitted(ready, asked=ASKED, reading=Reading())

    assert isinstance(sendable, Sendable)
    assert sendable.request.payload.url == URL
    assert sendable.clip.duration is None


def test_what_does_not_fit_says_why(journal: Journal) -> None:
    (ready,) = identified(journal, CLIP)
    assert isinstance(ready, Ready)
    assert ready.clip is not None
    long = replace(ready, clip=replace(ready.clip, duration=301.0))

    outcome = fitted(long, asked=ASKED, reading=Reading())

    assert isinstance(outcome, Outcome)
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.kind) == ("failed", "too_long")
