"""Rows and what their audio is known by in, whether the journal has an answer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asr_pandas.call import Call
    from asr_pandas.run.journal.journal import Journal
    from asr_pandas.run.question import Asked, Row


@dataclass(frozen=True, slots=True)
class Recorded:
    """Looks up what a run would not ask again.

    Parameters
    ----------
    call : Call
        What is asked, and of whom.
    journal : Journal
        Where answers are recorded.
    """

    call: Call
    journal: Journal

    def of(self, rows: Sequence[Row], identities: Sequence[str | None]) -> list[bool]:
        """Tell of each row whether its answer is there; not without an identity."""
        known = [
            (row, identity)
            for row, identity in zip(rows, identities, strict=True)
            if identity is not None
        ]
        answered = self._answered(known)
        there = {
            row.position for (row, _), is_there in zip(known, answered, strict=True) if is_there
        }
        return [row.position in there for row in rows]

    def _answered(self, known: Sequence[tuple[Row, str]]) -> list[bool]:
        endpoint = self.call.endpoint
        asked = self.call.asked(service=endpoint.identity, model=endpoint.model)
        # What the recogniser's answers are recorded under is known once it runs; a plan goes by
        # its name. A replay takes anybody's.
        if self.call.replays or endpoint.is_local:
            return self._replayed(asked, known)
        keys = [asked.key(row, identity) for row, identity in known]
        found = self.journal.find(keys, since=self.call.since)
        return [key in found for key in keys]

    def _replayed(self, asked: Asked, known: Sequence[tuple[Row, str]]) -> list[bool]:
        endpoint, since = self.call.endpoint, self.call.since
        questions = [asked.question(row, identity) for row, identity in known]
        answers = self.journal.replay(
            set(questions),
            endpoint=None if endpoint.is_journal else endpoint.host,
            model=endpoint.model or None,
        )
        recent = {
            question
            for question, outcomes in answers.items()
            for outcome in outcomes
            if since is None or (outcome.transcribed_at and outcome.transcribed_at >= since)
        }
        return [question in recent for question in questions]
