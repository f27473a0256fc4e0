"""Frames become files by their ending, all or nothing, and nothing in them acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas import columns
from asr_pandas.columns import Source
from asr_pandas.errors import ColumnError, OptionError
from asr_pandas.files.export import for_terminal, form_of, one_line, render, write
from asr_pandas.files.sources import natural, read_sources
from asr_pandas.model import MISSING, Failure, Outcome, Transcription

HOSTILE = "<img src=x onerror=alert(1)> [a](javascript:x) `c` *b* | # h\n- l"


def result(*texts: str) -> pd.DataFrame:
    outcomes = [
        Outcome(status="ok", transcription=Transcription(text=text, language="en"), duration=1.5)
        for text in texts
    ]
    failed = Outcome(status="failed", failure=Failure(kind="format", message="no. Hint: yes."))
    outcomes += [failed, MISSING]
    names = [f"{position}.wav" for position in range(len(outcomes))]
    source = Source("local", "whisper-base", None)
    results = columns.build(outcomes, source=source, index=pd.RangeIndex(len(outcomes)))
    return pd.concat([pd.DataFrame({"audio": names}), results], axis=1)


def test_text_is_one_line_for_each_row() -> None:
    text = render(result("Good\nmorning.", "Bye."), "txt", audio="audio")

    assert text == "Good morning.\nBye.\n\n\n"


def test_markdown_has_a_section_for_each_row() -> None:
    text = render(result("Good morning."), "md", audio="audio")

    assert text == (
        "# Transcripts\n"
        "\n## 0.wav\n\nGood morning.\n\n*en, 1.5 s*\n"
        "\n## 1.wav\n\nno. Hint: yes.\n\n*failed*\n"
        "\n## 2.wav\n\n\n\n*missing*\n"
    )


def test_nothing_in_a_transcript_acts_in_markdown() -> None:
    text = render(result(HOSTILE), "md", audio="audio")

    body = text.split("\n")[4]
    assert body == (r"\<img src=x onerror=alert(1)\> \[a\](javascript:x) \`c\` \*b\* \| \# h - l")


def test_json_lines_hold_every_column() -> None:
    lines = render(result("Grüße"), "jsonl", audio="audio").splitlines()

    first = orjson.loads(lines[0])
    assert (first["transcript"], first["duration"], first["emotion"]) == ("Grüße", 1.5, None)
    assert len(lines) == 3


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "txt", "md"])
def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    path.write_text("old")

    write(result("Grüße"), path, audio="audio")

    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert "Grüße".encode() in path.read_bytes()


def test_parquet_opens_in_plain_pandas_with_its_dtypes(tmp_path: Path) -> None:
    frame = result("a")

    write(frame, tmp_path / "out.parquet", audio="audio")

    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), frame)


def test_when_writing_fails_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.write_text("old")
    odd: Any = [object()] * 3
    frame = result("a").assign(audio=odd)

    with pytest.raises(Exception, match="object"):
        write(frame, path, audio="audio")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_ending_that_tells_no_form_is_refused() -> None:
    with pytest.raises(OptionError, match=r"\.parquet, \.csv, \.jsonl, \.txt, \.md"):
        form_of(Path("out.docx"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no folder"):
        form_of(tmp_path / "nowhere" / "out.md")


@given(text=st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    shown = for_terminal(text)

    assert len(shown) == len(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)


@given(text=st.text())
def test_a_folded_text_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@given(names=st.lists(st.text()))
def test_natural_order_takes_any_name(names: list[str]) -> None:
    assert sorted(natural(names)) == sorted(names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("take 10.wav", "take 2.WAV", "deep/er/b.mp3", "notes.txt", "x.flac.part"):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "calls"


def found(*sources: Any) -> list[str]:
    frame, column = read_sources([str(source) for source in sources])
    return [Path(path).name if "://" not in path else path for path in frame[column]]


def test_a_folder_is_searched_through_and_through_in_natural_order(folder: Path) -> None:
    assert found(folder) == ["b.mp3", "take 2.WAV", "take 10.wav"]


def test_files_globs_and_addresses_stand_side_by_side(folder: Path) -> None:
    url = "https://example.org/a.mp3"

    names = found(folder / "notes.txt", folder / "**" / "*.mp3", url)

    assert names == ["notes.txt", "b.mp3", url]


@pytest.mark.parametrize("source", ["nowhere.wav", "nowhere/*.wav"])
def test_a_name_under_which_nothing_is_found_is_refused(source: str) -> None:
    with pytest.raises(OptionError, match=r"nowhere"):
        read_sources([source])


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="nothing to transcribe"):
        read_sources([str(tmp_path)])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_keeps_its_columns_and_names_the_one_with_audio(
    tmp_path: Path, ending: str
) -> None:
    table = pd.DataFrame({"clip": ["a.wav"], "customer": ["x"]})
    path = tmp_path / f"calls.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)

    frame, column = read_sources([str(path)], column="clip")

    assert (column, list(frame.columns)) == ("clip", ["clip", "customer"])
    with pytest.raises(ColumnError, match="--column takes one of 'clip', 'customer'"):
        read_sources([str(path)])


def test_a_table_is_named_alone_and_column_goes_with_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("audio\n")
    (tmp_path / "a.wav").touch()

    with pytest.raises(OptionError, match="name it alone"):
        read_sources([str(tmp_path / "a.csv"), "b.wav"])
    with pytest.raises(OptionError, match="--column"):
        read_sources([str(tmp_path / "a.wav")], column="audio")


@pytest.mark.parametrize("name", ["nowhere.csv", "broken.parquet"])
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")

    with pytest.raises(OptionError, match="cannot be read as a table"):
        read_sources([str(tmp_path / name)])
