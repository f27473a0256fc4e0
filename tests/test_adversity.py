"""What the world does to a run while it is under way, and what it may not do to a row."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from aiohttp import web

import asr_pandas
from asr_pandas.errors import JournalError
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.owners import Owner
from tests.conftest import Answer, Service, always, completion, distinct, refusal

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[[Answer], Service]


def says_its_context(release: threading.Event) -> Answer:
    """Answer with the context that came with the audio, once the test lets it."""

    async def answer(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        while not release.is_set():
            await _moment()
        return web.json_response(completion(body["messages"][0]["content"][0]["text"]))

    return answer


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(
    "change",
    [
        lambda df: df.sort_values("order", inplace=True),  # noqa: PD002 - the user's own
        lambda df: df.drop(index=0, inplace=True),  # noqa: PD002
        lambda df: df.__setitem__("audio", None),
    ],
    ids=["sorted", "a row less", "without its audio"],
)
def test_a_frame_may_be_changed_while_its_rows_are_transcribed(
    service: Start, wav: bytes, change: Callable[[pd.DataFrame], Any]
) -> None:
    release = threading.Event()
    stand_in = service(says_its_context(release))
    names = [str(number) for number in range(8)]
    frame = pd.DataFrame({"audio": distinct(wav, 8), "name": names, "order": range(8, 0, -1)})

    run = frame.asr.start("audio", context_from="name", endpoint=stand_in.endpoint, progress=False)
    change(frame)
    release.set()
    out = run.wait()

    assert out["name"].tolist() == out["transcript"].tolist() == names


@pytest.mark.parametrize(
    "cell",
    [
        memoryview(b"0123456789")[::2],
        {"bytes": None, "path": pd.NA},
        {"bytes": None, "path": np.array(["a", "b"])},
        {"bytes": 5},
        "http://127.0.0.1:9/\udc80.wav",
    ],
    ids=["memory with gaps", "no path", "two paths", "a number", "half a character"],
)
def test_whatever_a_cell_holds_the_other_rows_finish(
    service: Start, wav: bytes, cell: object
) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": pd.Series([cell, wav], dtype=object)})

    out = frame.asr.transcribe("audio", endpoint=stand_in.endpoint, progress=False)
    plan = frame.asr.plan("audio", endpoint=stand_in.endpoint)

    assert out["status"][1] == "ok"
    assert out["status"][0] in {"failed", "missing"}
    assert plan.rows == 2


def test_a_recorded_answer_that_cannot_be_read_is_none(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": [wav]})
    options: dict[str, Any] = {"endpoint": stand_in.endpoint, "progress": False}
    journal = tmp_path / "journal.sqlite"
    frame.asr.transcribe("audio", journal=journal, **options)
    with sqlite3.connect(journal) as db:
        db.execute("UPDATE outcomes SET rest = 'null'")
    db.close()

    out = frame.asr.transcribe("audio", journal=journal, **options)

    assert out["status"].tolist() == ["ok"]
    assert len(stand_in.asked) == 2


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be deleted there")
def test_a_journal_that_is_deleted_meanwhile_ends_the_run_with_what_it_has(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.sqlite"

    async def deleting(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        journal.unlink(missing_ok=True)
        return web.json_response(completion())

    frame = pd.DataFrame({"audio": distinct(wav, 20)})

    with pytest.raises(JournalError, match="deleted") as broken:
        frame.asr.transcribe(
            "audio", journal=journal, endpoint=service(deleting).endpoint, progress=False
        )

    assert broken.value.partial is not None
    assert set(broken.value.partial["status"]) <= {"ok", "pending", "cancelled"}


def test_a_special_file_is_no_journal_and_keeps_its_rights(wav: bytes, tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes in this system's folders")
    os.mkfifo(tmp_path / "pipe", 0o644)
    before = (tmp_path / "pipe").stat().st_mode

    with pytest.raises(JournalError, match="regular file"):
        pd.DataFrame({"audio": [wav]}).asr.transcribe(
            "audio", journal=tmp_path / "pipe", endpoint="http://127.0.0.1:9/v1", progress=False
        )

    assert (tmp_path / "pipe").stat().st_mode == before


def test_a_journal_that_cannot_be_closed_leaves_no_claims_behind(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    assert journal.claim([b"k"]) == {b"k": "ours"}
    journal._db.execute("DROP TABLE claims")  # type: ignore[union-attr]  # noqa: SLF001

    with pytest.raises(JournalError):
        journal.close()

    assert not list(Owner(path)._folder.glob("*.lock"))  # noqa: SLF001


def test_a_service_that_bills_less_than_nothing_does_not_fill_the_purse(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion(usage={"seconds": -100})))
    endpoint = asr_pandas.Endpoint(stand_in.url, api_key="k", price_per_second=1.0)
    frame = pd.DataFrame({"audio": distinct(wav, 4)})

    with pytest.warns(asr_pandas.AsrWarning, match="the budget is spent"):
        out = frame.asr.transcribe("audio", endpoint=endpoint, budget=10, progress=False)

    assert out["status"].value_counts().to_dict() == {"ok": 2, "pending": 2}


def test_definite_refusals_are_answers_however_many_there_are(service: Start, wav: bytes) -> None:
    stand_in = service(always(refusal("this is not to our taste"), status=400))
    frame = pd.DataFrame({"audio": distinct(wav, 30)})

    out = frame.asr.transcribe("audio", endpoint=stand_in.endpoint, patience=0.001, progress=False)

    assert set(out["status"]) == {"failed"}
    assert len(stand_in.asked) == 30
