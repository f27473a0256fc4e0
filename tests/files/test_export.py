"""Frames become files by their ending, all or nothing, and nothing in them acts."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas import columns
from asr_pandas.errors import OptionError
from asr_pandas.files.export import check_target, form_of, keep, write
from asr_pandas.files.render import TextForm, for_terminal, one_line, render
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
    results = columns.build(outcomes, index=pd.RangeIndex(len(outcomes)))
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


def test_json_lines_write_dates_as_people_do() -> None:
    frame = result("a").assign(at=pd.Timestamp("2026-11-22", tz="UTC"))

    first = orjson.loads(render(frame, "jsonl", audio="audio").splitlines()[0])

    assert str(first["at"]).startswith("2026-11-22T00:00:00")


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
        check_target(tmp_path / "nowhere" / "out.md")


def test_what_cannot_be_written_is_refused_with_its_cause_and_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    causes = {
        tmp_path / "folder.csv": "it is a folder",
        tmp_path / "pipe.csv": "not a regular file",
        tmp_path / f"{'x' * 252}.csv": "too long",
        tmp_path / "loop.csv": "[Ss]ymlink loop|symbolic link",
        Path("/proc/out.csv"): "No such file or directory",  # nobody can make a file there
    }

    for path, cause in causes.items():
        with pytest.raises(OptionError, match=rf"cannot be written: .*({cause}).*Hint: -o"):
            check_target(path)


def test_the_check_leaves_nothing_behind_and_touches_no_file(tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("old")

    check_target(old)
    check_target(tmp_path / "new.csv")

    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 251}.csv"

    check_target(path)
    write(result("a"), path, audio="audio")

    assert len(pd.read_csv(path)) == 3


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)

    write(result("a"), link, audio="audio")

    assert link.is_symlink()
    assert len(pd.read_csv(target)) == 3


def test_a_private_file_stays_private_and_a_new_one_has_the_usual_mode(tmp_path: Path) -> None:
    private, new, usual = (tmp_path / name for name in ("private.csv", "new.csv", "usual"))
    private.touch(mode=0o600)
    usual.touch()

    write(result("a"), private, audio="audio")
    write(result("a"), new, audio="audio")

    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert new.stat().st_mode == usual.stat().st_mode


def test_what_cannot_be_written_in_its_form_is_kept_as_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    odd: Any = [object()] * 3

    kept = keep(result("a").assign(odd=odd), "parquet", audio="audio")

    assert kept is not None
    assert pd.read_csv(kept)["transcript"][0] == "a"


def test_where_nothing_can_be_kept_none_is_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    kept = keep(result("a"), "csv", audio="audio")

    assert kept is None


RECORDINGS: Any = [bytes(5912), {"bytes": b"RIFF\xff", "path": None}, {"bytes": b"", "path": "a"}]


@pytest.mark.parametrize("form", ["csv", "jsonl", "md"])
def test_recordings_in_cells_are_shown_by_their_path_or_size(form: TextForm) -> None:
    frame = result("Good morning.").assign(audio=RECORDINGS)

    text = render(frame, form, audio="audio")

    told = {
        "csv": ['"5,912 bytes",Good', "\n5 bytes,", "\na,"],
        "jsonl": ['"audio":"5,912 bytes"', '"audio":"5 bytes"', '"audio":"a"'],
        "md": ["## 5,912 bytes\n", "## 5 bytes\n", "## a\n"],
    }
    assert [part for part in told[form] if part not in text] == []
    assert "RIFF" not in text


def test_a_recording_that_is_named_by_a_path_object_or_not_at_all_is_written() -> None:
    odd: Any = [Path("a.wav"), {"bytes": None, "path": None}, memoryview(b"RIFF")]

    text = render(result("a").assign(audio=odd), "jsonl", audio="audio")

    assert [orjson.loads(line)["audio"] for line in text.splitlines()] == ["a.wav", None, "4 bytes"]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "txt", "md"])
def test_a_file_name_that_is_no_utf8_stops_no_form(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    names = pd.Series([os.fsdecode(b"bad\xff.wav")] * 3, dtype=object)
    frame = result("Good morning.").assign(audio=names)

    write(frame, path, audio="audio")

    assert b"Good morning." in path.read_bytes()
    assert ending == "txt" or b"bad?.wav" in path.read_bytes()
    assert frame["audio"][0] == "bad\udcff.wav"


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (pd.Index(["a", "b", "c"], name="call"), {"call": ["a", "b", "c"]}),
        (pd.Index([7, 8, 9]), {"index": [7, 8, 9]}),
        (pd.Index([7, 8, 9], name="audio"), {"audio_index": [7, 8, 9]}),
        (
            pd.MultiIndex.from_arrays([[1, 1, 2], ["x", "y", "x"]], names=["call", None]),
            {"call": [1, 1, 2], "level_1": ["x", "y", "x"]},
        ),
    ],
)
def test_an_index_that_says_something_is_written_as_columns(
    index: pd.Index, columns: dict[str, list[Any]]
) -> None:
    frame = result("a").set_axis(index)

    csv = pd.read_csv(io.StringIO(render(frame, "csv", audio="audio")))
    jsonl = [orjson.loads(line) for line in render(frame, "jsonl", audio="audio").splitlines()]

    assert {name: csv[name].tolist() for name in columns} == columns
    assert {name: [row[name] for row in jsonl] for name in columns} == columns
    assert "audio" in csv.columns


def test_the_count_of_rows_is_not_written() -> None:
    text = render(result("a"), "csv", audio="audio")

    assert text.startswith("audio,transcript,")


@given(text=st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    shown = for_terminal(text)

    assert len(shown) == len(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)


@given(text=st.text())
def test_a_folded_text_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
