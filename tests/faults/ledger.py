"""What a test server counts: by question, so that the counts outlive whoever asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(slots=True)
class Entry:
    """One distinct question: a clip, and the settings with which it was sent."""

    audio: str
    """SHA-256 of the decoded audio."""
    settings: str
    """Model, language, context and so on, as JSON."""
    asked: int = 0
    """Requests whose audio arrived in whole."""
    billed: int = 0
    """Requests for which the work was done, whether or not its transcript arrived."""
    answered: int = 0
    """Requests that were answered with a transcript."""
    hung_up: int = 0
    """Requests whose sender was gone when the answer was ready."""
    faults: list[str] = field(default_factory=list)
    """Names of the faults that were given, in turn."""


@dataclass(slots=True)
class Totals:
    """What the server has seen so far."""

    arrived: int = 0
    """Requests whose audio arrived in whole."""
    billed: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    resets_before: int = 0
    """Connections that were reset before their audio was read."""


@dataclass(slots=True)
class Counts:
    """Everything that is counted."""

    totals: Totals = field(default_factory=Totals)
    stamps: list[float] = field(default_factory=list)
    """When each request's headers arrived: seconds since the epoch."""
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            totals=Totals(**body["totals"]),
            stamps=body["stamps"],
            entries=[Entry(**entry) for entry in body["entries"]],
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def by_audio(self) -> dict[str, Entry]:
        """Return the entries by clip, where each was asked for with one kind of settings."""
        found = {entry.audio: entry for entry in self.entries}
        assert len(found) == len(self.entries), "a clip was sent with several settings"
        return found

    @property
    def sent_again(self) -> int:
        """Requests beyond the first of each question."""
        return sum(entry.asked - 1 for entry in self.entries)
