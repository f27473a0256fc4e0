"""`df.asr` and `series.asr`: arguments in, a run, columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asr_pandas.options import TranscribeOptions
    from asr_pandas.plan import Plan
    from asr_pandas.running import Running


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
        verbs = "transcribe, transcribe_async, start, collect, plan, retry, usage"
        return f"df.asr: {verbs} (df.asr.transcribe? tells their options)"

    def transcribe(self, column: Hashable, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Transcribe a column of audio.

        Works in scripts, in notebooks and inside a running event loop. One bad row never takes
        another with it: it says what was wrong in `status`, `error` and `message`. Every outcome is
        recorded before it counts: running it again, here or elsewhere on this machine, asks only
        for what has no result yet.

        Parameters
        ----------
        column : label
            The column that holds the audio: paths (`~`, relative, `file://`), http(s) URLs (the
            service fetches them), stores (`s3://`, `gs://`, `hf://`…), data URLs, bytes, or Hugging
            Face dicts `{"bytes", "path"}`.
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
            the embedded recogniser, for up to 2 hours of audio. `"journal"` sends nothing and takes
            what is recorded, of any service.
        concurrency : int, optional
            How many rows are under way at once; 16 for a hosted service, 2 for the embedded one.
        rpm : float, optional
            Requests per minute; left out, the endpoint's own limit (DashScope: 100), else it is
            learned. All processes of this machine share it.
        fetch : bool, default False
            Download http(s) URLs here and send their audio; what nobody can identify by its
            address is then recorded by its content.
        budget : float or str, optional
            What this call may newly pay, in the endpoint's currency, or `"50 USD"`. A row reserves
            the price of its duration, rounded up (of 300 seconds where the duration is not exact);
            rows that do not fit stay `pending`.
        patience : float or str, default "10min"
            How long a service that does not answer is waited for; then the rest stays `pending`.
            The longest wait that it asks for itself does not count.
        journal : bool or path, default True
            Where outcomes are recorded: one file in the user's data folder
            (`asr_pandas.journal.path`), or `ASR_PANDAS_JOURNAL`; a path; False for nowhere.
        reuse : bool or str, default True
            Whether recorded results are taken: False pays again, `"30d"` takes no older ones.
        errors : {"coerce", "raise"}
            `"coerce"`: a failed row is a value. `"raise"`: the first failed row raises.
        on_interrupt : {"raise", "return"}
            What the stop button does: raise `Interrupted`, or return what is finished.
        overwrite : bool, default False
            Replace columns of the same names that did not come from this very call.
        progress : bool, optional
            True for a bar, False for silence; left out, a bar where somebody can see it.
        columns : {"basic", "full"}
            `"full"` adds model, endpoint, request_id, times, attempts, `unanswered` (attempts that
            ended without a reply, and may have been billed), `reused`, cost (in the endpoint's
            currency: USD, for `dashscope-cn` CNY) and more.
        prefix : str
            Put before every result column's name, so that two services' results fit side by side.
        channels, skip_silence, shrink, upload, watch
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
            The stop button was pressed; `.partial` has what is finished. Nothing new is sent, and
            what is in flight gets 5 seconds; pressed again, none.
        JournalError
            Outcomes cannot be recorded, and nothing more was sent; `.partial` has what is finished.

        Warns
        -----
        AsrWarning
            The budget is spent, or the service did not come back; or the results come from several
            models, or from more than 30 days.

        Examples
        --------
        >>> import asr_pandas
        >>> clips = asr_pandas.samples().head(1)
        >>> out = clips.asr.transcribe("audio", endpoint="local", progress=False)
        >>> out[["language", "status"]].to_dict("records")
        [{'language': 'en', 'status': 'ok'}]
        """
        return _run_over(self._frame, column, options).here()

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
        return await _run_over(self._frame, column, options).there()

    def start(self, column: Hashable, **options: Unpack[TranscribeOptions]) -> Running:
        """Begin to transcribe a column and return at once; other cells may run meanwhile.

        Takes what `transcribe` does; `transcribe` is `start` and `wait`.

        Returns
        -------
        Running
            `run.frame()` is what is finished so far, `run.wait()` the whole, `run.stop()` the stop
            button; `run` itself says how far it has come. `asr_pandas.last_run()` finds it again.

        Examples
        --------
        >>> import asr_pandas
        >>> clips = asr_pandas.samples().head(1)
        >>> run = clips.asr.start("audio", endpoint="local", progress=False)
        >>> run.wait()["status"].tolist()
        ['ok']
        """
        return _run_over(self._frame, column, options, background=True).begin()

    def collect(self, column: Hashable, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Build the frame from the journal alone: nothing is sent, also beside a running run.

        Takes what `transcribe` does. Rows of which the journal has no result are `pending`.

        Parameters
        ----------
        column : label
            The column that holds the audio.
        endpoint : Endpoint or str, optional
            Whose results are taken; left out, whoever answered, unless there were several.

        Raises
        ------
        OptionError
            Several services have answered the same question, and none is named.

        Examples
        --------
        >>> import asr_pandas
        >>> clips = asr_pandas.samples().head(1)
        >>> out = clips.asr.transcribe("audio", endpoint="local", progress=False)
        >>> clips.asr.collect("audio", endpoint="local", progress=False)["status"].tolist()
        ['ok']
        """
        return _run_over(self._frame, column, options, replays=True).here()

    def plan(
        self, column: Hashable, *, deep: bool = False, **options: Unpack[TranscribeOptions]
    ) -> Plan:
        """Say what `transcribe` would send where, what it would cost and what is wrong already.

        Free: nothing is sent to the service, and no key is wanted. Only headers are read.

        Parameters
        ----------
        column : label
            The column that holds the audio.
        deep : bool, default False
            Read and decode all audio, too, and ask the hosts of addresses: equal clips, what is
            recorded, silence and exact durations. The run need not read the files again to know
            them.
        **options
            As in `transcribe`.

        Returns
        -------
        Plan
            Shows itself; `.frame` has a line for each row, `.cost`, `.requests` and `.time` the
            figures.

        Examples
        --------
        >>> import asr_pandas
        >>> plan = asr_pandas.samples().asr.plan("audio", endpoint="dashscope-intl", journal=False)
        >>> plan.rows, plan.requests, plan.host
        (11, 10, 'dashscope-intl.aliyuncs.com')
        """
        return _plan(self._frame, column, options, deep=deep)

    def retry(
        self,
        column: Hashable,
        which: Any = None,  # noqa: ANN401  (a word or a mask)
        **options: Unpack[TranscribeOptions],
    ) -> pd.DataFrame:
        """Transcribe again, only the rows that failed; the others stay as they are.

        Works on the columns alone, after merge, concat, CSV and Parquet too. Options are not
        remembered: those that matter are given again, and may be others than before.

        Parameters
        ----------
        column : label
            The column that holds the audio.
        which : str or mask, optional
            A word of the `error` column (`"rate_limit"`), or `"failed"`, `"cancelled"`,
            `"pending"`; or one truth value for each row. Left out: every failed row.
        **options
            Those of `transcribe`; `prefix` is that of the results.

        Returns
        -------
        pandas.DataFrame
            A new frame, with the new results of these rows.

        Raises
        ------
        ColumnError, OptionError
            There are no results, or `which` is no word and no mask of this frame; nothing was sent.

        Examples
        --------
        >>> import asr_pandas
        >>> clips = asr_pandas.samples().tail(1)
        >>> out = clips.asr.transcribe("audio", endpoint="local", progress=False)
        >>> out.asr.retry("audio", endpoint="local", progress=False)["error"].tolist()
        ['unreadable']
        """
        from asr_pandas.retrying import retry

        def transcribe(part: pd.DataFrame, given: dict[str, Any]) -> pd.DataFrame:
            return part.asr.transcribe(column, **given)  # type: ignore[no-any-return]

        return retry(self._frame, which, dict(options), transcribe)

    def usage(self, by: Hashable | list[Hashable] = None, *, prefix: str = "") -> pd.DataFrame:
        """Sum up rows, seconds, tokens and cost: what was paid, saved and possibly paid.

        From the columns alone, after merge, concat, CSV and Parquet too.

        Parameters
        ----------
        by : label or list of labels, optional
            Columns to group by.
        prefix : str
            That of the results.

        Returns
        -------
        pandas.DataFrame
            A line per group and one called `total`. `cost` is the price of the transcriptions,
            whoever paid; `paid` what this frame's run paid, `saved` what came from the journal or
            from an equal row, `possibly_paid` attempts that ended without a reply. Money needs
            `columns="full"`; what is not known is missing. No sum runs over two currencies.

        Raises
        ------
        ColumnError
            There are no results, or there is no such column.

        Examples
        --------
        >>> done = pd.DataFrame({"status": ["ok", "failed"], "seconds": [3, None]})
        >>> done.asr.usage()[["rows", "ok", "failed", "seconds"]]
               rows  ok  failed  seconds
        total     2   1       1      3.0
        """
        from asr_pandas.usage import usage

        return usage(self._frame, by=by, prefix=prefix)


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
        return _run_over(self._series, None, options).here()

    async def transcribe_async(self, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Transcribe the Series on the caller's own event loop; as `transcribe` otherwise."""
        return await _run_over(self._series, None, options).there()

    def start(self, **options: Unpack[TranscribeOptions]) -> Running:
        """Begin to transcribe the Series and return at once; as `DataFrame.asr.start` otherwise."""
        return _run_over(self._series, None, options, background=True).begin()

    def collect(self, **options: Unpack[TranscribeOptions]) -> pd.DataFrame:
        """Build the columns from the journal alone; as `DataFrame.asr.collect` otherwise."""
        return _run_over(self._series, None, options, replays=True).here()

    def plan(self, *, deep: bool = False, **options: Unpack[TranscribeOptions]) -> Plan:
        """Say what `transcribe` would send where; as `DataFrame.asr.plan` otherwise."""
        return _plan(self._series, None, options, deep=deep)


def last_run() -> Running | None:
    """Return the newest run of this process, whichever way it was begun; None before the first.

    After an interrupted cell, `asr_pandas.last_run().frame()` has what is finished.
    """
    from asr_pandas.running import newest

    return newest()


def _plan(
    audio: pd.DataFrame | pd.Series[Any],
    column: Hashable,
    options: TranscribeOptions,
    *,
    deep: bool,
) -> Plan:
    from asr_pandas.call import Call
    from asr_pandas.options import check
    from asr_pandas.plan import plan

    settings = check(**options)
    if isinstance(audio, pd.DataFrame):
        return plan(Call.of_column(audio, column, settings, plans=True), deep=deep)
    return plan(Call.of_series(audio, settings, plans=True), deep=deep)


# The run is imported when there is one: asyncio and what goes with it would cost every import.
def _run_over(
    audio: pd.DataFrame | pd.Series[Any],
    column: Hashable,
    options: TranscribeOptions,
    *,
    background: bool = False,
    replays: bool = False,
) -> Running:
    from asr_pandas.call import Call
    from asr_pandas.options import check
    from asr_pandas.running import Running
    from asr_pandas.transcribing import Transcribing

    settings = check(**options)
    if isinstance(audio, pd.DataFrame):
        call = Call.of_column(audio, column, settings, replays=replays)
    else:
        call = Call.of_series(audio, settings, replays=replays)
    return Running(Transcribing(call=call, background=background))
