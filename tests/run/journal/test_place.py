"""Where a journal can be, and what is said where it cannot."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.errors import JournalError
from asr_pandas.run.journal import database
from asr_pandas.run.journal import place as places
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.place import file_system, on_network, place
from tests.run.journal.journals import answer, key, record

if TYPE_CHECKING:
    from collections.abc import Callable

on_posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")

MOUNTS = r"""21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw shared:5 - proc proc rw
30 21 0:40 / /home rw shared:3 - nfs4 host:/home rw
31 30 0:41 / /home/my\040disk rw - fuse.sshfs me@host:/ rw
32 30 8:2 / /home/local rw shared:1 master:2 - xfs /dev/sdb1 rw
33 32 0:42 / /home/local rw - cifs //host/share rw
not a mount"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/journal.sqlite", "ext4"),
        ("/homes/journal.sqlite", "ext4"),
        ("/home/a/journal.sqlite", "nfs4"),
        ("/home/my disk/journal.sqlite", "fuse.sshfs"),
        ("/home/local/journal.sqlite", "cifs"),
    ],
)
def test_the_nearest_and_latest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


@given(mounts=st.text())
def test_any_text_can_stand_where_the_mounts_are_listed(mounts: str) -> None:
    file_system(Path("/home/journal.sqlite"), mounts)


def test_without_a_list_of_mounts_nothing_is_on_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "_MOUNTS", tmp_path / "none")

    assert not on_network(tmp_path)


@pytest.mark.parametrize(
    ("option", "there"),
    [
        (True, "variable"),
        (False, None),
        ("here.sqlite", "here.sqlite"),
        ("~/here.sqlite", "home/here.sqlite"),
        (Path("a") / ".." / "there", "there"),
    ],
)
def test_the_journal_is_where_the_argument_or_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: Any, there: str | None
) -> None:
    monkeypatch.setenv("ASR_PANDAS_JOURNAL", str(tmp_path / "variable"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    assert place(option) == (there and tmp_path / there)


@pytest.mark.parametrize("option", [True])
def test_else_it_is_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, option: Any) -> None:
    monkeypatch.setenv("ASR_PANDAS_JOURNAL", "")

    assert place(option) == platformdirs.user_data_path("asr-pandas") / "journal.sqlite"


@on_posix
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.sqlite"
    before = os.umask(0)
    try:
        with Journal(path) as journal:
            journal.write([record("a")])
            journal.claim([key("b")])
            modes = {
                str(made.relative_to(tmp_path)): stat.S_IMODE(made.stat().st_mode)
                for made in tmp_path.rglob("*")
                if made.suffix != ".lock"
            }
            locks = [stat.S_IMODE(lock.stat().st_mode) for lock in tmp_path.rglob("*.lock")]
    finally:
        os.umask(before)

    assert modes == {
        "new": 0o700,
        "new/journal.sqlite": 0o600,
        "new/journal.sqlite-shm": 0o600,
        "new/journal.sqlite-wal": 0o600,
        "new/journal.sqlite.owners": 0o700,
    }
    assert locks == [0o600]


@on_posix
def test_a_file_that_others_could_read_is_tightened(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.touch(0o644)
    path.chmod(0o644)

    Journal(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _a_folder(path: Path) -> None:
    path.mkdir()


def _no_database(path: Path) -> None:
    path.write_bytes(b"RIFF, and other bytes that are no database at all. " * 100)


def _another_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE customers (name TEXT)")
    db.close()


def _a_newer_one(path: Path) -> None:
    Journal(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {database.FORM + 1}")
    db.close()


def _a_broken_one(path: Path) -> None:
    with Journal(path) as journal:
        journal.write([record(str(number)) for number in range(200)])
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    content[28:32] = b"\xff" * 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (_a_folder, "it is a folder"),
        (_no_database, "not a database"),
        (_another_database, "a database of something else"),
        (_a_newer_one, "a newer asr-pandas"),
        (_a_broken_one, "malformed"),
    ],
)
def test_what_cannot_be_a_journal_is_refused_with_the_ways_out(
    tmp_path: Path, made: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "journal.sqlite"
    made(path)

    with pytest.raises(JournalError, match=why) as refused:
        Journal(path)

    message = str(refused.value)
    assert str(path) in message
    assert "journal=" in message
    assert "ASR_PANDAS_JOURNAL" in message


def test_a_file_in_the_way_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "file" / "journal.sqlite")


@on_posix
def test_a_journal_that_cannot_be_written_is_refused_before_there_is_something_to_lose(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    path.chmod(0o400)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write anything")

    with pytest.raises(JournalError, match="readonly"):
        Journal(path)


def test_a_path_that_none_can_be_is_told() -> None:
    with pytest.raises(JournalError, match="journal="):
        place("a\0b")


def test_on_a_network_file_system_it_works_without_a_shared_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("1 0 0:1 / / rw - nfs4 host:/ rw\n")
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.write([record("a")])
    monkeypatch.setattr(places, "_MOUNTS", mounts)

    with Journal(path) as journal, Journal(path) as other:
        journal.write([record("b")])
        assert other.find([key("a"), key("b")]) == {key("a"): answer(), key("b"): answer()}
        assert not path.with_name("journal.sqlite-wal").exists()


def test_on_a_network_file_system_nobody_may_have_it_open_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("1 0 0:1 / / rw - nfs4 host:/ rw\n")
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.write([record("a")])
        monkeypatch.setattr(places, "_MOUNTS", mounts)
        monkeypatch.setattr(database, "_SWITCH_WAITS", (0.0, 0.0))
        with pytest.raises(JournalError, match="network file system"):
            Journal(path)
