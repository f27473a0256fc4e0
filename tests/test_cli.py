"""`asr-pandas` in a shell: what goes where, and the exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from asr_pandas.cli import main
from tests.conftest import BUNDLED, Answer, Service, always, completion, refusal

Start = Callable[[Answer], Service]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    calls = tmp_path / "calls"
    calls.mkdir()
    shutil.copy(BUNDLED / "order_8k.wav", calls / "take 10.wav")
    shutil.copy(BUNDLED / "library_8k.wav", calls / "take 2.wav")
    return calls


def test_a_folder_becomes_markdown_that_says_who_said_what(
    service: Start, folder: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.md"
    url = service(always(completion("Good morning."))).url

    code = main(["transcribe", str(folder), "-o", str(notes), "--endpoint", url])

    assert code == 0
    headings = [line for line in notes.read_text().splitlines() if line.startswith("## ")]
    assert [Path(line[3:]).name for line in headings] == ["take 2.wav", "take 10.wav"]
    assert notes.read_text().count("Good morning.") == 2


def test_results_alone_go_to_standard_output_and_progress_to_the_other(
    service: Start, folder: Path, capsys: Captured
) -> None:
    url = service(always(completion("Good morning."))).url

    code = main(["transcribe", str(folder), "--endpoint", url])

    captured = capsys.readouterr()
    assert (code, captured.out) == (0, "Good morning.\nGood morning.\n")
    assert captured.err.rstrip().endswith("2 rows: 2 ok")


def test_quiet_is_quiet(service: Start, folder: Path, capsys: Captured) -> None:
    url = service(always(completion())).url

    main(["transcribe", str(folder), "-q", "--format", "jsonl", "--endpoint", url])

    captured = capsys.readouterr()
    assert captured.err == ""
    assert len(captured.out.splitlines()) == 2


def test_a_table_keeps_its_columns_in_parquet(service: Start, folder: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "calls.csv", tmp_path / "out.parquet"
    clips = sorted(str(path) for path in folder.iterdir())
    pd.DataFrame({"clip": clips, "customer": ["a", "b"], "tongue": ["de-DE", "fr"]}).to_csv(table)
    stand_in = service(always(completion()))

    code = main(
        ["transcribe", str(table), "--column", "clip", "--language-from", "tongue",
         "--prefix", "asr_", "--columns", "full", "-o", str(out), "--endpoint", stand_in.url]
    )  # fmt: skip

    frame = pd.read_parquet(out)
    assert code == 0
    assert frame["customer"].tolist() == ["a", "b"]
    assert frame["asr_status"].tolist() == ["ok", "ok"]
    assert {body["asr_options"]["language"] for body in stand_in.asked} == {"de", "fr"}


def test_failed_rows_are_told_and_make_the_code_one(
    service: Start, tmp_path: Path, capsys: Captured
) -> None:
    for number in range(12):
        (tmp_path / f"{number}.wav").write_bytes(b"no audio")
    url = service(always(completion())).url

    code = main(["transcribe", str(tmp_path), "-q", "--endpoint", url])

    err = capsys.readouterr().err
    assert code == 1
    assert err.count("no known container header") == 10
    assert "and 2 more rows failed" in err


def test_a_refused_key_makes_the_code_three_and_what_is_finished_is_written(
    service: Start, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out.csv"
    url = service(always(refusal("no", code="invalid_api_key"), status=401)).url

    code = main(["transcribe", str(folder), "-o", str(out), "--endpoint", url])

    assert code == 3
    assert len(pd.read_csv(out)) == 2
    assert "DASHSCOPE_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe", "nowhere.wav"],
        ["transcribe", ".", "-o", "out.docx"],
        ["transcribe", ".", "-o", "no/such/folder/out.md"],
        ["transcribe", "*.wav", "--endpoint", "moon"],
        ["transcribe", ".", "--language", "Klingon"],
        ["demo", "--endpoint", "dashscope-us"],
    ],
)
def test_what_cannot_be_carried_out_makes_the_code_two(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(folder)

    code = main(arguments)

    assert code == 2
    assert "asr-pandas: " in capsys.readouterr().err


def test_a_mistyped_option_makes_the_code_two() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["transcribe", ".", "--langauge", "de"])

    assert ended.value.code == 2


def test_serving_to_others_wants_a_key(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("ASR_PANDAS_SERVE_KEY", raising=False)

    code = main(["serve", "--host", "0.0.0.0"])  # noqa: S104 - refused

    assert code == 2
    assert "ASR_PANDAS_SERVE_KEY" in capsys.readouterr().err


def test_hostile_names_and_transcripts_do_nothing_to_a_terminal(
    service: Start, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "a\x1b[2J.wav").write_bytes(b"no audio")
    url = service(always(completion())).url

    main(["transcribe", str(tmp_path), "--endpoint", url])

    assert "\x1b" not in capsys.readouterr().err


def test_the_demo_shows_transcripts_whole_and_writes_what_plain_pandas_opens(
    tmp_path: Path,
) -> None:
    # Without Debian's tools on the PATH, and an empty cache, there may be no recorded prompts.
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment["PATH"] = str(Path(sys.executable).parent)

    done = subprocess.run(
        [sys.executable, "-m", "asr_pandas.cli", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (
        "I am at the bakery. We still need milk and eggs. Can you buy some on your" in done.stdout
    )
    assert "way home?" in done.stdout
    assert "Next:" in done.stdout
    frame = pd.read_parquet(tmp_path / "demo.parquet")
    bundled = frame.iloc[:11]
    assert bundled["status"].tolist() == ["ok"] * 9 + ["empty", "failed"]
    assert bundled["transcript"][:9].tolist() == bundled["reference"][:9].tolist()


def test_a_plan_is_printed_and_nothing_is_sent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes((BUNDLED / "order_8k.wav").read_bytes())

    code = main(["plan", str(tmp_path), "--endpoint", "dashscope-intl", "--no-journal"])

    said = capsys.readouterr().out
    assert code == 0
    assert "rows        1\n" in said
    assert "4 s of audio, for dashscope-intl.aliyuncs.com" in said


def test_what_is_recorded_is_not_asked_for_again_in_a_shell(
    service: Callable[[Answer], Service], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = service(always(completion()))
    (tmp_path / "a.wav").write_bytes((BUNDLED / "order_8k.wav").read_bytes())
    call = ["transcribe", str(tmp_path / "a.wav"), "--endpoint", stand_in.url, "-q"]

    codes = [main([*call, *more]) for more in ([], [], ["--no-reuse"], ["--reuse", "1d"])]

    assert codes == [0, 0, 0, 0]
    assert len(stand_in.asked) == 2
    assert capsys.readouterr().out == "Good morning.\n" * 4
