"""`asr_pandas.journal`: what is recorded, what that saved, and how it is forgotten or taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from asr_pandas.run.journal.care import Saved
    from asr_pandas.run.journal.traces import Traces

_FORMS: Final = ("parquet", "csv", "jsonl")


class Recorded:
    """The journal: every outcome that was paid for, so that it is paid for once.

    It is one SQLite file in the user's data folder that only its owner can read, or where
    `ASR_PANDAS_JOURNAL` says. **It holds transcripts**, which may be personal: `forget` removes
    them for good. API keys and audio are never in it.

    Parameters
    ----------
    place : bool or path
        As `journal` in `transcribe`.

    Examples
    --------
    >>> from asr_pandas.recorded import Recorded
    >>> Recorded("never-made.sqlite").outcomes
    0
    """

    def __init__(self, place: bool | str | os.PathLike[str] = True) -> None:  # noqa: FBT001, FBT002 - as in `transcribe`
        self._place = place

    def at(self, path: str | os.PathLike[str]) -> Recorded:
        """Return the same door to another journal."""
        return Recorded(path)

    @property
    def path(self) -> Path:
        """Where it is, whether there is one yet or not."""
        from asr_pandas.run.journal.place import place, unusable

        found = place(self._place)
        if found is None:
            raise unusable(None, "it is gone when its run ends")
        return found

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        from asr_pandas.run.journal import care

        return care.size(self.path)

    @property
    def outcomes(self) -> int:
        """How many outcomes are recorded, failures too."""
        from asr_pandas.run.journal import care

        return care.outcomes(self.path)

    def saved(self) -> pd.DataFrame:
        """Tell what was answered from here instead of being paid again.

        Returns
        -------
        pandas.DataFrame
            A row for each `endpoint`: `rows`, `seconds` of audio, `cost`, and its `currency`,
            which is missing where the price is the caller's own.

        Examples
        --------
        >>> from asr_pandas.recorded import Recorded
        >>> Recorded("never-made.sqlite").saved().columns.tolist()
        ['endpoint', 'rows', 'seconds', 'cost', 'currency']
        """
        import pandas as pd

        from asr_pandas.columns import TEXT
        from asr_pandas.endpoint.prices import price_of
        from asr_pandas.run.journal import care

        lines = care.saved(self.path)
        prices = [price_of(line.endpoint) for line in lines]
        currencies = [price.currency if price else None for price in prices]
        return pd.DataFrame(
            {
                "endpoint": pd.array([line.endpoint for line in lines], dtype=TEXT),
                "rows": pd.array([line.rows for line in lines], dtype="Int64"),
                "seconds": pd.array([line.seconds for line in lines], dtype="Float64"),
                "cost": pd.array([line.cost for line in lines], dtype="Float64"),
                "currency": pd.array(currencies, dtype=TEXT),
            }
        )

    def forget(
        self,
        audio: Iterable[object] | None = None,
        *,
        older_than: float | str | None = None,
        everything: bool = False,
    ) -> int:
        """Remove outcomes for good, transcripts included; the file is written anew without them.

        What runs at this moment may still record. Copies that were made of the file, by a backup
        say, are not reached.

        Parameters
        ----------
        audio : Series or list, optional
            Cells, as in the column that was transcribed: what is recorded of their audio goes.
            Files are read to know them; of a file that is gone, or has changed, what was last
            recorded under its path goes. Of an address, whatever it held goes.
        older_than : float or str, optional
            An age: `"30d"`, `"8w"`; plain numbers are seconds. With `audio`, both must hold.
        everything : bool
            All of it.

        Returns
        -------
        int
            How many outcomes are gone.

        Raises
        ------
        OptionError
            It is not said what to forget.
        JournalError
            The journal cannot be written.

        Warns
        -----
        AsrWarning
            Some cells could not be read, so that only their names were looked up.
        """
        from asr_pandas.run.journal import care

        self._check(audio, older_than, everything=everything)
        of = None if audio is None else _traces(audio)
        return care.forget(self.path, of=of, before=_before(older_than))

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write all outcomes into a file, whole or not at all.

        Parameters
        ----------
        path : path
            Ends in `.parquet`, `.csv` or `.jsonl`.

        Returns
        -------
        Path
            The file. It has a row for each outcome: `audio`, which is what the clip is known by,
            and the full result columns.

        Raises
        ------
        OptionError
            The ending is another, or the file cannot be written.
        """
        from pathlib import Path

        from asr_pandas.errors import OptionError
        from asr_pandas.files.export import check_target, write

        target = Path(path)
        if target.suffix.lower().removeprefix(".") not in _FORMS:
            endings = ", ".join(f".{form}" for form in _FORMS)
            raise OptionError(f"{str(target)!r}: the ending tells the form, one of {endings}")
        check_target(target)
        write(self._frame(), target, audio="audio")
        return target

    def __repr__(self) -> str:
        """Say where it is, how much is in it and what it saved; never fails."""
        from asr_pandas.errors import JournalError

        try:
            return "\n".join(self._lines())
        except JournalError as error:
            return f"asr_pandas.journal: {error}"

    def _lines(self) -> list[str]:
        from asr_pandas.run.journal import care

        where = repr(str(self.path))
        if not self.path.exists():
            return [f"asr_pandas.journal: nothing is recorded yet in {where}"]
        count, megabytes = self.outcomes, self.size / 1e6
        first = f"asr_pandas.journal: {_counted(count, 'outcome')} in {where}, {megabytes:,.1f} MB"
        return [first, *map(_line, care.saved(self.path))]

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        from asr_pandas.columns import TEXT, build
        from asr_pandas.files.plain import in_utf8
        from asr_pandas.run.journal import care

        rows = care.listed(self.path)
        frame = build(
            (outcome for _, outcome in rows), index=pd.RangeIndex(len(rows)), level="full"
        )
        audio = pd.Series([known_by for known_by, _ in rows], dtype=object)
        frame.insert(0, "audio", in_utf8(audio.to_frame())[0].astype(TEXT))
        return frame

    @staticmethod
    def _check(audio: object, older_than: object, *, everything: bool) -> None:
        from asr_pandas.errors import OptionError

        some = audio is not None or older_than is not None
        if some == everything:
            raise OptionError(
                "forget() takes what to forget: a column of audio, older_than='30d' or both; "
                "or everything=True alone"
            )
        if isinstance(audio, str | bytes):
            raise OptionError(f"forget() takes a column or a list of cells: [{audio!r}]")


def _traces(audio: Iterable[object]) -> Traces:
    import warnings

    from asr_pandas.errors import AsrWarning
    from asr_pandas.run.journal.traces import traces

    found = traces(audio)
    if found.unread:
        message = f"{_counted(found.unread, 'cell')} cannot be read: only names were looked up"
        warnings.warn(message, AsrWarning, stacklevel=3)
    return found


def _before(older_than: float | str | None) -> float | None:
    import time

    from asr_pandas.ages import seconds_of

    return None if older_than is None else time.time() - seconds_of(older_than)


def _line(saved: Saved) -> str:
    from asr_pandas.endpoint.prices import price_of
    from asr_pandas.run.shown.figures import in_words

    price = price_of(saved.endpoint)
    cost = f", {saved.cost:,.2f} {price.currency}" if price and saved.cost is not None else ""
    rows = _counted(saved.rows, "row")
    return f"  saved at {saved.endpoint}: {rows}, {in_words(saved.seconds)}{cost}"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


journal: Final = Recorded()
"""The user's journal."""
