"""`asr-pandas demo`: the main job on samples, with nothing to set up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pandas as pd

import asr_pandas  # noqa: F401  (registers the accessor)
from asr_pandas.errors import SamplesMissing
from asr_pandas.files.export import for_terminal, one_line
from asr_pandas.files.samples import demo_prompts, samples

_SHOWN: Final = ("language", "seconds", "total_tokens", "status")


def demo(target: Path, **options: object) -> pd.DataFrame:
    """Transcribe the samples, print what came out and save it as Parquet.

    Parameters
    ----------
    target : Path
        The Parquet file to write.
    **options
        Those of `transcribe`.

    Returns
    -------
    pandas.DataFrame
        The frame that was saved.
    """
    out = _clips().asr.transcribe("audio", **options)
    print(for_terminal(_table(out)))
    out.to_parquet(target)
    print(_next_steps(target))
    return out  # type: ignore[no-any-return]


def _clips() -> pd.DataFrame:
    bundled = samples()
    print(f"{len(bundled)} bundled clips: synthetic English speech, silence, a broken file.")
    try:
        recorded = demo_prompts(samples("prompts"))
    except SamplesMissing as missing:
        print(f"Without recorded prompts: {one_line(str(missing))}")
        return bundled
    print(
        f"{len(recorded)} telephone prompts by real people, in English, Spanish and French "
        "(Asterisk sounds, CC-BY-SA-3.0: Allison Smith, June Wallack)."
    )
    return pd.concat([bundled, recorded], ignore_index=True)


def _table(out: pd.DataFrame) -> str:
    """Show one line a row, the transcript last, so that it is whole on any terminal."""
    shown = out[list(_SHOWN)].rename(columns={"total_tokens": "tokens"})
    shown.insert(0, "file", [Path(path).name for path in out["audio"]])
    said = zip(out["transcript"], out["message"], strict=True)
    texts = [one_line(text) or one_line(why) for text, why in said]
    width = max(map(len, texts))
    shown["transcript"] = [text.ljust(width) for text in texts]
    table = shown.astype(object).where(shown.notna(), "")
    return "\n" + "\n".join(map(str.rstrip, table.to_string(index=False).split("\n"))) + "\n"


def _next_steps(target: Path) -> str:
    command = Path(sys.argv[0]).name if sys.argv[0].endswith("asr-pandas") else "asr-pandas"
    return (
        f"Saved as {target}: any pandas opens it with read_parquet.\n\n"
        "Next:\n"
        f"  your own folder   {command} transcribe path/to/folder -o notes.md\n"
        "  your own key      export DASHSCOPE_API_KEY=...  (Qwen3-ASR-Flash; the same commands)\n"
        "  the notebook      make notebook\n"
    )
