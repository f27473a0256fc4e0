"""The same audio with the same settings is sent, and paid for, once."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import asr_pandas
from tests.faults.children import Task
from tests.faults.clips import clip, digest, heard_in, write_clips
from tests.faults.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """One server for this file; each test has audio, or a journal, of its own."""
    with serving(latency=0.02) as server:
        yield server


def transcribe(server: Server, cells: list[Any], journal: Path, **options: Any) -> pd.DataFrame:
    out: pd.DataFrame = pd.DataFrame({"audio": cells}).asr.transcribe(
        "audio",
        **{"endpoint": server.endpoint, "journal": journal, "columns": "full", **options},
        progress=False,
    )
    return out


def own(cells: list[bytes]) -> list[str]:
    return [heard_in(digest(cell)) for cell in cells]


def test_equal_audio_in_several_rows_is_sent_once_whatever_the_cells_look_like(
    service: Server, tmp_path: Path
) -> None:
    paths = write_clips(tmp_path / "audio", 10)
    copies = [shutil.copy(path, f"{path}.copy.wav") for path in paths]
    contents = [Path(path).read_bytes() for path in paths]
    cells: list[Any] = [*paths, *copies, *contents, *paths]
    random.Random(3).shuffle(cells)  # noqa: S311 - no secret
    before = service.totals().arrived

    out = transcribe(service, cells, tmp_path / "journal.sqlite")

    read = [Path(cell).read_bytes() if isinstance(cell, str) else cell for cell in cells]
    first = [cell not in read[:position] for position, cell in enumerate(read)]
    assert out["transcript"].tolist() == own(read)
    assert service.totals().arrived - before == 10
    assert out["reused"].tolist() == [not pays for pays in first]


def test_duplicates_that_are_in_flight_at_the_same_time_wait_for_the_first(
    service: Server, tmp_path: Path
) -> None:
    cells = [clip(101)] * 50
    before = service.totals().arrived

    out = transcribe(service, cells, tmp_path / "journal.sqlite", concurrency=16)

    assert out["transcript"].tolist() == own(cells)
    assert service.totals().arrived - before == 1


def test_without_a_journal_duplicates_are_sent_once_and_the_next_run_pays_again(
    service: Server,
) -> None:
    cells = [clip(102)] * 5
    before = service.totals().arrived

    for runs in (1, 2):
        assert pd.DataFrame({"audio": cells}).asr.transcribe(
            "audio", endpoint=service.endpoint, journal=False, progress=False
        )["transcript"].tolist() == own(cells)
        assert service.totals().arrived - before == runs


def test_a_renamed_file_is_not_sent_again(service: Server, tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "audio", 5)
    journal = tmp_path / "journal.sqlite"
    first = transcribe(service, paths, journal)
    renamed = [str(Path(path).rename(f"{path}.renamed.wav")) for path in paths]
    before = service.totals().arrived

    second = transcribe(service, renamed, journal)

    assert service.totals().arrived == before
    assert second["transcript"].tolist() == first["transcript"].tolist()
    assert second["reused"].all()


def test_a_file_whose_audio_has_changed_gets_its_new_transcript(
    service: Server, tmp_path: Path
) -> None:
    (path,) = write_clips(tmp_path / "audio", 1)
    journal = tmp_path / "journal.sqlite"
    transcribe(service, [path], journal)
    changed = clip(103)
    Path(path).write_bytes(changed)

    out = transcribe(service, [path], journal)

    assert out["transcript"].tolist() == own([changed])


def test_a_copy_that_comes_to_lie_where_another_clip_was_is_known_by_its_content(
    service: Server, tmp_path: Path
) -> None:
    one, other = write_clips(tmp_path / "audio", 2)
    contents = [Path(path).read_bytes() for path in (one, other)]
    journal = tmp_path / "journal.sqlite"
    transcribe(service, [one, other], journal)
    Path(one).rename(tmp_path / "aside.wav")
    Path(other).rename(one)
    before = service.totals().arrived

    out = transcribe(service, [one, str(tmp_path / "aside.wav")], journal)

    assert out["transcript"].tolist() == own(contents[::-1])
    assert service.totals().arrived == before


@pytest.mark.parametrize(
    "changes",
    [{"language": "de"}, {"context": "Names: Kvarnholm"}, {"itn": True}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_settings_are_another_question(
    service: Server, tmp_path: Path, changes: dict[str, Any]
) -> None:
    cells = [clip(104)]
    journal = tmp_path / "journal.sqlite"
    transcribe(service, cells, journal)
    before = service.totals().arrived

    transcribe(service, cells, journal, **changes)
    transcribe(service, cells, journal, **changes)
    transcribe(service, cells, journal)

    assert service.totals().arrived - before == 1


def test_another_model_is_another_question(service: Server, tmp_path: Path) -> None:
    cells = [clip(105)]
    journal = tmp_path / "journal.sqlite"
    other = asr_pandas.Endpoint(service.url, model="another", api_key="sk-test-0123456789")
    transcribe(service, cells, journal)
    before = service.totals().arrived

    transcribe(service, cells, journal, endpoint=other)
    transcribe(service, cells, journal, endpoint=other)

    assert service.totals().arrived - before == 1


def test_how_an_answer_travels_is_not_part_of_the_question(service: Server, tmp_path: Path) -> None:
    cells = [clip(106)]
    journal = tmp_path / "journal.sqlite"
    transcribe(service, cells, journal, stream=True)
    before = service.totals().arrived

    out = transcribe(service, cells, journal, stream=False)

    assert out["transcript"].tolist() == own(cells)
    assert service.totals().arrived == before


def test_who_wants_to_pay_again_does(service: Server, tmp_path: Path) -> None:
    cells = [clip(107)] * 3
    journal = tmp_path / "journal.sqlite"
    transcribe(service, cells, journal)
    before = service.totals().arrived

    out = transcribe(service, cells, journal, reuse=False)

    assert service.totals().arrived - before == 1
    assert out["reused"].tolist() == [False, True, True]


def test_processes_over_the_same_frame_at_the_same_time_pay_once(
    service: Server, tmp_path: Path
) -> None:
    paths = write_clips(tmp_path / "audio", 150)
    before = service.totals().arrived
    # Two ask for the same rows at the same time; a third comes from the other end.
    tasks = [
        Task(
            url=service.url,
            paths=order,
            journal=tmp_path / "journal.sqlite",
            home=tmp_path,
            saved=tmp_path / f"{number}.parquet",
        )
        for number, order in enumerate((paths, paths, paths[::-1]))
    ]

    children = [task.start() for task in tasks]
    frames = [task.result(child) for task, child in zip(tasks, children, strict=True)]

    for out in frames:
        assert out["transcript"].tolist() == own([Path(p).read_bytes() for p in out["audio"]])
    assert service.totals().arrived - before == 150
    assert sum(int((~out["reused"]).sum()) for out in frames) == 150
