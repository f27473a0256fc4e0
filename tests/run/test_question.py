"""What is asked about a row, and what its clip is known by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asr_pandas.audio.cells import Reading, read
from asr_pandas.model import Clip, Payload
from asr_pandas.run import keys
from asr_pandas.run.journal.journal import Journal, Known
from asr_pandas.run.question import Asked, Identities, Row
from tests.run.told import CLIP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ASKED = Asked(service="qwen_chat h/v1", model="m", itn=True, stream=True)
ROW = Row(position=3, cell="a.wav", language="de", context="Kvarnholm")
URL = "https://example.org/a.wav?Signature=secret&Expires=9"


def test_a_request_has_everything_that_was_asked() -> None:
    payload = Payload(url="https://example.org/a.wav")

    request = ASKED.request(ROW, payload)

    assert request.payload is payload
    assert (request.model, request.language, request.context) == ("m", "de", "Kvarnholm")
    assert (request.itn, request.stream) == (True, True)


def test_a_key_and_a_question_are_made_of_the_row_and_of_what_is_asked_about_all() -> None:
    asked: dict[str, Any] = {"language": "de", "itn": True, "context": "Kvarnholm"}

    assert ASKED.key(ROW, "id") == keys.key("id", service="qwen_chat h/v1", model="m", **asked)
    assert ASKED.question(ROW, "id") == keys.question("id", **asked)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def rows(*cells: object) -> list[Row]:
    return [Row(position=position, cell=cell) for position, cell in enumerate(cells)]


def remembered(journal: Journal, path: Path) -> str:
    clip = read(path, Reading())
    assert clip.file is not None
    assert clip.identity is not None
    known = Known(identity=clip.identity, duration=1.0, exact=True, container="wav")
    journal.remember(clip.file, known)
    return clip.identity


def test_at_a_glance_bytes_are_known_and_files_that_have_not_changed(
    journal: Journal, tmp_path: Path
) -> None:
    known, new, changed = (tmp_path / name for name in ("known.wav", "new.wav", "changed.wav"))
    for path in (known, new, changed):
        path.write_bytes(CLIP)
    identity = remembered(journal, known)
    remembered(journal, changed)
    changed.write_bytes(CLIP + b"\0")

    seen = Identities(journal=journal).at_a_glance(
        rows(CLIP, str(known), {"bytes": None, "path": str(known)}, new, changed, {"bytes": CLIP})
    )

    assert seen == [identity, identity, identity, None, None, identity]


def test_a_glance_never_fails_whatever_is_in_a_cell(journal: Journal, tmp_path: Path) -> None:
    class Evil:
        def __fspath__(self) -> str:
            raise ZeroDivisionError

    cells: list[object] = [
        None,
        float("nan"),
        "",
        "nowhere.wav",
        tmp_path,
        "a\0b",
        3,
        [],
        Evil(),
        URL,
        "s3://b/a",
    ]

    assert Identities(journal=journal).at_a_glance(rows(*cells)) == [None] * len(cells)


# Addresses.


def head(_: str) -> Mapping[str, str]:
    return {"ETag": '"5d41"', "Content-Length": "160044"}


def test_an_address_is_known_by_what_its_host_tells_without_its_signature(journal: Journal) -> None:
    identities = Identities(journal=journal, head=head)

    for cell in (URL, f" {URL}\n", "https://example.org/a.wav?Signature=other&Expires=1"):
        assert identities.of_address(cell) == 'https://example.org/a.wav|etag="5d41"|size=160044'


def test_what_is_in_a_store_is_known_by_what_the_store_tells(journal: Journal) -> None:
    import fsspec  # type: ignore[import-untyped]

    with fsspec.open("memory://bucket/a.wav", "wb") as file:
        file.write(CLIP)

    identity = Identities(journal=journal).of_address("memory://bucket/a.wav")

    assert identity is not None
    assert identity.startswith("memory://bucket/a.wav|created=")
    assert identity.endswith(f"|size={len(CLIP)}")


@pytest.mark.parametrize(
    "cell", [CLIP, "a.wav", Path("a.wav"), "data:audio/wav;base64,UklGRg==", 3]
)
def test_what_is_here_is_no_address(journal: Journal, cell: object) -> None:
    assert Identities(journal=journal, head=head).of_address(cell) is None


def test_without_a_journal_nobody_is_asked_about_an_address() -> None:
    def ask(_: str) -> Mapping[str, str]:
        raise AssertionError

    with Journal(None) as journal:
        assert Identities(journal=journal, head=ask).of_address(URL) is None


def test_a_clip_that_was_read_is_known_by_its_content(journal: Journal) -> None:
    identities = Identities(journal=journal)

    assert identities.of(Clip(name="a", identity="sha256:00")) == "sha256:00"


def test_an_address_of_which_nothing_is_known_is_itself_for_this_run_alone(
    journal: Journal,
) -> None:
    this, next_ = Identities(journal=journal), Identities(journal=journal)
    clip, other = Clip(name="a", url=URL), Clip(name="a", url=f"{URL}&file=2")

    assert this.of(clip) == this.of(clip)
    assert this.of(clip) != this.of(other)  # its parameters may name the file
    assert this.of(clip) != next_.of(clip)
    assert this.of(clip).endswith("https://example.org/a.wav")
    assert "secret" not in this.of(clip)
