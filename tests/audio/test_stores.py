"""Files in stores are known by what their store says, and read within bounds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
import pytest

from asr_pandas.audio import stores
from asr_pandas.audio.stores import Stores, identity_of_info, is_stored
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIO = b"audio" * 1_000
DIGEST = "ab" * 32


@pytest.fixture
def memory() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    store.pipe("/calls/a.wav", AUDIO)
    yield store
    store.rm("/", recursive=True)


@pytest.mark.parametrize(
    "cell",
    [
        "s3://bucket/a.wav",
        "s3a://bucket/a.wav",
        "gs://bucket/a.wav",
        " GCS://bucket/a.wav ",
        "az://calls/a.wav",
        "abfs://calls@account.dfs.core.windows.net/a.wav",
        "abfss://calls@account.dfs.core.windows.net/a.wav",
        "oss://bucket/a.wav",
        "hf://datasets/me/calls@main/a.wav",
        "ftp://me:secret@example.org/a.wav",
        "memory://a.wav",
    ],
)
def test_a_plain_address_in_a_store_is_one(cell: str) -> None:
    assert is_stored(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "a.wav",
        "s3:a.wav",
        "s3://",
        "https://example.org/a.wav",
        "file:///etc/passwd",
        "file::memory://a.wav",
        "local:///etc/passwd",
        "zip://a.wav::s3://bucket/a.zip",
        "simplecache::s3://bucket/a.wav",
        "filecache::memory://a.wav",
        "memory://a.wav::file:///etc/passwd",
        "dir://a::file:///etc",
        "github://owner:repo@main/a.wav",
        "sftp://me@example.org/a.wav",
        "ssh://me@example.org/a.wav",
        "reference://a.wav",
        "ftp://example.org/a\r\nDELE b.wav",
        "\u017f3://bucket/a.wav",
        b"s3://bucket/a.wav",
        None,
    ],
)
def test_what_reaches_further_is_none(cell: object) -> None:
    assert not is_stored(cell)


def test_an_address_made_to_take_long_takes_no_time() -> None:
    assert is_stored(f"s3://{':a' * 100_000}")
    assert not is_stored("a" * 200_000)


@pytest.mark.parametrize(
    ("info", "known"),
    [
        ({"ETag": '"5d41"', "VersionId": "3HL4", "size": 9}, 'etag="5d41"|size=9'),
        ({"ETag": None, "VersionId": "3HL4", "size": 9}, "versionid=3HL4|size=9"),
        ({"generation": "17", "etag": "CJ+", "size": 9}, "generation=17|size=9"),
        ({"md5Hash": "XUFAKg==", "generation": "17", "size": 9}, "md5hash=XUFAKg==|size=9"),
        (
            {"etag": "0x8D4", "content_settings": {"content_md5": b"x"}, "size": 9},
            "etag=0x8D4|size=9",
        ),
        ({"blob_id": "8f1e", "lfs": None, "size": 9}, "blob_id=8f1e|size=9"),
        ({"ETag": '"5d41"'}, 'etag="5d41"'),
        ({"modify": "20261122180000", "size": 9}, "modify=20261122180000|size=9"),
        ({"mtime": 1795371157.5, "size": 9}, "mtime=1795371157.5|size=9"),
        (
            {
                "VersionId": "null",
                "LastModified": datetime(2026, 11, 22, 18, tzinfo=UTC),
                "size": 9,
            },
            "lastmodified=2026-11-22T18:00:00+00:00|size=9",
        ),
        (
            {"created": datetime(2026, 11, 22, 20, tzinfo=timezone(timedelta(hours=2))), "size": 9},
            "created=2026-11-22T18:00:00+00:00|size=9",
        ),
        (
            {"created": datetime(2026, 11, 22, 20), "size": 0},  # noqa: DTZ001 - as stores say it
            "created=2026-11-22T20:00:00|size=0",
        ),
    ],
)
def test_what_changes_with_the_content_identifies_it(info: dict[str, Any], known: str) -> None:
    assert identity_of_info("s3://calls/a.wav", info) == f"s3://calls/a.wav|{known}"


@pytest.mark.parametrize(
    "info", [{}, {"size": 9}, {"mtime": 1.5}, {"etag": "", "VersionId": "null", "size": 9}]
)
def test_where_a_store_says_nothing_telling_nothing_is_known(info: dict[str, Any]) -> None:
    assert identity_of_info("s3://calls/a.wav", info) is None


def test_a_digest_that_a_store_measured_is_that_of_a_local_file() -> None:
    known = identity_of_info("hf://datasets/me/a.wav", {"lfs": {"sha256": DIGEST}, "size": 9})
    other = identity_of_info("hf://datasets/me/a.wav", {"lfs": {"sha256": "?"}, "xet_hash": "1"})

    assert known == f"sha256:{DIGEST}"
    assert other == "hf://datasets/me/a.wav|xet_hash=1"


def test_a_password_is_not_kept() -> None:
    facts = {"modify": "1", "size": 9}

    known = identity_of_info("ftp://me:s3cr3t@example.org/a.wav", facts)
    container = identity_of_info("abfs://calls@account/a.wav", facts)

    assert known == "ftp://example.org/a.wav|modify=1|size=9"
    assert container == "abfs://calls@account/a.wav|modify=1|size=9"


def test_a_file_is_known_without_being_read(memory: Any) -> None:
    created = memory.info("/calls/a.wav")["created"].isoformat()

    stored = Stores().look(" MEMORY://calls/a.wav")

    assert stored.name == "'memory://calls/a.wav'"
    assert stored.size == len(AUDIO)
    assert stored.identity == f"memory://calls/a.wav|created={created}|size=5000"


def test_a_file_that_was_written_anew_is_another(memory: Any) -> None:
    stores = Stores()
    before = stores.look("memory://calls/a.wav")
    memory.pipe("/calls/a.wav", AUDIO[::-1])

    assert stores.look("memory://calls/a.wav").identity != before.identity


def test_an_address_gives_its_bytes(memory: Any) -> None:
    memory.pipe("/calls/empty.wav", b"")
    stores = Stores()

    assert stores.fetch("memory://calls/a.wav", largest=len(AUDIO)) == AUDIO
    assert stores.fetch("memory://calls/empty.wav", largest=1) == b""


@pytest.mark.usefixtures("memory")
def test_more_than_is_wanted_is_not_read() -> None:
    with pytest.raises(AudioError, match="is larger than 4,999 bytes") as caught:
        Stores().fetch("memory://calls/a.wav", largest=len(AUDIO) - 1)

    assert caught.value.kind == "too_large"


def test_a_store_that_does_not_know_the_size_is_read_within_bounds(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(type(memory), "info", lambda *_, **__: {"type": "file", "size": None})
        content = Stores().fetch("memory://calls/a.wav", largest=len(AUDIO))
        with pytest.raises(AudioError, match="is larger than 9 bytes"):
            Stores().fetch("memory://calls/a.wav", largest=9)

    assert content == AUDIO


@pytest.mark.usefixtures("memory")
def test_a_file_that_is_not_there_and_a_folder_are_told_apart() -> None:
    with pytest.raises(AudioError, match=r"calls/b\.wav'.*it is not there") as missing:
        Stores().look("memory://calls/b.wav")
    with pytest.raises(AudioError, match="is a folder") as folder:
        Stores().look("memory://calls")

    assert (missing.value.kind, folder.value.kind) == ("download", "unreadable")


@pytest.mark.parametrize(
    ("address", "package"),
    [("s3://b/a.wav", "s3fs"), ("gs://b/a.wav", "gcsfs"), ("abfss://c@a/a.wav", "adlfs")],
)
def test_a_store_whose_package_is_missing_names_it(
    address: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)  # as if it were not installed

    with pytest.raises(AudioError, match=f"Hint: pip install {package}$") as caught:
        Stores().look(address)

    assert caught.value.kind == "download"


def test_a_store_that_is_not_reached_says_so_without_its_password() -> None:
    with pytest.raises(
        AudioError, match=r"'ftp://127\.0\.0\.1:1/a\.wav': cannot be read"
    ) as caught:
        Stores().look("ftp://me:s3cr3t@127.0.0.1:1/a.wav")

    error = caught.value
    assert "s3cr3t" not in repr([error, error.__cause__, error.__context__])


@pytest.mark.parametrize("address", [f"file:///etc/{'x' * 300}", "a.wav"])
def test_a_cell_that_is_no_such_address_goes_no_further(address: str) -> None:
    with pytest.raises(AudioError, match="is not an address in a store") as caught:
        Stores().fetch(address, largest=9)

    assert len(str(caught.value)) < 300


def test_any_number_of_buckets_is_read_by_any_number_of_threads(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"memory://bucket{number}/a.wav" for number in range(20)]
    for address in addresses:
        memory.pipe(address, address.encode())
    monkeypatch.setattr(stores, "_OPEN", 3)
    shared = Stores()

    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda address: shared.fetch(address, largest=99), addresses * 3))

    assert read == [address.encode() for address in addresses * 3]
