"""A plan says what a run would do, without doing it."""

from __future__ import annotations

import base64
import io
import math
import os
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import asr_pandas
from asr_pandas.call import Call
from asr_pandas.errors import JournalError
from asr_pandas.model import Outcome
from asr_pandas.options import check
from asr_pandas.plan import Plan, plan
from asr_pandas.plan.forecast import Load, Pace, forecast
from asr_pandas.plan.found import Found, identified_by
from asr_pandas.plan.hearing import heard
from asr_pandas.plan.listening import listened
from asr_pandas.plan.sums import Sums
from asr_pandas.run.journal.journal import Journal, Record
from asr_pandas.run.question import Asked, Identities, Row
from tests.conftest import BUNDLED, Answer, Service, always, completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTL = "dashscope-intl.aliyuncs.com"
PRICE = 0.000035
LINES = {"status": "send", "message": None, "source": "file", "container": "wav", "duration": 2.5,
         "exact": True, "size": 80_000, "language": None, "clip": 0, "identity": None,
         "identified_by": "not yet read", "sound": None, "cost": 3 * PRICE}  # fmt: skip


def planned(cells: list[Any], *, deep: bool = False, **options: Any) -> Plan:
    frame = pd.DataFrame({"audio": pd.Series(cells, dtype=object)})
    return plan_of(frame, deep=deep, **{"endpoint": "dashscope-intl", **options})


def plan_of(frame: pd.DataFrame, *, deep: bool = False, **options: Any) -> Plan:
    return plan(Call.of_column(frame, "audio", check(**options), plans=True), deep=deep)


def tone(seconds: float, *, kind: str = "WAV", level: float = 0.1, seed: int = 0) -> bytes:
    """Noise, a new one for each seed."""
    file = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-level, level, int(seconds * 8_000))
    soundfile.write(file, noise, 8_000, format=kind)
    return file.getvalue()


def misleading_mp3() -> bytes:
    """320 s, whose first frame makes them look like 40: without an index, that is a guess."""
    file = io.BytesIO()
    sound = np.zeros(320 * 16_000, np.float32)
    sound[:4_000] = np.random.default_rng(0).uniform(-0.5, 0.5, 4_000)
    soundfile.write(file, sound, 16_000, format="MP3")
    content = file.getvalue()
    return content[content.index(content[:2], 4) :]


TERMINAL = """
plan for df['audio'] → dashscope-intl.aliyuncs.com (qwen3-asr-flash)
rows        8; 1 missing; rows with an error: 2 unreadable, 1 over 5 minutes or 10 MB
audio       5 min, up to 4 distinct clips; flac 5 min, wav 13 s, au 3 s; language: 4 en, 4 not
            named; 1 converted to FLAC
journal     0 recorded already; 1 equal to rows above; 1 not yet read (plan(deep=True) reads them)
requests    up to 3, cost up to about 0.0005 USD; the budget of 0.0001 USD may not be enough
time        up to about 2 s with 8 at once and an assumed 2 s for a reply: concurrency is the
            bottleneck (1.0 Mbit/s of uplink)
leaves      up to 11 s of audio, for dashscope-intl.aliyuncs.com
note        dashscope-intl.aliyuncs.com wants a key, and DASHSCOPE_API_KEY is not set. Hint: export
            DASHSCOPE_API_KEY=..., or endpoint='local' for the embedded recogniser.
too_long    row 5: 533,694 bytes: lasts 301.0 s, and the service takes 300 s. Hint: cut it into
            pieces first.
unreadable  row 6: 'calls/0017.wav': cannot be read: No such file or directory. Hint: relative paths
            start at the folder in which Python runs.
unreadable  row 7: 9 bytes: cannot decode 9 bytes as audio: no known container header. Hint: the
            file may be cut off, or be something else than its name says.
"""


@pytest.fixture
def mixed(tmp_path: Path, wav: bytes) -> list[Any]:
    """Cells of every kind that needs no host; rows 0, 1 and 2 are the same audio."""
    (tmp_path / "a.wav").write_bytes(wav)
    (tmp_path / "b.wav").write_bytes(wav)
    (tmp_path / "c.au").write_bytes(tone(3, kind="AU", seed=1))
    (tmp_path / "long.flac").write_bytes(tone(301, kind="FLAC"))
    (tmp_path / "<img src=x onerror=alert(1)>.wav").write_bytes(b"RIFF")
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(11_000_000)
    return [
        str(tmp_path / "a.wav"),
        tmp_path / "b.wav",
        wav,
        {"bytes": tone(2), "path": "x.wav"},
        {"bytes": None, "path": str(tmp_path / "c.au")},
        "data:audio/wav;base64," + base64.b64encode(tone(1, seed=2)).decode(),
        None,
        " ",
        str(tmp_path / "long.flac"),
        str(large),
        str(tmp_path / "<img src=x onerror=alert(1)>.wav"),
        str(tmp_path / "nowhere.wav"),
        str(tmp_path),
        3,
        b"",
    ]


@contextmanager
def host(headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A server that says this of every file; its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.command)
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answered(identity: str, *, service: str, at: datetime, **outcome: Any) -> Record:
    asked, row = Asked(service=service, model="m"), Row(position=0, cell=None)
    return Record(
        key=asked.key(row, identity),
        question=asked.question(row, identity),
        audio=identity,
        outcome=Outcome(status="empty", transcribed_at=at, **outcome),
    )


def note_down(*records: Record) -> None:
    with Journal(Path(os.environ["ASR_PANDAS_JOURNAL"])) as journal:
        journal.write(records)


@pytest.mark.parametrize("deep", [False, True])
def test_a_run_does_what_was_planned(
    deep: bool,  # noqa: FBT001 - both are tried
    mixed: list[Any],
    service: Callable[[Answer], Service],
) -> None:
    asked = service(always(completion()))
    frame = pd.DataFrame({"audio": pd.Series(mixed, dtype=object)}, index=list("abcdefghijklmno"))

    found = plan_of(frame, deep=deep, endpoint=asked.endpoint)
    nothing_sent = not asked.asked
    out = frame.asr.transcribe("audio", endpoint=asked.endpoint, progress=False)

    assert nothing_sent
    done, failed = out["status"].eq("ok"), out["status"].eq("failed")
    assert found.frame.index.equals(frame.index)
    assert found.frame["status"].isin(["send", "duplicate"]).tolist() == done.tolist()
    assert found.frame["status"].eq("missing").tolist() == out["status"].eq("missing").tolist()
    assert found.frame["status"][failed].tolist() == out["error"][failed].tolist()
    assert len(asked.asked) <= found.requests
    if deep:
        assert len(asked.asked) == found.requests == found.clips - found.sums.count("too_long")
        unlike = failed & out["error"].ne("too_long")  # a path is told without the frame's
        assert found.frame["message"][unlike].tolist() == out["message"][unlike].tolist()
        assert found.frame["duration"][done].tolist() == out["duration"][done].tolist()


def test_what_is_recorded_is_seen_without_reading_it_again(
    mixed: list[Any], service: Callable[[Answer], Service]
) -> None:
    asked = service(always(completion()))
    frame = pd.DataFrame({"audio": pd.Series(mixed, dtype=object)})
    frame.asr.transcribe("audio", endpoint=asked.endpoint, progress=False)

    again = plan_of(frame, endpoint=asked.endpoint)
    anew = plan_of(frame, endpoint=asked.endpoint, reuse=False)
    otherwise = plan_of(frame, endpoint=asked.endpoint, language="de")

    assert (again.requests, again.time) == (0, 0.0)
    assert again.sums.count("recorded") == 6
    assert anew.requests == otherwise.requests == 4
    assert "journal     nothing is taken from it" in repr(anew)


def test_a_deep_plan_remembers_what_is_in_the_files(mixed: list[Any]) -> None:
    before = planned(mixed[:2])
    deep = planned(mixed[:2], deep=True)
    after = planned(mixed[:2])

    assert before.frame["identified_by"].tolist() == ["not yet read"] * 2
    assert (before.requests, deep.requests, after.requests) == (2, 1, 1)
    assert after.frame["identity"].tolist() == deep.frame["identity"].tolist()
    assert after.frame["status"].tolist() == ["send", "duplicate"]


def test_a_plan_reads_like_this_in_a_terminal(mixed: list[Any], wav: bytes) -> None:
    long = tone(301, kind="FLAC", level=1 / 2**15)
    cells = [mixed[0], wav, wav, tone(3, kind="AU"), None, long, "calls/0017.wav", b"?" * 9]
    frame = pd.DataFrame({"audio": pd.Series(cells, dtype=object), "locale": "en_us"})
    frame.loc[4:, "locale"] = None

    found = plan_of(frame, endpoint="dashscope-intl", language_from="locale", budget=0.0001)

    assert repr(found) == TERMINAL.strip()
    assert repr(plan_of(frame, endpoint="dashscope-intl", language_from="locale")) != repr(found)


def test_a_file_name_is_text_in_a_notebook_and_in_a_terminal(tmp_path: Path) -> None:
    name = str(tmp_path / "<script>\x1b[2J\u202e&.wav")

    found = planned([name])
    shown = found._repr_html_()

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert all(letter.isprintable() for letter in shown)
    assert "\x1b" not in repr(found)
    assert "\u202e" not in repr(found)


def test_a_name_that_is_no_text_is_planned_like_any_other(tmp_path: Path) -> None:
    found = planned([f"{tmp_path}/\udcff.wav"])

    assert found.frame["status"].tolist() == ["unreadable"]
    assert "udcff" in found.frame["message"][0]


def test_no_rows_are_a_plan_too() -> None:
    found = planned([])

    assert (found.rows, found.requests, found.cost, found.hours) == (0, 0, 0.0, 0.0)
    assert "rows        0" in repr(found)
    assert found.bottleneck is None


def test_silence_is_told_and_what_is_quiet_is_not_silent() -> None:
    cells = [(BUNDLED / "silent_8k.wav").read_bytes(), tone(1, level=0.01), tone(1, level=0.0005)]

    found = planned(cells, deep=True)

    assert found.frame["sound"].tolist() == ["silent", "audible", "silent"]
    assert "2 probably silent" in repr(found)


def test_a_header_that_misleads_is_found_out_in_depth() -> None:
    mp3 = misleading_mp3()

    shallow, deep = planned([mp3]), planned([mp3], deep=True)

    assert shallow.frame["status"].tolist() == ["send"]
    assert not shallow.frame["exact"][0]
    assert "cost about" in repr(shallow)
    assert deep.frame["status"].tolist() == ["too_long"]
    assert "lasts more than 300 s" in deep.frame["message"][0]


def test_an_estimate_becomes_exact_in_depth() -> None:
    mp3 = (BUNDLED / "podcast.mp3").read_bytes()

    found = planned([mp3], deep=True)

    assert found.frame["exact"].tolist() == [True]
    assert found.frame["duration"][0] == pytest.approx(5.4028, abs=0.001)
    assert "about 0" not in repr(found)


def test_what_libsndfile_cannot_read_is_heard_with_ffmpeg() -> None:
    cut = tone(2, kind="FLAC")[:-2_000]

    found = listened(cut, counted=True)

    assert 1 < found.duration < 2


def test_a_clip_without_sound_is_sent_all_the_same() -> None:
    found = planned([tone(1, kind="FLAC")[:100]], deep=True)

    assert found.frame["sound"].tolist() == ["undecodable"]
    assert found.requests == 1
    assert "1 not decodable here, and sent all the same" in repr(found)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(file.name for file in BUNDLED.iterdir())),
    start=st.integers(0, 400),
    length=st.integers(0, 30_000),
    junk=st.binary(max_size=40),
)
def test_any_bytes_are_a_line(name: str, start: int, length: int, junk: bytes) -> None:
    whole = (BUNDLED / name).read_bytes()
    content = whole[:start] + junk + whole[start + len(junk) : start + length]
    identities = Identities(journal=Journal(None))

    found = heard(content, identities=identities, fetch=False)

    identities.journal.close()
    assert found.error in {None, "unreadable", "too_long", "too_large"}
    assert found.error is None or found.message


def test_any_object_is_a_line() -> None:
    class Rude:
        def __fspath__(self) -> str:
            raise RuntimeError("no")

    os.PathLike.register(Rude)

    shallow, deep = planned([Rude()]), planned([Rude()], deep=True)

    assert shallow.frame["status"].tolist() == deep.frame["status"].tolist() == ["unreadable"]


def test_whatever_goes_wrong_with_a_row_is_its_own() -> None:
    def failing(_: str) -> None:
        raise RuntimeError("a host that nobody has thought of")

    with Journal(Path(os.environ["ASR_PANDAS_JOURNAL"])) as journal:
        identities = Identities(journal=journal, head=failing)
        found = heard("https://example.org/a.wav", identities=identities, fetch=False)

    assert (found.error, found.message) == ("unreadable", "cannot be read: RuntimeError")


def test_a_clip_that_is_too_large_once_it_is_converted_is_found_out_in_depth() -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-1, 1, 299 * 16_000)
    soundfile.write(file, noise, 16_000, format="AU", subtype="ULAW")

    with Journal(None) as journal:
        found = heard(file.getvalue(), identities=Identities(journal=journal), fetch=False)

    assert planned([file.getvalue()]).frame["status"].tolist() == ["send"]
    assert found.error == "too_large"


def test_a_journal_that_fails_is_no_bad_row(tmp_path: Path) -> None:
    def failing(_: str) -> None:
        raise JournalError("the disk is full")

    with Journal(tmp_path / "journal.sqlite") as journal:
        identities = Identities(journal=journal, head=failing)
        with pytest.raises(JournalError):
            heard("https://example.org/a.wav", identities=identities, fetch=False)


def test_hosts_are_asked_in_depth_alone() -> None:
    with host({"ETag": '"5d41"', "Content-Length": "160044"}) as (address, asked):
        cells = [f"{address}/a.wav?Signature=x", {"bytes": None, "path": " "}]
        shallow = planned(cells)
        asked_before = list(asked)
        deep = planned(cells, deep=True)

    assert asked_before == []
    assert asked == ["HEAD"]
    assert shallow.frame["identified_by"][0] == "not asked"
    assert "1 not asked (plan(deep=True) asks their hosts); 1 of unknown length" in repr(shallow)
    assert deep.frame["identified_by"][0] == "etag, size"
    assert "Signature=x" not in deep.frame["identity"][0]
    assert "1 known by etag, size" in repr(deep)


def test_an_address_that_nothing_is_known_of_is_said_not_to_be_reused() -> None:
    with host({}) as (address, _):
        found = planned([f"{address}/a.wav"], deep=True)

    assert found.frame["identified_by"].tolist() == ["nothing"]
    assert "unless fetch=True" in found.frame["message"][0]
    assert "known by nothing that changes with them: not reused" in repr(found)
    assert found.cost == round(300 * PRICE, 9)
    assert "(1 of unknown length as 5 minutes)" in repr(found)


def test_without_a_journal_no_host_is_asked() -> None:
    with host({"ETag": '"5d41"'}) as (address, asked):
        found = planned([f"{address}/a.wav"], deep=True, journal=False)

    assert asked == []
    assert found.frame["identified_by"].tolist() == ["not asked"]


def test_a_store_tells_about_its_files() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/calls/a.wav", tone(2))
    store.pipe("/calls/large.wav", bytes(9_000_000))
    cells = [f"memory://calls/{name}.wav" for name in ("a", "a", "large", "nowhere")]

    asked = planned(cells, deep=True)
    unasked = planned(cells[:1], fetch=True)
    fetched = planned(cells[:1], deep=True, fetch=True)

    assert asked.frame["status"].tolist() == ["send", "duplicate", "too_large", "download"]
    assert asked.frame["identified_by"][0] == "created, size"
    assert asked.frame["size"][0] == len(tone(2))
    assert "1 not asked (plan(deep=True) downloads them)" in repr(unasked)
    assert fetched.frame["identified_by"].tolist() == ["content"]
    assert fetched.frame["duration"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("age", "status"), [(True, "recorded"), ("30d", "recorded"), ("1d", "send")]
)
def test_the_recognisers_answers_are_found_by_its_name(age: Any, status: str) -> None:
    week_ago = datetime.now(UTC) - timedelta(days=7)
    identity = str(planned([tone(1)]).frame["identity"][0])
    note_down(
        answered(identity, service="local:5d41:beam=5", at=week_ago, endpoint="local", model="base")
    )

    found = planned([tone(1)], endpoint="local", reuse=age)

    assert found.frame["status"].tolist() == [status]


def test_a_replay_says_what_the_journal_lacks() -> None:
    identity = str(planned([tone(1)]).frame["identity"][0])
    note_down(
        answered(identity, service="x", at=datetime.now(UTC), endpoint="example.org", model="m")
    )

    found = planned([tone(1), tone(2)], endpoint="journal")

    assert found.frame["status"].tolist() == ["recorded", "pending"]
    assert "none: only the journal is asked" in repr(found)
    assert "1 not there: they stay pending" in repr(found)


def test_the_embedded_recogniser_costs_time_and_nothing_leaves() -> None:
    found = planned([tone(10)], endpoint="local")
    unmeasured = planned([tone(10)], endpoint=asr_pandas.Endpoint.local("small"))

    assert found.bottleneck == "CPU"
    assert found.time == pytest.approx(2.0, abs=0.01)
    assert (found.leaves, found.cost) == (0.0, None)
    assert "at no price" in repr(found)
    assert "nothing: all audio stays on this machine" in repr(found)
    assert unmeasured.time is None
    assert "not known" in repr(unmeasured)


def test_whoever_names_no_endpoint_is_told_which_one_is_meant() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(10_000), 1, format="WAV", subtype="PCM_U8")

    short = planned([tone(1)], endpoint=None)
    long = planned([file.getvalue()], endpoint=None)

    assert short.notes == ("DASHSCOPE_API_KEY is not set: the embedded recogniser is meant",)
    assert "above 2 hours of audio" in repr(long)


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    found = planned([tone(1)], endpoint="https://example.org/v1", concurrency=1)

    assert found.cost is None
    assert "cost not known" in repr(found)
    assert (found.bottleneck, found.time) == ("concurrency", 2.0)
    assert "with 1 at once and an assumed 2 s for a reply" in repr(found)


def test_the_uplink_may_be_the_bottleneck() -> None:
    found = planned([tone(200, seed=seed) for seed in range(4)], rpm=100_000.0)

    assert found.bottleneck == "uplink"
    assert found.time == pytest.approx(4 * 200 * 16_000 * 4 / 3 * 8 / 20e6, rel=0.001)
    assert "at an assumed 20 Mbit/s: the uplink is the bottleneck" in repr(found)


def test_a_series_is_planned_like_a_frame(wav: bytes) -> None:
    call = Call.of_series(pd.Series([wav]), check(endpoint="dashscope-intl"), plans=True)

    found = plan(call)

    assert found.requests == 1
    assert found.host == INTL
    assert (found.clips, found.currency) == (1, "USD")
    assert found.leaves == found.hours == pytest.approx(4.18375 / 3600)
    assert "plan for series →" in repr(found)


LOADS = st.builds(
    Load,
    requests=st.integers(1, 10**7),
    seconds=st.floats(0, 1e9),
    size=st.integers(0, 10**14),
)
PACES = st.builds(
    Pace,
    concurrency=st.integers(1, 1_000),
    rpm=st.none() | st.floats(1, 1e6),
    uplink_mbit=st.none() | st.floats(0.1, 1e4),
    latency=st.none() | st.floats(0.01, 60),
    cpu_per_second=st.floats(0, 10),
)


@settings(deadline=None)
@given(load=LOADS, pace=PACES)
def test_a_run_takes_as_long_as_its_slowest_part(load: Load, pace: Pace) -> None:
    time, bottleneck, mbit = forecast(load, pace)

    assert time is not None
    assert bottleneck is not None
    assert pace.rpm is None or time >= load.requests / pace.rpm * 60
    assert pace.latency is None or time >= load.requests / pace.concurrency * pace.latency * 0.999
    assert pace.uplink_mbit is None or (mbit or 0) <= pace.uplink_mbit * 1.001
    assert (mbit is None) == (pace.uplink_mbit is None)


@pytest.mark.parametrize(
    ("pace", "bottleneck"),
    [
        (Pace(concurrency=16, rpm=100), "limit"),
        (Pace(concurrency=8, rpm=1e6), "concurrency"),
        (Pace(concurrency=10_000, rpm=1e6), "uplink"),
        (Pace(concurrency=10_000, uplink_mbit=None), "CPU"),
        (Pace(concurrency=1, latency=None, uplink_mbit=None, cpu_per_second=None), "CPU"),
    ],
)
def test_the_slowest_part_is_named(pace: Pace, bottleneck: str) -> None:
    load = Load(requests=100_000, seconds=1e6, size=32 * 10**9)

    assert forecast(load, pace).bottleneck == bottleneck


def test_nothing_to_do_takes_no_time() -> None:
    pace = Pace(concurrency=1)

    assert forecast(Load(requests=0, seconds=0.0, size=0), pace) == (0.0, None, None)


@settings(deadline=None)
@given(durations=st.lists(st.floats(0.001, 300), max_size=30), unknown=st.integers(0, 9))
def test_the_cost_is_whole_seconds_at_their_price(durations: list[float], unknown: int) -> None:
    cells = [*(tone_line(duration) for duration in durations), *[tone_line(None)] * unknown]
    lines = pd.DataFrame(cells, columns=list(LINES)).astype({"duration": "Float64"})

    cost = Sums.of(lines, price=PRICE).cost

    seconds = sum(map(math.ceil, durations)) + 300 * unknown
    assert cost == pytest.approx(float(Fraction(seconds) * Fraction("0.000035")), abs=1e-9)


def tone_line(duration: float | None) -> dict[str, Any]:
    cost = None if duration is None else math.ceil(duration) * PRICE
    return {**LINES, "duration": duration, "cost": cost}


def test_no_audio_is_known_by_nothing_at_all() -> None:
    assert identified_by(Found(source="none")) is None
