"""Killed at any moment: nothing that was counted is lost, and little is paid for again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.kills import CONCURRENCY, killed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="this system kills in its own way"
)


def test_a_run_that_is_killed_five_times_loses_no_row_and_repeats_only_what_was_in_flight(
    tmp_path: Path,
) -> None:
    after = killed(tmp_path, rows=400, kills=5, seed=2)

    assert (after.rows, after.own) == (400, 400)
    assert len(after.sent_again) == 5
    assert after.most_per_kill <= CONCURRENCY
