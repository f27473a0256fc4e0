"""Transcribe the audio column of a DataFrame: `df.asr.transcribe("audio")`.

Importing this registers the `asr` accessor on DataFrame and Series, and loads nothing heavy.
"""

from asr_pandas.accessor import FrameAccessor, SeriesAccessor
from asr_pandas.endpoint import Endpoint
from asr_pandas.errors import (
    AsrError,
    AudioError,
    ColumnError,
    Interrupted,
    OptionError,
    RecogniserMissing,
    RowFailed,
    RunStopped,
    SamplesMissing,
    WeightsError,
)
from asr_pandas.files.samples import samples
from asr_pandas.reach import use

__version__ = "0.1.0"

__all__ = [
    "AsrError",
    "AudioError",
    "ColumnError",
    "Endpoint",
    "FrameAccessor",
    "Interrupted",
    "OptionError",
    "RecogniserMissing",
    "RowFailed",
    "RunStopped",
    "SamplesMissing",
    "SeriesAccessor",
    "WeightsError",
    "samples",
    "use",
]
