"""`df.asr` and `series.asr`: arguments in, a run, columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asr_pandas.options import TranscribeOptions
    from asr_pandas.transcribing import Transcribing


@pd.api.extensions.register_dataframe_accessor("asr")
class FrameAccessor:
    """Speech recognition for the audio column of a DataFrame.

    Examples
    --------
    >>> import asr_pandas
    >>> clips = asr_pandas.samples().head(1)
    >>> clips.asr.transcribe("audio", endpoint="local", progress=False)["status"].tolist()
    ['ok']
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        """Say what there is."""
        return "df.asr: transcribe, transcribe_async (df.asr.transcribe? tells their options)"

    def transcribe(self, column: Hashable, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Transcribe a column of audio.

        Works in scripts, in notebooks and inside a running event loop. One bad row never takes
        another with it: it says what was wrong in `status`, `error` and `message`. There is no
        journal yet: **running it again asks, and pays, for every row again**, so keep the result.

        Parameters
        ----------
        column : label
            The column that holds the audio: paths (`~`, relative, `file://`), http(s) URLs (the
            service fetches them), data URLs, bytes, or Hugging Face dicts `{"bytes", "path"}`.
            None, NaN and blank cells are `missing`. Up to 5 minutes and 10 MB (after Base64) each;
            what the service lists passes bit for bit, M4A and others are converted to FLAC.
        language : str, optional
            The language of all rows: a code, a locale or an English name (`de`, `pt-BR`,
            `German`). Left out, it is detected.
        language_from : label or Series, optional
            A column with the language of each row, or a Series with the frame's index.
        itn : bool, default False
            Inverse text normalisation, "twenty five" → "25" (Chinese and English only).
        context : str, optional
            Names, terms or a paragraph of background for all rows; it biases the recognition.
        context_from : label or Series, optional
            A column with the context of each row, or a Series with the frame's index.
        stream : bool, default False
            Let the service reply bit by bit, which avoids time-outs with long audio.
        endpoint : Endpoint or str, optional
            `"local"`, `"dashscope-intl"`, `"dashscope-cn"`, an address, or an `Endpoint`. Left
            out: what `asr_pandas.use` set; else DashScope where `DASHSCOPE_API_KEY` is set; else
            the embedded recogniser, for up to 2 hours of audio.
        concurrency : int, optional
            How many rows are under way at once; 16 for a hosted service, 2 for the embedded one.
        rpm : float, optional
            Requests per minute; left out, the endpoint's own limit (DashScope: 100).
        errors : {"coerce", "raise"}
            `"coerce"`: a failed row is a value. `"raise"`: the first failed row raises.
        on_interrupt : {"raise", "return"}
            What the stop button does: raise `Interrupted`, or return what is finished.
        overwrite : bool, default False
            Replace columns of the same names that did not come from this very call.
        progress : bool, optional
            True for a bar, False for silence; left out, a bar where somebody can see it.
        columns : {"basic", "full"}
            `"full"` adds model, endpoint, request_id, times, attempts, cost (in the endpoint's
            currency: USD, for `dashscope-cn` CNY) and more.
        prefix : str
            Put before every result column's name, so that two services' results fit side by side.
        channels, skip_silence, shrink, fetch, upload, budget, journal, reuse, watch
            Not there yet: any value but the default raises `NotImplementedError`, which says what
            to do instead.

        Returns
        -------
        pandas.DataFrame
            A new frame: same rows, order and index, with the result columns appended. The frame
            itself is never changed.

            `transcript`, `language`, `emotion` (text), `duration` (seconds, measured), `seconds`
            (seconds, billed), `prompt_tokens`, `audio_tokens`, `completion_tokens`,
            `total_tokens`, `status` (`ok`, `empty`, `missing`, `failed`, `cancelled`, `pending`),
            `error` (one word), `warning`, `message` (what happened, and the way out). What the
            service did not say is missing, never invented.

        Raises
        ------
        OptionError, ColumnError
            The call cannot be carried out; nothing was sent.
        RecogniserMissing
            There is neither a key nor the embedded recogniser; the message has both cures.
        RunStopped
            The key, the account or the model is refused; `.partial` has what is finished.
        RowFailed
            With `errors="raise"`: a row failed; `.partial` has what is finished.
        Interrupted
            The stop button was pressed; `.partial` has what is finished.

        Examples
        --------
        >>> import asr_pandas
        >>> clips = asr_pandas.samples().head(1)
        >>> out = clips.asr.transcribe("audio", endpoint="local", progress=False)
        >>> out[["language", "status"]].to_dict("records")
        [{'language': 'en', 'status': 'ok'}]
        """
        return _run_over(self._frame, column, **options).here()

    async def transcribe_async(
        self, column: Hashable, **options: Unpack[TranscribeOptions]
    ) -> pd.DataFrame:
        """Transcribe a column of audio on the caller's own event loop.

        Takes, returns and raises what `transcribe` does; cancelling it stops the run.

        Examples
        --------
        >>> import asyncio, asr_pandas
        >>> clips = asr_pandas.samples().head(1)
        >>> call = clips.asr.transcribe_async("audio", endpoint="local", progress=False)
        >>> asyncio.run(call)["status"].tolist()
        ['ok']
        """
        return await _run_over(self._frame, column, **options).there()


@pd.api.extensions.register_series_accessor("asr")
class SeriesAccessor:
    """Speech recognition for a Series of audio.

    Examples
    --------
    >>> import asr_pandas
    >>> clips = asr_pandas.samples()["audio"].head(1)
    >>> clips.asr.transcribe(endpoint="local", progress=False)["status"].tolist()
    ['ok']
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def transcribe(self, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Transcribe the Series; the options are those of `DataFrame.asr.transcribe`.

        Returns
        -------
        pandas.DataFrame
            The result columns alone, with the Series' index.
        """
        return _run_over_series(self._series, **options).here()

    async def transcribe_async(self, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Transcribe the Series on the caller's own event loop; as `transcribe` otherwise."""
        return await _run_over_series(self._series, **options).there()


# The run is imported when there is one: asyncio and what goes with it would cost every import.
def _run_over(
    frame: pd.DataFrame, column: Hashable, **options: Unpack[TranscribeOptions]
) -> Transcribing:
    from asr_pandas.options import check
    from asr_pandas.transcribing import Transcribing

    return Transcribing.of_column(frame, column, check(**options))


def _run_over_series(series: pd.Series[Any], **options: Unpack[TranscribeOptions]) -> Transcribing:
    from asr_pandas.options import check
    from asr_pandas.transcribing import Transcribing

    return Transcribing.of_series(series, check(**options))
