"""The main job on recorded speech in six languages; skipped where the clips are not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import asr_pandas  # noqa: F401  (registers the accessor)

SHARED = Path(__file__).parents[2] / "shared" / "audio"
LONG_ENOUGH = 3.0  # seconds; in less there is little to tell a language from


@pytest.fixture(scope="module")
def out() -> pd.DataFrame:
    if not (SHARED / "manifest.csv").exists():
        pytest.skip("the shared clips are not on this machine")
    clips = pd.read_csv(SHARED / "manifest.csv")
    clips["file"] = [str(SHARED / file) for file in clips["file"]]
    clips = clips.rename(columns={"language": "spoken"})
    done: pd.DataFrame = clips.asr.transcribe("file", endpoint="local", progress=False)
    return done


def test_every_clip_is_transcribed(out: pd.DataFrame) -> None:
    assert out.loc[out["status"] != "ok", "message"].tolist() == []
    assert (out["seconds"] == out["duration"].floordiv(1).clip(lower=1)).all()
    assert out["emotion"].isna().all()


def test_the_language_is_right_on_all_clips_but_at_most_one(out: pd.DataFrame) -> None:
    long = out[out["duration"] >= LONG_ENOUGH]

    wrong = long[long["language"] != long["spoken"]]

    assert len(long) >= 25
    assert len(wrong) <= 1


def test_a_recording_of_kennedy_is_read_word_for_word(out: pd.DataFrame) -> None:
    row = out[out["file"].str.endswith("jfk.flac")].iloc[0]

    said = str(row["transcript"]).lower().replace(",", "").replace(".", "")

    assert said == str(row["reference"]).lower().replace(",", "").replace(".", "")
