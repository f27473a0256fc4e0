"""`asr-pandas demo`: the main job on samples, with nothing to set up."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import pandas as pd

import asr_pandas  # noqa: F401  (registers the accessor)
from asr_pandas.errors import SamplesMissing
from asr_pandas.files.export import check_target, form_of, write
from asr_pandas.files.prompts import prompts_root
from asr_pandas.files.render import for_terminal, one_line
from asr_pandas.files.samples import demo_prompts, samples

_SHOWN: Final = ("language", "seconds", "total_tokens", "status")


def demo(target: Path, **options: object) -> pd.DataFrame:
    """Transcribe the samples, print what came out and save it.

    Parameters
    ----------
    target : Path
        The file to write; its ending tells the form.
    **options
        Those of `transcribe`.

    Returns
    -------
    pandas.DataFrame
        The frame that was saved.

    Raises
    ------
    OptionError
        The file cannot be written: said before anything is transcribed.
    """
    check_target(target)
    out = _clips().asr.transcribe("audio", **options)
    print(for_terminal(_table(out)))
    write(out, target, audio="audio")
    print(for_terminal(_next_steps(target)))
    return out  # type: ignore[no-any-return]


def _clips() -> pd.DataFrame:
    bundled = samples()
    print(f"{len(bundled)} bundled clips: synthetic English speech, silence, a broken file.")
    try:
        recorded = _recorded()
    except SamplesMissing as missing:
        print(f"Without recorded prompts: {one_line(str(missing))}")
        return bundled
    print(
        f"{len(recorded)} telephone prompts by real people, in English, Spanish and French "
        "(Asterisk sounds, CC-BY-SA-3.0: Allison Smith, June Wallack)."
    )
    return pd.concat([bundled, recorded], ignore_index=True)


def _recorded() -> pd.DataFrame:
    try:
        prompts_root(fetch=False)
    except SamplesMissing:
        print("Fetching recorded prompts from Debian (60 MB, once) …")
    return demo_prompts(samples("prompts"))


def _table(out: pd.DataFrame) -> str:
    """Show one line a row, the transcript last, so that it is whole on any terminal."""
    shown = out[list(_SHOWN)].rename(columns={"total_tokens": "tokens"})
    shown.insert(0, "file", [Path(path).name for path in out["audio"]])
    shown["transcript"] = [
        f"[{error}]" if isinstance(error, str) else one_line(text)
        for text, error in zip(out["transcript"], out["error"], strict=True)
    ]
    cells = [list(shown.columns), *shown.astype(object).where(shown.notna(), "").to_numpy()]
    widths = [max(len(str(row[column])) for row in cells) for column in range(shown.shape[1])]
    lines = (
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n" + "\n".join(lines) + "\n"


def _next_steps(target: Path) -> str:
    command = "asr-pandas" if shutil.which("asr-pandas") else os.path.relpath(sys.argv[0])
    steps = {
        "your own folder": f"{command} transcribe path/to/folder -o notes.md",
        "your own key": "export DASHSCOPE_API_KEY=...  (Qwen3-ASR-Flash; the same commands)",
    }
    if Path("notebooks/quickstart.ipynb").exists():
        steps["the notebook"] = "make notebook"
    lines = [f"  {what:<16}  {how}" for what, how in steps.items()]
    opened = f'; in Python: pandas.read_parquet("{target}")' if form_of(target) == "parquet" else ""
    return "\n".join([f"Saved as {target}{opened}", "", "Next:", *lines])
