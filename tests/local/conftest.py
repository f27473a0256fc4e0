"""The embedded recogniser, loaded once, and speech for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import asr_pandas
from asr_pandas.audio.decode import decode
from asr_pandas.local.whisper import WhisperRecogniser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BUNDLED = Path(asr_pandas.__file__).parent / "files" / "bundled"


@pytest.fixture(scope="session")
def recogniser() -> WhisperRecogniser:
    pytest.importorskip("faster_whisper")
    return WhisperRecogniser()


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Two short English sentences about a library, 16 kHz."""
    return decode(BUNDLED / "library_8k.wav")
