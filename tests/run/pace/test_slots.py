"""What processes share about an account."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.run.pace import account as accounts
from asr_pandas.run.pace.account import Account, Grant
from asr_pandas.run.pace.learning import Learned, Slot
from asr_pandas.run.pace.slots import Private, Shared, account_id, shared

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_305_600.0
READY = Account(ramp=0, seen=NOW, free=NOW)
LEARNED = Learned(rate=2.0, since=0, mark=Slot(0, NOW), top=2.0, learned_at=NOW)


def one(account: Account) -> tuple[Account, Grant]:
    return accounts.take(account, NOW, limit=1.0)


def opened(folder: Path, key: str = "sk-very-secret", model: str = "m") -> Shared:
    slots = shared(host="h", model=model, api_key=key, folder=folder)
    assert isinstance(slots, Shared)
    return slots


# --- the state -----------------------------------------------------------------------------


@given(limit=st.floats(0.1, 2_000.0), waits=st.lists(st.floats(0.0, 3.0), max_size=60))
def test_slots_never_overlap_and_are_never_closer_than_the_limit(
    limit: float, waits: list[float]
) -> None:
    account, now, times = Account(), NOW, []

    for wait in waits:
        now += wait
        account, grant = accounts.take(account, now, limit=limit)
        times += [grant.at + i * grant.gap for i in range(grant.slots)]

    assert all(later - earlier > 0.999 / limit for earlier, later in pairwise(times))


def test_the_first_slots_are_further_apart() -> None:
    gaps: list[float] = []
    account, now = Account(), NOW

    while len(gaps) < 12:
        account, grant = accounts.take(account, now, limit=1.0)
        gaps += [grant.gap] * grant.slots
        now = account.free

    assert gaps[0] == pytest.approx(2.0, rel=0.01)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] == pytest.approx(1.0, rel=0.01)


def test_a_late_wake_up_shifts_no_later_slot() -> None:
    account, _ = accounts.take(READY, NOW, limit=1.0)

    after, grant = accounts.take(account, account.free + 0.4, limit=1.0)

    assert grant.at == account.free
    assert after.free == pytest.approx(account.free + grant.gap)


def test_slots_that_nobody_asked_for_are_no_burst_later() -> None:
    _, grant = accounts.take(READY, NOW + 30.0, limit=1.0)

    assert grant.at == NOW + 30.0
    assert grant.slots == 1


def test_high_rates_are_granted_in_blocks() -> None:
    _, grant = accounts.take(READY, NOW, limit=100.0)

    assert 20 <= grant.slots <= 26


def test_without_a_limit_nothing_is_granted_and_nobody_waits() -> None:
    _, grant = accounts.take(Account(), NOW, limit=None)

    assert (grant.slots, grant.wait) == (0, 0.0)


def test_the_longer_pause_counts() -> None:
    account = accounts.close(accounts.close(READY, NOW, 30.0), NOW, 10.0)

    _, grant = accounts.take(account, NOW + 5.0, limit=None)

    assert grant.wait == 25.0


@pytest.mark.parametrize("jump", [-86_400.0, -3_600.0, 86_400.0])
def test_a_clock_that_jumps_stops_nobody(jump: float) -> None:
    account, _ = accounts.take(READY, NOW, limit=1.0)
    account = accounts.close(account, NOW, 20.0)

    _, grant = accounts.take(account, NOW + jump, limit=1.0)
    _, later = accounts.take(account, NOW + jump + 21.0, limit=1.0)

    assert grant.wait <= 20.0 + 1e-3
    assert later.wait <= 20.0 + 1e-3


def test_a_burst_that_is_refused_begins_anew_more_gently() -> None:
    account, grant = accounts.take(accounts.soften(READY), NOW, limit=1.0)

    assert grant.gap == pytest.approx(2.0, rel=0.01)
    assert account.ramp > 30


def test_what_was_learned_is_forgotten_after_an_hour() -> None:
    account = replace(READY, learned=LEARNED)

    young, _ = accounts.take(account, NOW + 3_000.0, limit=None)
    old, _ = accounts.take(account, NOW + 4_000.0, limit=None)

    assert young.learned is not None
    assert old.learned is None


def test_a_known_limit_that_is_refused_is_gone_below() -> None:
    account = accounts.refuse(
        replace(READY, granted=9), Slot(9, NOW), NOW, limit=1.0, speed=50.0, wait=0.0
    )

    assert 0.9 < (accounts.pace(account, 1.0) or 0.0) < 0.99


def test_slots_that_nobody_uses_are_only_counted_where_they_matter() -> None:
    learned = accounts.drop(replace(READY, learned=LEARNED), 3).learned

    assert learned is not None
    assert learned.lost == 3
    assert accounts.drop(READY, 3) == READY


# --- in memory, and in a file --------------------------------------------------------------


def test_two_openings_share_one_line_of_slots(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)

    _, taken = first.update(one)
    _, refused = second.update(one)

    assert taken.slots == 1
    assert refused.slots == 0
    assert refused.wait > 0


def test_other_keys_and_models_have_their_own_line(tmp_path: Path) -> None:
    opened(tmp_path).update(one)

    grants = [
        opened(tmp_path, key="another").update(one)[1],
        opened(tmp_path, model="another").update(one)[1],
    ]

    assert [grant.slots for grant in grants] == [1, 1]


def test_everything_learned_comes_back_from_the_file(tmp_path: Path) -> None:
    account = replace(READY, learned=replace(LEARNED, sure=True), granted=7)
    opened(tmp_path).update(lambda _: (account, Grant()))

    found, _ = opened(tmp_path).update(lambda account: (account, Grant()))

    assert found == account


def test_processes_share_one_line_of_slots(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from asr_pandas.run.pace.slots import shared\n"
        "from asr_pandas.run.pace import account\n"
        "slots = shared(host='h', model='m', api_key='k', folder=Path(sys.argv[1]))\n"
        f"take = lambda a, i: account.take(a, {NOW} + i, limit=1.0)\n"
        "found = [slots.update(lambda a, i=i: take(a, i))[1].slots for i in range(0, 100, 5)]\n"
        "print(sum(found))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]

    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]  # noqa: S603 - our own
    taken = [int(process.communicate()[0]) for process in processes]

    assert all(process.returncode == 0 for process in processes)
    assert 20 <= sum(taken) <= 40


def test_neither_key_nor_secret_is_in_the_file(tmp_path: Path) -> None:
    opened(tmp_path).update(one)

    content = (tmp_path / "pacing.sqlite").read_bytes()

    assert b"very-secret" not in content
    assert (tmp_path / "pacing.secret").read_bytes() not in content


def test_an_account_s_name_differs_between_machines() -> None:
    names = {account_id("h", "m", "k", secret=bytes([n]) * 32) for n in range(3)}

    assert len(names) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a user's folders by other means")
def test_only_its_owner_can_read_what_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    opened(folder).update(one)

    modes = [stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]]

    assert modes == [0o700, 0o600, 0o600]


def test_the_secret_stays_the_same(tmp_path: Path) -> None:
    opened(tmp_path)
    first = (tmp_path / "pacing.secret").read_bytes()
    opened(tmp_path)

    assert len(first) == 32
    assert (tmp_path / "pacing.secret").read_bytes() == first


def test_without_a_folder_the_run_goes_on_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    slots = shared(host="h", model="m", api_key=None, folder=tmp_path / "file" / "folder")

    assert isinstance(slots, Private)


def test_a_broken_secret_leaves_the_run_alone(tmp_path: Path) -> None:
    (tmp_path / "pacing.secret").write_bytes(b"short")

    assert isinstance(shared(host="h", model="m", api_key=None, folder=tmp_path), Private)


def test_a_file_that_is_no_database_leaves_the_run_alone(tmp_path: Path) -> None:
    (tmp_path / "pacing.sqlite").write_bytes(b"no database at all" * 100)
    slots = opened(tmp_path)

    grants = [slots.update(one)[1] for _ in range(5)]

    assert [grant.slots for grant in grants] == [1, 0, 0, 0, 0]


def test_a_file_that_somebody_holds_is_not_waited_for(tmp_path: Path) -> None:
    slots = opened(tmp_path)
    before, _ = slots.update(one)
    holder = sqlite3.connect(tmp_path / "pacing.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    alone, _ = slots.update(lambda account: (account, Grant()))
    holder.close()
    again, _ = slots.update(lambda account: (account, Grant()))

    assert alone == again == before


@pytest.mark.parametrize(
    "state", [b"", b"[]", b"{}", b'{"learned": {}}', b'{"learned": null, "x": 1}']
)
def test_a_state_that_cannot_be_read_is_a_new_account_s(tmp_path: Path, state: bytes) -> None:
    slots = opened(tmp_path)
    slots.update(one)
    with sqlite3.connect(tmp_path / "pacing.sqlite") as file:
        file.execute("UPDATE accounts_1 SET state = ?", (state,))
    file.close()

    found, _ = slots.update(lambda account: (account, Grant()))

    assert found == Account()


def test_the_user_s_state_folder_is_where_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: tmp_path / name)

    shared(host="h", model="m", api_key="k").update(one)

    assert (tmp_path / "asr-pandas" / "pacing.sqlite").exists()
