"""The doors: a script, an interrupt, a real Jupyter kernel, and an import that loads little."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from aiohttp import web
from tqdm import tqdm

import asr_pandas
from asr_pandas import reach
from asr_pandas.endpoint import Endpoint
from asr_pandas.run import portal
from tests.conftest import BUNDLED, Answer, Service, always, completion, distinct

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[[Answer], Service]

HEAVY = [
    "openai", "httpx2", "aiohttp", "IPython", "anywidget", "ipywidgets", "ctranslate2",
    "faster_whisper", "onnxruntime", "av", "soundfile", "tqdm", "orjson", "asyncio",
    "platformdirs", "ssl",
]  # fmt: skip


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own code, in a fresh interpreter
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, pandas, asr_pandas; print([m for m in {HEAVY} if m in sys.modules])"

    done = python(code)

    assert done.stdout.strip() == "[]", done.stderr


def interrupt_when(ready: Callable[[], bool], *, times: int = 1) -> threading.Thread:
    """Press the stop button, as a terminal or a kernel does, once the condition holds."""

    def press() -> None:
        for _ in range(times):
            deadline = time.monotonic() + 20
            while not ready() and time.monotonic() < deadline:
                threading.Event().wait(0.01)
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.3)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


needs_signals = pytest.mark.skipif(os.name == "nt", reason="signals are sent to this very process")


@needs_signals
def test_an_interrupt_keeps_what_is_finished_and_sends_nothing_new(
    service: Start, wav: bytes
) -> None:
    async def half_an_instant(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion())

    stand_in = service(half_an_instant)
    frame = pd.DataFrame({"audio": distinct(wav, 500)})
    pressed = interrupt_when(lambda: len(stand_in.asked) > 5)

    with pytest.raises(asr_pandas.Interrupted) as stopped:
        frame.asr.transcribe("audio", endpoint=stand_in.endpoint, rpm=2_400, progress=False)

    pressed.join()
    asked = len(stand_in.asked)
    partial = stopped.value.partial
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert set(partial["status"]) <= {"ok", "pending", "cancelled"}
    assert 0 < (partial["status"] == "ok").sum() <= asked < 500
    assert (partial["status"] == "pending").any()


@needs_signals
def test_a_second_interrupt_does_not_wait_for_what_is_in_flight(service: Start, wav: bytes) -> None:
    hanging = threading.Event()

    async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        hanging.set()
        await asyncio.sleep(3_600)
        return web.Response()

    endpoint = service(never).endpoint
    frame = pd.DataFrame({"audio": distinct(wav, 3)})
    pressed = interrupt_when(hanging.is_set, times=2)
    began = time.monotonic()

    out = frame.asr.transcribe("audio", endpoint=endpoint, progress=False, on_interrupt="return")

    pressed.join()
    assert time.monotonic() - began < 5
    assert set(out["status"]) == {"cancelled", "pending"}


def test_in_a_script_the_bar_and_the_last_line_go_to_stderr(tmp_path: Path) -> None:
    code = (
        "import asr_pandas, pandas as pd;"
        f"pd.DataFrame({{'audio': [{str(BUNDLED / 'order_8k.wav')!r}, None]}})"
        ".asr.transcribe('audio', progress=True)"
    )

    done = python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))

    assert done.stdout == ""
    assert "no DASHSCOPE_API_KEY: the embedded recogniser is used" in done.stderr
    assert "stay on this machine" in done.stderr
    assert "2 rows · 4 s of audio" in done.stderr
    assert done.stderr.rstrip().endswith("2 rows: 1 ok, 1 missing")


def test_silence_is_kept_where_it_is_wanted(
    service: Start, wav: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"audio": [wav]})

    frame.asr.transcribe("audio", endpoint=service(always(completion())).endpoint, progress=False)

    assert capfd.readouterr() == ("", "")


def test_more_than_two_hours_are_not_recognised_here_unless_asked_for(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "hour.flac"
    soundfile.write(path, [0.0] * 8_000 * 240, 8_000)
    frame = pd.DataFrame({"audio": [str(path)] * 31})

    with pytest.raises(asr_pandas.OptionError, match=r"2 hours[^|]*endpoint='local'"):
        frame.asr.transcribe("audio")


def test_without_recogniser_and_key_one_error_has_both_cures() -> None:
    code = (
        "import sys; sys.modules['faster_whisper'] = None\n"
        "import asr_pandas, pandas as pd\n"
        f"pd.DataFrame({{'audio': [{str(BUNDLED / 'order_8k.wav')!r}]}}).asr.transcribe('audio')"
    )

    done = python(code)

    assert "RecogniserMissing" in done.stderr
    assert "asr-pandas[local]" in done.stderr
    assert "DASHSCOPE_API_KEY" in done.stderr


def test_a_key_in_the_environment_means_dashscope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")

    endpoint, asked = reach.choose(None)

    assert (endpoint.host, asked) == ("dashscope-intl.aliyuncs.com", True)
    assert endpoint.key() == "sk-secret"
    assert "secret" not in repr(endpoint)
    assert (endpoint.rpm, endpoint.price_per_second) == (100, 0.000035)


def test_an_address_in_the_environment_goes_with_the_key(
    monkeypatch: pytest.MonkeyPatch, service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", stand_in.url + "/")

    pd.DataFrame({"audio": [wav]}).asr.transcribe("audio", progress=False)

    assert stand_in.headers[0]["Authorization"] == "Bearer sk-secret"


def test_the_key_goes_to_dashscope_alone(
    monkeypatch: pytest.MonkeyPatch, service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")

    pd.DataFrame({"audio": [wav]}).asr.transcribe("audio", endpoint=stand_in.url, progress=False)

    assert "secret" not in str(stand_in.headers)


def test_dashscope_without_a_key_is_refused_before_anything_is_sent() -> None:
    frame = pd.DataFrame({"audio": ["a.wav"]})

    with pytest.raises(asr_pandas.OptionError, match="DASHSCOPE_API_KEY is not set"):
        frame.asr.transcribe("audio", endpoint="dashscope-intl")


def test_use_sets_the_default_and_an_argument_goes_before_it() -> None:
    asr_pandas.use("http://localhost:1/v1/")

    assert reach.choose(None)[0] == Endpoint("http://localhost:1/v1")
    assert reach.choose("local")[0] == Endpoint.local()


@pytest.mark.parametrize("word", ["dashscope", "localhost:8000", "ftp://x/v1", ""])
def test_a_word_that_names_no_endpoint_is_refused(word: str) -> None:
    with pytest.raises(asr_pandas.OptionError, match="dashscope-intl"):
        asr_pandas.use(word)


@pytest.mark.parametrize("word", ["dashscope-us", "dashscope-filetrans"])
def test_endpoints_that_are_not_there_yet_say_what_to_take_instead(word: str) -> None:
    with pytest.raises(NotImplementedError, match="not there yet"):
        asr_pandas.use(word)


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(asr_pandas.OptionError, match="intl"):
        Endpoint.dashscope(region="moon")  # type: ignore[arg-type]


def test_loopback_requests_ignore_proxy_settings(
    monkeypatch: pytest.MonkeyPatch, service: Start, wav: bytes
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    out = pd.DataFrame({"audio": [wav]}).asr.transcribe(
        "audio", endpoint=service(always(completion())).endpoint, progress=False
    )

    assert out["status"].tolist() == ["ok"]


@needs_signals
def test_an_interrupt_that_comes_at_once_stops_the_run_too(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": distinct(wav, 200)})
    before = signal.getsignal(signal.SIGINT)

    def run_and_press() -> None:
        threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT)).start()
        frame.asr.transcribe("audio", endpoint=stand_in.endpoint, rpm=2_400, progress=False)

    for _ in range(10):
        stand_in.asked.clear()
        with pytest.raises(KeyboardInterrupt):
            run_and_press()
        asked = len(stand_in.asked)
        threading.Event().wait(0.2)
        assert len(stand_in.asked) <= asked + 1 < 200

    assert signal.getsignal(signal.SIGINT) is before


def test_what_breaks_the_wait_stops_the_run() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    stopped: list[bool] = []

    async def forever() -> None:
        await asyncio.Event().wait()

    call = portal.Call(forever, stop=lambda: stopped.append(True))
    with pytest.raises(ZeroDivisionError):
        call.wait(portal.Interrupts(), draw=broken)

    deadline = time.monotonic() + 5
    while not stopped and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert stopped == [True]


def test_a_terminal_that_goes_away_costs_no_row(
    service: Start, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    endpoint = service(always(completion())).endpoint
    frame = pd.DataFrame({"audio": distinct(wav, 5)})

    for stderr in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", stderr)
        out = frame.asr.transcribe("audio", endpoint=endpoint, progress=True)
        assert (out["status"] == "ok").all()
    opened: list[object] = []
    elsewhere = threading.Thread(target=lambda: opened.append(tqdm(disable=True)), daemon=True)
    elsewhere.start()
    elsewhere.join(5)
    assert opened, "tqdm's lock stayed closed"


def test_recognising_reports_nothing_to_anybody(tmp_path: Path) -> None:
    code = (
        "import asr_pandas;"
        "asr_pandas.samples().head(1).asr.transcribe('audio', endpoint='local', progress=False)"
    )
    # The runtime's maker leaves machines of a CI in peace; this one should look like a user's.
    here = {name: value for name, value in os.environ.items() if name != "CI"}

    done = subprocess.run(  # noqa: S603 - our own code, in a fresh interpreter
        [sys.executable, "-c", code],
        env={**here, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["asr-pandas"]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
