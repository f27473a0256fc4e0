"""A file that is sent is let go of, whenever its row ends."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from asr_pandas.endpoint.bodies import SLICE, Reading, UnreadableError
from asr_pandas.model import File

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(bytes(SLICE + 5))
    return path


def found(path: Path) -> File:
    stat = path.stat()
    return File(path=str(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def test_slices_joined_are_the_whole_in_base64(clip: Path) -> None:
    reading = Reading(found(clip))

    slices = [reading.start(), reading.next(), reading.next()]
    reading.close()

    assert b"".join(slices) == base64.b64encode(clip.read_bytes())
    assert slices[-1] == b""


def test_a_row_that_ends_while_its_file_is_being_opened_leaves_nothing_open(clip: Path) -> None:
    reading = Reading(found(clip))

    reading.close()

    # An open file would be a ResourceWarning, and with it an error.
    assert reading.start() == b""


def test_a_row_that_ends_early_leaves_nothing_open(clip: Path) -> None:
    reading = Reading(found(clip))
    reading.start()

    reading.close()

    clip.rename(clip.with_suffix(".moved"))  # which Windows refuses for an open file


def test_a_file_that_another_replaces_in_the_middle_is_noticed(clip: Path) -> None:
    reading = Reading(found(clip))
    reading.start()
    clip.write_bytes(bytes(SLICE + 6))

    with pytest.raises(UnreadableError, match="changed while the run was reading it"):
        reading.next()
    reading.close()
