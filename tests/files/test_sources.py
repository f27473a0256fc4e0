"""What somebody names on a command line becomes a frame, with one row for each clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.errors import ColumnError, OptionError
from asr_pandas.files.sources import natural, read_sources


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


def test_a_csv_is_text_and_only_an_empty_cell_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("audio,zip,count,note\na.wav,007,1,NA\nb.wav,1e5,,null\n")

    frame, _ = read_sources([str(path)])

    assert frame["zip"].tolist() == ["007", "1e5"]
    assert frame["count"].fillna("missing").tolist() == ["1", "missing"]
    assert frame["note"].tolist() == ["NA", "null"]


@pytest.mark.parametrize("url", ["http://h/x.csv", "HTTPS://h/x.parquet"])
def test_an_address_is_no_table_whatever_its_ending(url: str) -> None:
    frame, _ = read_sources([url, "https://h/a.mp3"])

    assert frame["audio"].tolist() == [url, "https://h/a.mp3"]


@pytest.mark.parametrize("ending", ["wav", "csv"])
def test_a_home_that_nobody_has_is_refused(ending: str) -> None:
    with pytest.raises(OptionError, match=r"'~nosuch/x.* cannot be looked up: .*home"):
        read_sources([f"~nosuch/x.{ending}"])


@pytest.mark.parametrize("ending", ["wav", "csv"])
def test_a_name_that_no_disk_takes_is_refused_in_a_short_line(ending: str) -> None:
    with pytest.raises(OptionError) as refused:
        read_sources([f"{'x' * 5000}.{ending}"])

    assert len(str(refused.value)) < 300
    assert "\n" not in str(refused.value)


def test_a_bracket_in_a_pattern_is_explained_where_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "take[1] a.wav").touch()

    with pytest.raises(OptionError, match=r"is written \[\[\]"):
        read_sources([str(tmp_path / "take[1]*.wav")])

    assert found(tmp_path / "take[[]1]*.wav") == ["take[1] a.wav"]


def test_a_file_name_that_is_no_utf8_is_found(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.wav")).touch()
    (tmp_path / "good.wav").touch()

    names = found(tmp_path)

    assert names == ["bad\udcff.wav", "good.wav"]


@pytest.mark.parametrize("name", ["~me.wav", "data:1.wav"])
def test_a_file_name_that_would_be_read_as_something_else_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()

    frame, _ = read_sources([name])

    assert frame["audio"].tolist() == [f"./{name}"]


def test_hidden_files_of_a_folder_are_left_alone(folder: Path) -> None:
    (folder / "._take 2.wav").touch()

    assert found(folder) == ["b.mp3", "take 2.WAV", "take 10.wav"]
