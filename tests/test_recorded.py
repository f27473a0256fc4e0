"""`asr_pandas.journal`: looked at, forgotten, taken out."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from asr_pandas.audio.cells import read
from asr_pandas.audio.stores import Stored, Stores
from asr_pandas.errors import AsrWarning, AudioError, JournalError, OptionError
from asr_pandas.recorded import Recorded, journal
from asr_pandas.run.journal import database
from asr_pandas.run.journal.journal import Journal, Known, Record
from asr_pandas.run.journal.traces import Traces, address_of, traces
from tests.conftest import distinct
from tests.run.clocks import START
from tests.run.journal.journals import HOST, answer, failure, key, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def _bytes_beside(path: Path) -> bytes:
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    return b"".join(file.read_bytes() for file in files)


def _of(audio: str, said: str, **changes: Any) -> Record:
    made = record(said, answer(said, **changes))
    return Record(key=made.key, question=made.question, audio=audio, outcome=made.outcome)


def test_it_says_where_it_is_how_much_is_in_it_and_what_it_saved(path: Path) -> None:
    with Journal(path, now=lambda: START) as opened:
        opened.write([record("a"), record("b", failure())])
        opened.saved(rows=1_200, seconds=7_200, cost=0.252, endpoint=HOST)
        opened.saved(rows=3, seconds=5, cost=None, endpoint="localhost")
        opened.saved(rows=1, seconds=5, cost=0.5, endpoint="dashscope.aliyuncs.com")

    door = Recorded(path)

    assert (door.path, door.outcomes) == (path, 2)
    assert door.size == path.stat().st_size
    assert repr(door).splitlines() == [
        f"asr_pandas.journal: 2 outcomes in {str(path)!r}, {door.size / 1e6:,.1f} MB",
        "  saved at dashscope-intl.aliyuncs.com: 1,200 rows, 2.0 h, 0.25 USD",
        "  saved at dashscope.aliyuncs.com: 1 row, 5 s, 0.50 CNY",
        "  saved at localhost: 3 rows, 5 s",
    ]
    saved = door.saved().astype(object)
    assert saved.where(saved.notna(), None).to_numpy().tolist() == [
        ["dashscope-intl.aliyuncs.com", 1_200, 7_200.0, 0.252, "USD"],
        ["dashscope.aliyuncs.com", 1, 5.0, 0.5, "CNY"],
        ["localhost", 3, 5.0, None, None],
    ]


def test_looking_makes_no_journal(path: Path, tmp_path: Path) -> None:
    door = journal.at(path)

    assert "nothing is recorded yet" in repr(door)
    assert (door.size, door.outcomes, len(door.saved())) == (0, 0, 0)
    assert door.forget(everything=True) == 0
    door.export(tmp_path / "out.csv")
    assert not path.exists()


def test_what_cannot_be_a_journal_is_said_where_it_is_shown(path: Path) -> None:
    path.write_text("no database at all, but long enough to be taken for one. " * 30)

    assert "not a database" in repr(Recorded(path))
    with pytest.raises(JournalError, match="not a database"):
        _ = Recorded(path).outcomes
    with pytest.raises(JournalError, match="when its run ends"):
        _ = Recorded(place=False).path


def test_everything_is_forgotten_to_the_last_byte(path: Path) -> None:
    with Journal(path, now=lambda: START) as opened:
        opened.saved(rows=1, seconds=1, cost=1, endpoint="a")
        opened.write([record(str(one), answer(f"secret {one} " * 50)) for one in range(300)])
        assert b"secret" in _bytes_beside(path)

        assert Recorded(path).forget(everything=True) == 300

        assert b"secret" not in _bytes_beside(path)
        opened.write([record("b")])
        assert opened.find([key("1"), key("b")]) == {key("b"): answer()}
    assert len(Recorded(path).saved()) == 0


def test_a_clips_transcripts_are_forgotten_and_no_others(
    path: Path, tmp_path: Path, wav: bytes
) -> None:
    first, second, third = distinct(wav, 3)
    (tmp_path / "a.wav").write_bytes(first)
    names = [read(content).identity or "" for content in (first, second, third)]
    said = ["the first secret", "the second secret", "what stays"]
    with Journal(path) as opened:
        opened.write([_of(*each) for each in zip(names, said, strict=True)])
        opened.write([_of(names[0], "the first secret, from elsewhere", endpoint="local")])

    cells = pd.Series([str(tmp_path / "a.wav"), None, second], dtype=object)
    assert Recorded(path).forget(cells) == 3

    (tmp_path / "a.wav").unlink()
    left = _bytes_beside(path)
    assert b"secret" not in left
    assert b"what stays" in left


def test_of_a_file_that_is_gone_its_name_is_enough(path: Path, tmp_path: Path, wav: bytes) -> None:
    gone = tmp_path / "gone.wav"
    gone.write_bytes(wav)
    clip = read(gone)
    assert clip.file is not None
    assert clip.identity is not None
    known = Known(identity=clip.identity, duration=5.0, exact=True, container="wav")
    with Journal(path) as opened:
        opened.remember(clip.file, known)
        opened.write([_of(clip.identity, "secret")])
    gone.unlink()

    with pytest.warns(AsrWarning, match="1 cell cannot be read"):
        forgotten = Recorded(path).forget([gone])

    assert forgotten == 1
    with Journal(path) as opened:
        assert opened.known([clip.file]) == [None]
    assert b"secret" not in _bytes_beside(path)
    assert b"gone.wav" not in _bytes_beside(path)


def test_of_an_address_everything_that_it_ever_held_is_forgotten(path: Path) -> None:
    url = "https://example.org/calls/a.wav"
    with Journal(path) as opened:
        opened.write(
            [
                _of(f'{url}|etag="1"|size=5', "secret one"),
                _of(f'{url}|etag="2"|size=6', "secret two"),
                _of(f"unknown:0f3a:{url}?Expires=1&Signature=y", "secret three"),
                _of(f'{url}.old|etag="1"|size=5', "what stays"),
            ]
        )

    assert Recorded(path).forget([f"{url}?Expires=9&Signature=x"]) == 3

    assert b"secret" not in _bytes_beside(path)
    assert Recorded(path).outcomes == 1


def test_what_is_old_is_forgotten(path: Path) -> None:
    with Journal(path) as opened:
        opened.write([_of("sha256:aa", "old", days=-400), _of("sha256:bb", "older", days=-500)])
        opened.write([record("none", failure(transcribed_at=None))])
        opened.write([_of("sha256:cc", "new", days=36_500)])

    assert Recorded(path).forget(older_than="30d") == 3
    assert Recorded(path).outcomes == 1


def test_with_audio_and_an_age_both_must_hold(path: Path, wav: bytes) -> None:
    name = read(wav).identity or ""
    with Journal(path) as opened:
        opened.write([_of(name, "old", days=-400), _of(name, "new", days=36_500)])
        opened.write([_of("sha256:other", "another", days=-400)])

    assert Recorded(path).forget([wav], older_than="8w") == 1
    assert Recorded(path).outcomes == 2


def test_what_to_forget_must_be_said() -> None:
    door = Recorded("never-made.sqlite")

    with pytest.raises(OptionError, match="everything=True"):
        door.forget()
    with pytest.raises(OptionError, match="everything=True"):
        door.forget(older_than="30d", everything=True)
    with pytest.raises(OptionError, match="list of cells"):
        door.forget("a.wav")
    with pytest.raises(OptionError, match="30d"):
        door.forget(older_than="a month")


def test_where_somebody_reads_the_old_bytes_it_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.0)
    with Journal(path) as opened:
        opened.write([record(str(one)) for one in range(10)])
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM outcomes").fetchone()
        with pytest.raises(JournalError, match="another process reads"):
            Recorded(path).forget(everything=True)
        reader.execute("COMMIT")
        reader.close()

        assert Recorded(path).forget(everything=True) == 0
    assert b"Good morning" not in _bytes_beside(path)


class _Told(Stores):
    """Stores that tell this, or are not reached."""

    def __init__(self, identity: str | None) -> None:
        super().__init__()
        self._identity = identity

    def look(self, address: str) -> Stored:
        if self._identity is None:
            raise AudioError(f"{address}: is not reached")
        return Stored(name=address, identity=self._identity, size=5)


def test_a_store_is_asked_and_where_it_is_not_reached_its_address_is_enough() -> None:
    cell = {"bytes": None, "path": "s3://bucket/a.wav"}

    told, unreached = traces([cell], stores=_Told("sha256:aa")), traces([cell], stores=_Told(None))

    assert (told.identities, told.unread) == ({"sha256:aa"}, 0)
    assert (unreached.identities, unreached.unread) == (set(), 1)
    assert told.addresses == unreached.addresses == {"s3://bucket/a.wav"}
    assert address_of('s3://bucket/a.wav|etag="1"|size=5') in told.addresses


def test_missing_cells_leave_no_traces() -> None:
    found = traces([None, float("nan"), " "])

    assert found == Traces()


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_outcome_can_be_taken_out(path: Path, tmp_path: Path, ending: str) -> None:
    with Journal(path) as opened:
        opened.write([_of("sha256:aa", "Grüße"), record("b", failure())])
        opened.write([_of("s3://bad\udcff", "third")])

    out = Recorded(path).export(tmp_path / f"out.{ending}")

    if ending == "jsonl":
        frame = pd.read_json(out, lines=True)
    else:
        frame = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert frame["audio"].tolist() == ["sha256:aa", "sha256:b", "s3://bad?"]
    assert frame["status"].tolist() == ["ok", "failed", "ok"]
    assert frame["transcript"].fillna("none").tolist() == ["Grüße", "none", "third"]
    assert frame["endpoint"].tolist() == [HOST] * 3


def test_no_other_forms_are_written(path: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.parquet, \.csv, \.jsonl"):
        Recorded(path).export(tmp_path / "out.md")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_forgetting_waits_for_who_writes_and_loses_nothing_new(path: Path) -> None:
    with Journal(path) as opened:
        opened.write([record("old")])

        def write() -> None:
            for one in range(100):
                opened.write([record(str(one))])

        writer = threading.Thread(target=write)
        writer.start()
        Recorded(path).forget([], older_than="30d")
        writer.join()

        assert len(opened.find([key(str(one)) for one in range(100)])) == 100
