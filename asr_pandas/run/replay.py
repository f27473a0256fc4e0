"""A run without a service: rows in, what the journal has of them out; nothing is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from asr_pandas.audio.cells import Reading, is_missing, read
from asr_pandas.errors import AudioError, OptionError
from asr_pandas.model import MISSING, PENDING, Failure, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from asr_pandas.run.engine import Sink
    from asr_pandas.run.question import Asked, Identities, Row
    from asr_pandas.run.shown.tally import Tally

_TOGETHER: Final = 256  # rows that are looked up at once
_LACKING: Final = replace(
    PENDING, note="The journal has no result for this audio with these options."
)


@dataclass(slots=True, kw_only=True)
class Replay:
    """One pass over the rows.

    Parameters
    ----------
    rows : iterable of Row
        What is looked for.
    asked : Asked
        The options that an answer must have been given to.
    identities : Identities
        What clips are known by, and the journal.
    results : Sink
        Where outcomes go.
    tally : Tally
        Where they are counted.
    exactly : bool
        Whether only the very service and model of `asked` count: its address, not its host alone.
    endpoint, model : str, optional
        Otherwise: only what this host, and this model, answered.
    since : datetime, optional
        How old an answer may be.
    row_name : callable
        Names a row in a message, by its position.
    """

    rows: Iterable[Row]
    asked: Asked
    identities: Identities
    results: Sink
    tally: Tally
    exactly: bool = False
    endpoint: str | None = None
    model: str | None = None
    since: datetime | None = None
    row_name: Callable[[int], str] = str
    _stopped: bool = field(init=False, default=False)

    async def finish(self) -> None:
        """Look all rows up.

        Raises
        ------
        OptionError
            Several services or models have answered the same question.
        """
        source = iter(self.rows)
        while not self._stopped and (rows := list(islice(source, _TOGETHER))):
            for row, outcome in zip(rows, await asyncio.to_thread(self._found, rows), strict=True):
                self.results[row.position] = outcome
                if outcome.status != "pending":
                    self.tally.add(outcome)

    def stop(self) -> None:
        """Look nothing further up."""
        self._stopped = True

    def _found(self, rows: Sequence[Row]) -> list[Outcome]:
        identities = [
            self._identity(row, seen)
            for row, seen in zip(rows, self.identities.at_a_glance(rows), strict=True)
        ]
        ask = self.asked.key if self.exactly else self.asked.question
        questions = [
            ask(row, identity) if isinstance(identity, str) else b""
            for row, identity in zip(rows, identities, strict=True)
        ]
        answers = self._answers(set(questions))
        return [
            identity if isinstance(identity, Outcome) else self._one(row, answers.get(question, []))
            for row, identity, question in zip(rows, identities, questions, strict=True)
        ]

    def _answers(self, questions: set[bytes]) -> dict[bytes, list[Outcome]]:
        journal = self.identities.journal
        if self.exactly:
            return {key: [outcome] for key, outcome in journal.find(questions).items()}
        return journal.replay(questions, endpoint=self.endpoint, model=self.model)

    def _identity(self, row: Row, seen: str | None) -> str | Outcome:
        if is_missing(row.cell):
            return MISSING
        if seen is not None:
            return seen
        try:
            return self._identity_of(row.cell)
        except AudioError as error:
            failure = Failure(kind=error.kind, message=str(error))
            return Outcome(status="failed", failure=failure)

    def _identity_of(self, cell: object) -> str:
        addressed = self.identities.of_address(cell)
        return addressed or self.identities.of(read(cell, Reading(hold=0)))

    def _one(self, row: Row, answers: Sequence[Outcome]) -> Outcome:
        recent = [answer for answer in answers if self._is_recent(answer)]
        if len(recent) > 1:
            places = sorted(f"{answer.endpoint} ({answer.model})" for answer in recent)
            message = (
                f"{self.row_name(row.position)}: the journal has results of several services: "
                f"{', '.join(places)}.\n\n"
                "Hint: df.asr.collect(..., endpoint=...) takes those of one, and so does "
                "endpoint=Endpoint('journal', model='...')."
            )
            raise OptionError(message)
        return recent[0].as_reused() if recent else _LACKING

    def _is_recent(self, answer: Outcome) -> bool:
        at = answer.transcribed_at
        return self.since is None or (at is not None and at >= self.since)
