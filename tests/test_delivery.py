"""What is transcribed is paid for: it arrives, or is kept in another place, and either is said."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from aiohttp import web

from asr_pandas.cli import main
from tests.conftest import BUNDLED, Answer, Service, always, completion, refusal

Start = Callable[[Answer], Service]
Captured = pytest.CaptureFixture[str]

COMMAND = [sys.executable, "-m", "asr_pandas.cli"]


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip in the folder in which the command is typed."""
    monkeypatch.chdir(tmp_path)
    # The demo looks for recorded prompts here, and for the tools that fetch them.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    return Path(shutil.copy(BUNDLED / "order_8k.wav", tmp_path / "clip.wav"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, while a test runs."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def removing(folder: Path, body: Any, *, status: int = 200) -> Answer:
    """Answer, and take away the folder that the results go to."""

    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        shutil.rmtree(folder, ignore_errors=True)
        return web.json_response(body, status=status)

    return answer


@pytest.mark.parametrize("command", [["transcribe", "clip.wav"], ["demo"]])
@pytest.mark.parametrize("output", ["folder.csv/", "/proc/out.csv", f"{'x' * 252}.csv"])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_sent(
    service: Start, clip: Path, capsys: Captured, command: list[str], output: str
) -> None:
    (clip.parent / "folder.csv").mkdir()
    stand_in = service(always(completion()))

    code = main([*command, "-o", output, "--endpoint", stand_in.url])

    assert (code, stand_in.asked) == (2, [])
    assert re.search(r"cannot be written: .+ Hint: -o", capsys.readouterr().err)


def test_results_whose_folder_went_away_are_kept_and_the_message_says_where(
    service: Start, clip: Path, temporary: Path, capsys: Captured
) -> None:
    target = clip.parent / "results" / "out.csv"
    target.parent.mkdir()
    url = service(removing(target.parent, completion("Good morning."))).url

    code = main(["transcribe", str(clip), "-q", "-o", str(target), "--endpoint", url])

    (kept,) = temporary.rglob("*.csv")
    assert code == 1
    assert pd.read_csv(kept)["transcript"].tolist() == ["Good morning."]
    assert capsys.readouterr().err == (
        f"asr-pandas: {str(target)!r} cannot be written: No such file or directory. "
        f"The results are kept in {kept}\n"
    )


def test_results_that_nothing_takes_are_said_to_be_lost(
    service: Start, clip: Path, temporary: Path, capsys: Captured
) -> None:
    target = clip.parent / "results" / "out.csv"
    target.parent.mkdir()
    temporary.rmdir()
    url = service(removing(target.parent, completion())).url

    code = main(["transcribe", str(clip), "-q", "-o", str(target), "--endpoint", url])

    assert code == 1
    assert "The results are lost" in capsys.readouterr().err


def test_a_refused_key_is_still_told_where_what_is_finished_cannot_be_written(
    service: Start, clip: Path, temporary: Path, capsys: Captured
) -> None:
    target = clip.parent / "results" / "out.md"
    target.parent.mkdir()
    refused = refusal("no", code="invalid_api_key")
    url = service(removing(target.parent, refused, status=401)).url

    code = main(["transcribe", str(clip), "-q", "-o", str(target), "--endpoint", url])

    told = capsys.readouterr().err
    assert code == 3
    assert str(temporary) in told
    assert "DASHSCOPE_API_KEY" in told


@pytest.mark.parametrize("command", [["transcribe", "clip.wav", "-q"], ["demo", "-q"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(
    service: Start, clip: Path, command: list[str]
) -> None:
    url = service(always(completion())).url
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *command, "--endpoint", url],
        cwd=clip.parent,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_results_that_standard_output_does_not_take_are_kept(service: Start, clip: Path) -> None:
    url = service(always(completion("Good morning."))).url

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "transcribe", str(clip), "-q", "--endpoint", url],
            env={**os.environ, "TMPDIR": str(clip.parent)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )

    (kept,) = clip.parent.rglob("transcripts.txt")
    assert done.returncode == 1
    assert kept.read_text() == "Good morning.\n"
    assert done.stderr == (
        "asr-pandas: standard output cannot be written: No space left on device. "
        f"The results are kept in {kept}\n"
    )


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed()])
def test_without_a_standard_output_only_a_file_is_written(
    service: Start, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured,
    stream: io.StringIO | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdout", stream)
    stand_in = service(always(completion("Good morning.")))
    notes = clip.parent / "notes.txt"

    refused = main(["transcribe", str(clip), "--endpoint", stand_in.url])
    asked = len(stand_in.asked)
    written = main(["transcribe", str(clip), "-o", str(notes), "--endpoint", stand_in.url])

    assert (refused, asked, written) == (2, 0, 0)
    assert "standard output is closed. Hint: -o" in capsys.readouterr().err
    assert notes.read_text() == "Good morning.\n"


def test_without_standard_error_messages_do_not_mix_with_results(
    service: Start, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    clip.write_bytes(b"no audio")
    monkeypatch.setattr(sys, "stderr", None)
    url = service(always(completion())).url

    code = main(["transcribe", str(clip), "--endpoint", url])

    assert (code, capsys.readouterr().out) == (1, "\n")


@pytest.mark.parametrize("form", ["txt", "md", "csv", "jsonl"])
def test_a_file_name_that_is_no_utf8_is_transcribed_and_shown(
    service: Start, clip: Path, capsys: Captured, form: str
) -> None:
    clip.rename(clip.with_name(os.fsdecode(b"bad\xff.wav")))
    url = service(always(completion("Good morning."))).url

    code = main(["transcribe", str(clip.parent), "-q", "--format", form, "--endpoint", url])

    out = capsys.readouterr().out
    assert code == 0
    assert "Good morning." in out
    assert form == "txt" or "bad?.wav" in out


def test_a_name_that_looks_like_an_option_stands_behind_two_dashes(
    service: Start, clip: Path, capsys: Captured
) -> None:
    clip.rename("-x.wav")
    url = service(always(completion("Good morning."))).url

    code = main(["transcribe", "-q", "--endpoint", url, "--", "-x.wav"])

    assert (code, capsys.readouterr().out) == (0, "Good morning.\n")


@pytest.mark.usefixtures("clip")
@pytest.mark.parametrize(
    "source", ["~nosuch/x.wav", "~nosuch/x.csv", "x" * 5000, "take[1]*.wav", "bad\udcff.wav"]
)
def test_a_name_that_means_nothing_is_one_line_and_the_code_two(
    source: str, capsys: Captured
) -> None:
    code = main(["transcribe", source])

    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("d.parquet", 'Saved as d.parquet; in Python: pandas.read_parquet("d.parquet")\n'),
        ("d.md", "Saved as d.md\n"),
    ],
)
def test_the_demo_says_how_to_open_what_it_wrote(
    service: Start, clip: Path, capsys: Captured, name: str, saved: str
) -> None:
    url = service(always(completion("Good morning."))).url

    code = main(["demo", "-q", "-o", name, "--endpoint", url])

    assert code == 0
    assert saved in capsys.readouterr().out
    assert b"Good morning." in (clip.parent / name).read_bytes()
