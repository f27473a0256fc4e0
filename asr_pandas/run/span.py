"""What the results of a run have in common: their models and their age."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from datetime import datetime

    from asr_pandas.model import Outcome


@dataclass(slots=True)
class Span:
    """Grows with each outcome, and stays small."""

    models: set[str] = field(default_factory=set)
    """Those that answered."""
    oldest: datetime | None = None
    newest: datetime | None = None

    def frame(self) -> pd.DataFrame:
        """Return the least frame that has as much in common."""
        at = [self.oldest, self.newest]
        models: list[str | None] = [*self.models, *[None] * (len(at) - len(self.models))]
        times = [*at, *[None] * (len(models) - len(at))]
        return pd.DataFrame({"status": "ok", "model": models, "transcribed_at": times})

    def add(self, outcome: Outcome) -> None:
        """Take one outcome in."""
        reply, at = outcome.transcription, outcome.transcribed_at
        if reply is None:
            return
        if model := reply.model or outcome.model:
            self.models.add(model)
        if at is not None:
            self.oldest = min(self.oldest or at, at)
            self.newest = max(self.newest or at, at)
