"""Transcribe the audio column of a DataFrame: `df.asr.transcribe("audio")`.

Importing this registers the `asr` accessor on DataFrame and Series, and loads nothing heavy.
"""

from asr_pandas.accessor import FrameAccessor, SeriesAccessor, last_run
from asr_pandas.endpoint import Endpoint
from asr_pandas.errors import (
    AsrError,
    AsrWarning,
    AudioError,
    ColumnError,
    Interrupted,
    JournalError,
    OptionError,
    RecogniserMissing,
    RowFailed,
    RunStopped,
    SamplesMissing,
    WeightsError,
)
from asr_pandas.files.samples import samples
from asr_pandas.reach import use
from asr_pandas.recorded import journal

__version__ = "0.1.0"

__all__ = [
    "AsrError",
    "AsrWarning",
    "AudioError",
    "ColumnError",
    "Endpoint",
    "FrameAccessor",
    "Interrupted",
    "JournalError",
    "OptionError",
    "RecogniserMissing",
    "RowFailed",
    "RunStopped",
    "SamplesMissing",
    "SeriesAccessor",
    "WeightsError",
    "journal",
    "last_run",
    "samples",
    "use",
]
