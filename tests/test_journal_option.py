"""`journal=`, `reuse=`, `collect` and `endpoint="journal"`: what is recorded, and taken again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from aiohttp import web

import asr_pandas
from tests.conftest import Answer, Service, always, completion, distinct, in_turn, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Start = Callable[[Answer], Service]
LACKING = "The journal has no result for this audio with these options."
TOO_LONG = refusal("The audio is too long")


def transcribe(service: Service, cells: list[Any], **options: Any) -> pd.DataFrame:
    out: pd.DataFrame = pd.DataFrame({"audio": cells}).asr.transcribe(
        "audio",
        **{"endpoint": service.endpoint, "progress": False, "columns": "full", **options},
    )
    return out


def collect(cells: list[Any], **options: Any) -> pd.DataFrame:
    out: pd.DataFrame = pd.DataFrame({"audio": cells}).asr.collect(
        "audio", progress=False, columns="full", **options
    )
    return out


def aged(journal: Path, days: float) -> None:
    """Make everything in a journal so much older."""
    with sqlite3.connect(journal) as db:
        db.execute("UPDATE outcomes SET at = at - ?", [days * 86_400])
    db.close()


# Where it is.


def test_what_was_transcribed_once_is_taken_from_the_journal(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    cells = distinct(wav, 3)

    for journal in (tmp_path / "a" / "journal.sqlite", str(tmp_path / "b")):
        asked = len(stand_in.asked)
        first = transcribe(stand_in, cells, journal=journal)
        second = transcribe(stand_in, cells, journal=journal)

        assert len(stand_in.asked) == asked + 3
        assert first["reused"].tolist() == [False] * 3
        assert second["reused"].tolist() == [True] * 3
        same = ["transcript", "seconds", "model", "endpoint", "request_id", "transcribed_at"]
        pd.testing.assert_frame_equal(second[same], first[same])


def test_the_environment_says_where_the_journal_is(
    service: Start, wav: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = service(always(completion()))
    for name in ("one", "other"):
        monkeypatch.setenv("ASR_PANDAS_JOURNAL", str(tmp_path / name))
        transcribe(stand_in, [wav])
        transcribe(stand_in, [wav], journal=True)
        assert (tmp_path / name).is_file()

    assert len(stand_in.asked) == 2


def test_a_path_goes_before_the_environment(service: Start, wav: bytes, tmp_path: Path) -> None:
    stand_in = service(always(completion()))

    transcribe(stand_in, [wav], journal=tmp_path / "mine")
    transcribe(stand_in, [wav])

    assert (tmp_path / "mine").is_file()
    assert len(stand_in.asked) == 2


def test_without_a_journal_nothing_is_left_and_equal_rows_are_still_asked_once(
    service: Start, wav: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_PANDAS_JOURNAL", str(tmp_path / "journal"))
    stand_in = service(always(completion()))

    out = transcribe(stand_in, [wav, wav], journal=False)
    transcribe(stand_in, [wav], journal=False)

    assert out["reused"].tolist() == [False, True]
    assert len(stand_in.asked) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_its_owner_alone_can_read_it(service: Start, wav: bytes, tmp_path: Path) -> None:
    transcribe(service(always(completion())), [wav], journal=tmp_path / "new" / "journal")

    assert (tmp_path / "new" / "journal").stat().st_mode & 0o077 == 0


def test_a_journal_that_cannot_be_used_is_said_before_anything_is_sent(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    text = tmp_path / "notes.txt"
    text.write_text("no database, but longer than one of its headers: " + "x" * 100)

    for journal in (tmp_path, text):
        with pytest.raises(asr_pandas.JournalError, match="ASR_PANDAS_JOURNAL"):
            transcribe(stand_in, [wav], journal=journal)

    assert stand_in.asked == []
    assert text.read_text().startswith("no database")


# What is taken again.


def test_who_wants_to_pay_again_does_and_equal_rows_still_once(service: Start, wav: bytes) -> None:
    stand_in = service(in_turn(always(completion("Old.")), always(completion("New."))))
    transcribe(stand_in, [wav])

    out = transcribe(stand_in, [wav, wav, wav], reuse=False)
    afterwards = transcribe(stand_in, [wav])

    assert len(stand_in.asked) == 2
    assert out["transcript"].tolist() == ["New."] * 3
    assert out["reused"].tolist() == [False, True, True]
    assert afterwards["transcript"].tolist() == ["New."]


@pytest.mark.parametrize(
    ("reuse", "asked"), [("30d", 1), ("41d", 0), ("6w", 0), ("999999d", 0), (True, 0)]
)
def test_what_is_too_old_is_asked_again(
    service: Start, wav: bytes, tmp_path: Path, *, reuse: bool | str, asked: int
) -> None:
    stand_in = service(always(completion()))
    journal = tmp_path / "journal"
    transcribe(stand_in, [wav], journal=journal)
    aged(journal, days=40)

    transcribe(stand_in, [wav], journal=journal, reuse=reuse)
    transcribe(stand_in, [wav], journal=journal, reuse=reuse)

    assert len(stand_in.asked) == 1 + asked


def test_failures_are_recorded_and_never_taken(service: Start, wav: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    stand_in = service(in_turn(always(TOO_LONG, status=400), always(completion())))

    first = transcribe(stand_in, [wav], journal=journal)
    with sqlite3.connect(journal) as db:
        recorded = db.execute("SELECT status FROM outcomes").fetchall()
    db.close()
    second = transcribe(stand_in, [wav], journal=journal)

    assert (first["status"].tolist(), recorded) == (["failed"], [("failed",)])
    assert (second["status"].tolist(), second["reused"].tolist()) == (["ok"], [False])


def test_an_empty_result_is_a_result(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion("")))

    outs = [transcribe(stand_in, [wav]) for _ in range(2)]

    assert [out["status"].tolist() for out in outs] == [["empty"]] * 2
    assert len(stand_in.asked) == 1


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is_asked_again(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = service(in_turn(always(completion("Old.")), always(completion("New."))))
    path = tmp_path / "call.wav"
    old, new = distinct(wav, 2)
    path.write_bytes(old)
    before = path.stat()
    transcribe(stand_in, [path])

    # Of the same size and time, so that nobody who does not read it could tell.
    path.write_bytes(new)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    unread = transcribe(stand_in, [path])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000))
    read = transcribe(stand_in, [path])

    assert (unread["transcript"].tolist(), read["transcript"].tolist()) == (["Old."], ["New."])
    assert len(stand_in.asked) == 2


def test_the_audio_of_a_row_is_what_counts_whatever_kind_of_cell_holds_it(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    path = tmp_path / "call.wav"
    path.write_bytes(wav)
    transcribe(stand_in, [path])

    out = transcribe(stand_in, [wav, str(path), {"bytes": wav, "path": None}, path.as_uri()])

    assert out["reused"].tolist() == [True] * 4
    assert len(stand_in.asked) == 1


# Audio that is only an address to us.


class Host(ThreadingHTTPServer):
    """Serves a folder, and takes down what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), partial(Noting, directory=str(folder)))

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Noting(SimpleHTTPRequestHandler):
    def log_request(self, *_: object) -> None:
        assert isinstance(self.server, Host)
        self.server.asked.append(self.command)

    def log_error(self, *_: object) -> None:
        pass


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "served").mkdir()
    with Host(tmp_path / "served") as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join(10)


def test_an_address_is_known_by_what_its_host_tells_and_not_downloaded(
    service: Start, wav: bytes, host: Host, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    (tmp_path / "served" / "a.wav").write_bytes(wav)
    cells = [host.address("a.wav"), host.address("a.wav?X-Amz-Signature=00")]

    first = transcribe(stand_in, cells[:1])
    signed = transcribe(stand_in, cells)
    (tmp_path / "served" / "a.wav").write_bytes(wav + b"\0")
    changed = transcribe(stand_in, cells[:1])

    assert set(host.asked) == {"HEAD"}
    assert first["reused"].tolist() == [False]
    assert signed["reused"].tolist() == [True, True]
    assert changed["reused"].tolist() == [False]


def test_an_address_of_which_nothing_is_known_is_asked_once_in_each_run(
    service: Start, host: Host
) -> None:
    stand_in = service(always(completion()))
    cells = [host.address("gone.wav")] * 3

    for runs in (1, 2):
        out = transcribe(stand_in, cells)
        assert out["reused"].tolist() == [False, True, True]
        assert len(stand_in.asked) == runs


def test_what_was_fetched_is_known_by_its_content_wherever_it_lies(
    service: Start, wav: bytes, host: Host, tmp_path: Path
) -> None:
    stand_in = service(always(completion()))
    for name in ("a.wav", "b.wav"):
        (tmp_path / "served" / name).write_bytes(wav)
    transcribe(stand_in, [wav])

    out = transcribe(stand_in, [host.address(name) for name in ("a.wav", "b.wav")], fetch=True)

    assert out["reused"].tolist() == [True, True]
    assert len(stand_in.asked) == 1


# Replayed.


def test_a_notebook_is_replayed_without_a_service_and_says_which_rows_it_lacks(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    one, other = distinct(wav, 2)
    first = transcribe(stand_in, [one])

    out = transcribe(stand_in, [one, other, None, "nowhere.wav"], endpoint="journal")

    assert out["status"].tolist() == ["ok", "pending", "missing", "failed"]
    assert out["message"].tolist()[1] == LACKING
    assert out["transcribed_at"].tolist()[:1] == first["transcribed_at"].tolist()
    assert out["endpoint"].tolist()[0] == "127.0.0.1"
    assert len(stand_in.asked) == 1


def test_a_replay_wants_no_key_and_the_same_options(service: Start, wav: bytes) -> None:
    transcribe(service(always(completion())), [wav], language="de")

    replayed = [
        pd.DataFrame({"audio": [wav]}).asr.transcribe(
            "audio", endpoint="journal", progress=False, **options
        )
        for options in ({"language": "de"}, {"language": "en"}, {}, {"language": "de", "itn": True})
    ]

    assert [out["status"][0] for out in replayed] == ["ok", "pending", "pending", "pending"]


def test_a_replay_takes_no_results_that_are_too_old(service: Start, wav: bytes) -> None:
    transcribe(service(always(completion())), [wav])

    young, old = collect([wav], reuse="30d"), collect([wav], reuse="0s")

    assert [out["status"][0] for out in (young, old)] == ["ok", "pending"]


def test_where_two_services_have_answered_one_must_be_named(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    other = asr_pandas.Endpoint(stand_in.url, model="another", api_key="sk-test-0123456789")
    frame = [wav, *distinct(wav, 1)]
    transcribe(stand_in, frame)
    transcribe(stand_in, frame[1:], endpoint=other)

    with pytest.raises(asr_pandas.OptionError, match=r"df\['audio'\]\[1\]: .*another") as several:
        collect(frame)

    assert "endpoint=" in str(several.value)
    assert collect(frame, endpoint=stand_in.endpoint)["status"].tolist() == ["ok", "ok"]
    assert collect(frame, endpoint=other)["status"].tolist() == ["pending", "ok"]
    word = asr_pandas.Endpoint("journal", model="another")
    assert collect(frame, endpoint=word)["status"].tolist() == ["pending", "ok"]


def test_two_services_at_two_ports_of_a_machine_are_two(service: Start, wav: bytes) -> None:
    services = [service(always(completion(text))) for text in ("One.", "Other.")]
    for stand_in in services:
        transcribe(stand_in, [wav])

    with pytest.raises(asr_pandas.OptionError, match="several services"):
        collect([wav])


def test_a_frame_is_collected_beside_a_run_that_goes_on(service: Start, wav: bytes) -> None:
    waiting, let_go = threading.Event(), threading.Event()

    async def answer(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        if len(stand_in.asked) > 2:
            waiting.set()
            await asyncio.to_thread(let_go.wait, 10)
        return web.json_response(completion())

    stand_in = service(answer)
    cells = distinct(wav, 4)
    frame = pd.DataFrame({"audio": cells})
    run = frame.asr.start("audio", endpoint=stand_in.endpoint, progress=False, concurrency=1)
    assert waiting.wait(10)

    meanwhile = collect(cells)
    let_go.set()
    run.wait()

    assert meanwhile["status"].tolist() == ["ok", "ok", "pending", "pending"]
    assert collect(cells)["status"].tolist() == ["ok"] * 4
    assert len(stand_in.asked) == 4


def test_a_series_is_collected_too(service: Start, wav: bytes) -> None:
    transcribe(service(always(completion())), [wav])
    series: Any = pd.Series([wav], index=["x"])

    out = series.asr.collect(progress=False)

    assert out["transcript"].to_dict() == {"x": "Good morning."}


def test_a_frame_whose_rows_come_from_several_models_says_so(service: Start, wav: bytes) -> None:
    one, other = distinct(wav, 2)
    transcribe(service(always(completion())), [one])
    transcribe(service(always({**completion(), "model": "newer"})), [other])

    with pytest.warns(asr_pandas.AsrWarning, match="2 models"):
        out = collect([one, other])

    assert out["model"].tolist() == ["qwen3-asr-flash", "newer"]


# It breaks in the midst.


def breaking(service: Start, journal: Path, *, after: int) -> Service:
    """Start a service; once it was asked so often, the journal's table is gone."""

    async def answer(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        if len(stand_in.asked) == after:
            with sqlite3.connect(journal) as db:
                db.execute("DROP TABLE outcomes")
            db.close()
        return web.json_response(completion())

    stand_in = service(answer)
    return stand_in


def test_a_journal_that_breaks_ends_the_run_with_what_is_in_hand(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    stand_in = breaking(service, tmp_path / "journal", after=3)

    with pytest.raises(asr_pandas.JournalError, match="no such table") as broken:
        transcribe(stand_in, distinct(wav, 20), journal=tmp_path / "journal", concurrency=1)

    assert broken.value.partial is not None
    assert broken.value.partial["status"].tolist() == [*["ok"] * 3, *["pending"] * 17]
    assert len(stand_in.asked) == 3
    assert "journal=False" in str(broken.value)


def test_a_journal_that_breaks_at_the_very_end_hands_everything_back(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    async def answer(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        with sqlite3.connect(tmp_path / "journal") as db:
            db.execute("DROP TABLE reuses")
        db.close()
        return web.json_response(completion())

    with pytest.raises(asr_pandas.JournalError, match="no such table") as broken:
        transcribe(service(answer), [wav, wav], journal=tmp_path / "journal")

    assert broken.value.partial is not None
    assert broken.value.partial["status"].tolist() == ["ok", "ok"]


def test_a_journal_that_breaks_under_a_retry_gives_the_whole_frame_back(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    cells = distinct(wav, 4)
    fails = service(always(TOO_LONG, status=400))
    out = transcribe(fails, cells)
    out.loc[0, "status"] = "ok"
    stand_in = breaking(service, tmp_path / "journal", after=2)

    with pytest.raises(asr_pandas.JournalError) as broken:
        out.asr.retry(
            "audio",
            endpoint=stand_in.endpoint,
            journal=tmp_path / "journal",
            concurrency=1,
            progress=False,
        )

    assert broken.value.partial is not None
    assert broken.value.partial["status"].tolist() == ["ok", "ok", "ok", "pending"]
