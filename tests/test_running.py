"""A run that goes on while you do: looked at, stopped, waited for, found again."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from aiohttp import web

import asr_pandas
from asr_pandas import running
from asr_pandas.call import Call
from asr_pandas.options import check
from asr_pandas.transcribing import Transcribing
from tests.conftest import Answer, Service, always, completion, distinct, refusal

if TYPE_CHECKING:
    from asr_pandas.running import Running

Start = Callable[[Answer], Service]
PATIENCE = 10.0  # seconds that a test waits at most

needs_signals = pytest.mark.skipif(os.name == "nt", reason="signals are sent to this very process")


class Held:
    """Answers so many requests; further ones wait until they are let go."""

    def __init__(self, answered: int) -> None:
        self._answered = answered
        self._arrived = 0
        self.waiting = threading.Event()
        self.let_go = threading.Event()

    async def __call__(self, _: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        self._arrived += 1
        if self._arrived > self._answered:
            self.waiting.set()
            await asyncio.to_thread(self.let_go.wait, PATIENCE)
        return web.json_response(completion())


def started(service: Service, cells: list[Any], **options: Any) -> Running:
    frame = pd.DataFrame({"audio": cells}, index=pd.Index(range(len(cells)), name="call"))
    run: Running = frame.asr.start(
        "audio", **{"endpoint": service.endpoint, "progress": False, "concurrency": 1, **options}
    )
    return run


def test_a_run_that_was_started_goes_on_while_its_frame_is_looked_at(
    service: Start, wav: bytes
) -> None:
    held = Held(answered=2)
    run = started(service(held), distinct(wav, 4))
    assert held.waiting.wait(PATIENCE)

    meanwhile = run.frame()
    line = run.progress.line()
    held.let_go.set()
    out = run.wait()

    assert meanwhile["status"].tolist() == ["ok", "ok", "pending", "pending"]
    assert meanwhile.index.name == "call"
    assert meanwhile.columns.equals(out.columns)
    assert "2/4" in line.replace(" ", "")
    assert out["status"].tolist() == ["ok"] * 4


def test_waiting_again_gives_the_same_frame_and_so_does_looking(service: Start, wav: bytes) -> None:
    run = started(service(always(completion())), distinct(wav, 3))

    first, second, looked = run.wait(), run.wait(), run.frame()

    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(first, looked)
    assert first["transcript"].tolist() == ["Good morning."] * 3
    assert repr(run) == run.progress.line() == "3 rows: 3 ok"


def test_a_frame_that_was_handed_out_is_the_caller_s(service: Start, wav: bytes) -> None:
    run = started(service(always(completion())), [wav])

    out = run.wait()
    out.loc[:, "transcript"] = "changed"

    assert run.frame()["transcript"].tolist() == ["Good morning."]


def test_starting_and_waiting_is_transcribing(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": distinct(wav, 3)})
    options: dict[str, Any] = {"endpoint": stand_in.endpoint, "progress": False}

    waited = frame.asr.start("audio", **options).wait()
    transcribed = frame.asr.transcribe("audio", **options)

    pd.testing.assert_frame_equal(waited, transcribed)
    assert waited.attrs == transcribed.attrs


def test_a_run_that_is_stopped_sends_nothing_new_and_hands_its_frame_back(
    service: Start, wav: bytes
) -> None:
    held = Held(answered=2)
    stand_in = service(held)
    run = started(stand_in, distinct(wav, 50))
    assert held.waiting.wait(PATIENCE)

    run.stop()
    run.stop()
    held.let_go.set()
    out = run.wait()

    assert len(stand_in.asked) == 3
    assert out["status"].tolist() == [*["ok"] * 3, *["pending"] * 47]


def test_stopping_a_run_that_is_over_changes_nothing(service: Start, wav: bytes) -> None:
    run = started(service(always(completion())), [wav])
    before = run.wait()

    run.stop()

    pd.testing.assert_frame_equal(run.wait(), before)


@pytest.mark.parametrize("word", [None, "journal"])
def test_a_run_that_is_stopped_before_it_begins_asks_nobody(
    service: Start, wav: bytes, word: str | None
) -> None:
    stand_in = service(always(completion()))
    settings = check(endpoint=word or stand_in.endpoint, progress=False)
    call = Call.of_column(pd.DataFrame({"audio": [wav, b"no audio"]}), "audio", settings)
    run = running.Running(Transcribing(call=call, background=True))

    run.stop()
    out = run.begin().wait()

    assert out["status"].tolist() == ["pending", "pending"]
    assert stand_in.asked == []


def test_what_stops_a_run_is_raised_where_it_is_waited_for(service: Start, wav: bytes) -> None:
    wrong = refusal("Incorrect API key provided.", code="invalid_api_key")
    run = started(service(always(wrong, status=401)), distinct(wav, 20))

    with pytest.raises(asr_pandas.RunStopped) as stopped:
        run.wait()

    assert stopped.value.kind == "auth"
    assert set(stopped.value.partial["status"]) == {"failed", "pending"}
    pd.testing.assert_frame_equal(stopped.value.partial, run.frame())


def test_two_runs_at_the_same_time_do_not_disturb_each_other(service: Start, wav: bytes) -> None:
    held = Held(answered=0)
    slow = started(service(held), distinct(wav, 2))
    assert held.waiting.wait(PATIENCE)

    other = service(always(completion("Another."))).endpoint
    quick = started(service(always(completion())), distinct(wav, 5), endpoint=other).wait()
    held.let_go.set()

    assert quick["transcript"].tolist() == ["Another."] * 5
    assert slow.wait()["transcript"].tolist() == ["Good morning."] * 2


def test_the_newest_run_is_found_again_whichever_way_it_was_begun(
    service: Start, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_newest", [])
    frame = pd.DataFrame({"audio": [wav]})
    options: dict[str, Any] = {
        "endpoint": service(always(completion())).endpoint,
        "progress": False,
    }
    assert asr_pandas.last_run() is None

    run: Running = frame.asr.start("audio", **options)
    assert asr_pandas.last_run() is run
    run.wait()
    found = []
    ways: list[Callable[[], pd.DataFrame]] = [
        lambda: frame.asr.transcribe("audio", **options),
        lambda: asyncio.run(frame.asr.transcribe_async("audio", **options)),
        lambda: frame["audio"].asr.transcribe(**options),
        lambda: frame.asr.collect("audio", **options),
    ]
    for way in ways:
        out = way()
        newest = asr_pandas.last_run()
        assert newest is not None
        pd.testing.assert_frame_equal(newest.frame(), out)
        found.append(newest)

    assert len({id(one) for one in [run, *found]}) == 5


def test_a_thread_of_one_s_own_may_transcribe(service: Start, wav: bytes) -> None:
    endpoint = service(always(completion())).endpoint
    outs: list[pd.DataFrame] = []

    def work() -> None:
        frame = pd.DataFrame({"audio": [wav]})
        outs.append(frame.asr.transcribe("audio", endpoint=endpoint, progress=False))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)

    assert [out["status"][0] for out in outs] == ["ok"]


def test_a_series_starts_too(service: Start, wav: bytes) -> None:
    series: Any = pd.Series([wav], index=["x"])

    run = series.asr.start(endpoint=service(always(completion())).endpoint, progress=False)

    assert run.wait()["transcript"].to_dict() == {"x": "Good morning."}


def test_a_frame_without_rows_is_over_at_once(service: Start) -> None:
    run = started(service(always(completion())), [])

    assert run.wait().empty
    assert "transcript" in run.frame()


def test_a_run_of_somebody_s_own_loop_is_not_waited_for_elsewhere(
    service: Start, wav: bytes
) -> None:
    frame = pd.DataFrame({"audio": [wav]})
    endpoint = service(always(completion())).endpoint

    asyncio.run(frame.asr.transcribe_async("audio", endpoint=endpoint, progress=False))

    run = asr_pandas.last_run()
    assert run is not None
    with pytest.raises(RuntimeError, match="transcribe_async"):
        run.wait()


# Interrupts.


@needs_signals
@pytest.mark.parametrize("on_interrupt", ["raise", "return"])
def test_the_stop_button_stops_a_run_that_is_waited_for(
    service: Start, wav: bytes, on_interrupt: str
) -> None:
    held = Held(answered=2)
    stand_in = service(held)
    run = started(stand_in, distinct(wav, 50), on_interrupt=on_interrupt)

    def press() -> None:
        assert held.waiting.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        held.let_go.set()

    pressing = threading.Thread(target=press)
    pressing.start()
    if on_interrupt == "raise":
        with pytest.raises(asr_pandas.Interrupted, match="stopped by you") as interrupted:
            run.wait()
        out = interrupted.value.partial
    else:
        out = run.wait()
    pressing.join(PATIENCE)

    assert set(out["status"]) == {"ok", "pending"}
    assert (out["status"] == "ok").sum() == len(stand_in.asked) < 50


# The async door.


def cancelled(
    frame: pd.DataFrame, service: Service, held: Held, *, times: int = 1, **options: Any
) -> Running:
    """Cancel an async call in the midst."""

    async def main() -> Running:
        call = asyncio.create_task(
            frame.asr.transcribe_async(
                "audio", endpoint=service.endpoint, progress=False, concurrency=1, **options
            )
        )
        assert await asyncio.to_thread(held.waiting.wait, PATIENCE)
        for _ in range(times):
            call.cancel()
            await asyncio.sleep(0)
        if times == 1:
            held.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        run = asr_pandas.last_run()
        assert run is not None
        return run

    return asyncio.run(main())


def test_a_cancelled_call_lets_what_is_in_flight_finish_and_its_frame_is_found(
    service: Start, wav: bytes
) -> None:
    held = Held(answered=2)
    stand_in = service(held)

    run = cancelled(pd.DataFrame({"audio": distinct(wav, 50)}), stand_in, held)

    assert len(stand_in.asked) == 3
    assert run.frame()["status"].tolist() == [*["ok"] * 3, *["pending"] * 47]


def test_a_call_that_is_cancelled_twice_ends_at_once(service: Start, wav: bytes) -> None:
    held = Held(answered=2)
    stand_in = service(held)

    run = cancelled(pd.DataFrame({"audio": distinct(wav, 50)}), stand_in, held, times=2)

    held.let_go.set()
    statuses = run.frame()["status"].tolist()
    assert statuses == ["ok", "ok", "cancelled", *["pending"] * 47]
    assert "may have been billed" in run.frame()["message"][2]


def test_an_async_call_is_stopped_by_the_run_that_it_is(service: Start, wav: bytes) -> None:
    held = Held(answered=2)
    stand_in = service(held)
    frame = pd.DataFrame({"audio": distinct(wav, 50)})

    async def main() -> pd.DataFrame:
        call = asyncio.create_task(
            frame.asr.transcribe_async(
                "audio", endpoint=stand_in.endpoint, progress=False, concurrency=1
            )
        )
        assert await asyncio.to_thread(held.waiting.wait, PATIENCE)
        run = asr_pandas.last_run()
        assert run is not None
        run.stop()
        held.let_go.set()
        out: pd.DataFrame = await call
        return out

    out = asyncio.run(main())

    assert out["status"].tolist() == [*["ok"] * 3, *["pending"] * 47]
    assert len(stand_in.asked) == 3


def test_after_a_cancelled_call_the_next_one_pays_for_the_rest_alone(
    service: Start, wav: bytes
) -> None:
    held = Held(answered=2)
    stand_in = service(held)
    frame = pd.DataFrame({"audio": distinct(wav, 10)})
    cancelled(frame, stand_in, held)

    out = frame.asr.transcribe("audio", endpoint=stand_in.endpoint, progress=False)

    assert out["status"].tolist() == ["ok"] * 10
    assert len(stand_in.asked) == 10


def test_async_calls_run_side_by_side_on_one_loop(service: Start, wav: bytes) -> None:
    endpoints = [service(always(completion(text))).endpoint for text in ("One.", "Two.")]
    frame = pd.DataFrame({"audio": distinct(wav, 3)})

    async def both() -> list[pd.DataFrame]:
        return await asyncio.gather(  # type: ignore[no-any-return]
            *(
                frame.asr.transcribe_async("audio", endpoint=endpoint, progress=False)
                for endpoint in endpoints
            )
        )

    outs = asyncio.run(both())

    assert [out["transcript"].tolist() for out in outs] == [["One."] * 3, ["Two."] * 3]


def test_what_stops_an_async_call_is_raised_by_it(service: Start, wav: bytes) -> None:
    wrong = refusal("Incorrect API key provided.", code="invalid_api_key")
    endpoint = service(always(wrong, status=401)).endpoint
    frame = pd.DataFrame({"audio": distinct(wav, 20)})

    with pytest.raises(asr_pandas.RunStopped) as stopped:
        asyncio.run(frame.asr.transcribe_async("audio", endpoint=endpoint, progress=False))

    assert stopped.value.kind == "auth"
