"""Where an account's state is kept: in memory, or in a file that the machine's processes share.

Neither the key nor the secret is in the file, only what HMAC makes of them. Whatever goes wrong
with the file, the run goes on alone.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from asr_pandas.run.pace.account import Account, Grant
from asr_pandas.run.pace.learning import Learned, Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Account], tuple[Account, Grant]]

_FILE: Final = "pacing.sqlite"
_SECRET: Final = "pacing.secret"  # noqa: S105 - a file's name
_SECRET_BYTES: Final = 32
_BUSY: Final = 0.1  # seconds for which another process may hold the file
_ATTEMPTS: Final = 3  # failures in a row after which the file is left alone
# The name holds the form of the states, so that another version's are not read.
_TABLE: Final = "CREATE TABLE IF NOT EXISTS accounts_1 (id TEXT PRIMARY KEY, state BLOB NOT NULL)"
_READ: Final = "SELECT state FROM accounts_1 WHERE id = ?"
_WRITE: Final = "INSERT OR REPLACE INTO accounts_1 VALUES (?, ?)"


class Slots(Protocol):
    """Keeps one account's state."""

    @property
    def slow(self) -> bool:
        """Whether an update may wait for a disk, or for another process."""

    def update(self, change: Change) -> tuple[Account, Grant]:
        """Change the state as one step, which no other one falls into."""


class Private:
    """In memory, for one event loop."""

    slow: Final = False

    def __init__(self, account: Account | None = None) -> None:
        self._account = account or Account()

    def update(self, change: Change) -> tuple[Account, Grant]:
        """Change the state."""
        self._account, grant = change(self._account)
        return self._account, grant


class Shared:
    """In a SQLite file. A connection lives for one update: no fork and no thread can share it.

    Parameters
    ----------
    path : Path
        The file; it is made where it is missing.
    account : str
        The row's id, as `account_id` makes it.
    """

    slow: Final = True

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._id = account
        self._failures = 0
        self._alone = Private()

    def update(self, change: Change) -> tuple[Account, Grant]:
        """Change the state in the file; alone, from what was last seen, where that fails."""
        if self._failures < _ATTEMPTS:
            try:
                account, grant = self._transaction(change)
            except (sqlite3.Error, OSError):
                self._failures += 1
            else:
                self._failures = 0
                self._alone = Private(account)
                return account, grant
        return self._alone.update(change)

    def _transaction(self, change: Change) -> tuple[Account, Grant]:
        _made(self._path)
        with closing(sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None)) as file:
            # What a power cut loses is a few seconds of pacing.
            file.execute("PRAGMA synchronous=OFF")
            file.execute("BEGIN IMMEDIATE")
            file.execute(_TABLE)
            row = file.execute(_READ, (self._id,)).fetchone()
            account, grant = change(_decoded(row[0]) if row else Account())
            file.execute(_WRITE, (self._id, orjson.dumps(account, default=tuple)))
            file.execute("COMMIT")
        return account, grant


def shared(*, host: str, model: str, api_key: str | None, folder: Path | None = None) -> Slots:
    """Open what the machine's processes share about an account.

    Parameters
    ----------
    host, model : str
        Who is asked for what: limits are told per model.
    api_key : str or None
        What tells accounts apart; it is not kept.
    folder : Path, optional
        By default the user's state folder.

    Returns
    -------
    Slots
        In memory where the folder cannot be used.
    """
    try:
        folder = folder or _state_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        secret = _secret(folder / _SECRET)
    except (OSError, RuntimeError):
        return Private()
    return Shared(folder / _FILE, account_id(host, model, api_key, secret=secret))


def account_id(host: str, model: str, api_key: str | None, *, secret: bytes) -> str:
    """Name an account so that nobody can tell its key.

    Examples
    --------
    >>> len(account_id("dashscope.example", "qwen3-asr-flash", None, secret=bytes(32)))
    64
    """
    return hmac.new(secret, orjson.dumps([host, model, api_key]), sha256).hexdigest()


def _state_folder() -> Path:
    import platformdirs

    return platformdirs.user_state_path("asr-pandas")


def _secret(path: Path) -> bytes:
    """Read the machine's secret, or make it; the first process to come wins."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        _made(draft)
        try:
            draft.write_bytes(secrets.token_bytes(_SECRET_BYTES))
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise OSError(f"{path.name} is not a secret of {_SECRET_BYTES} bytes")
    return secret


def _made(path: Path) -> None:
    """Make a file that only its owner can read, where it is missing."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _decoded(state: bytes) -> Account:
    """Read a state; one that cannot be read is a new account's."""
    try:
        fields: dict[str, Any] = orjson.loads(state)
        learned = fields.pop("learned")
        if learned is not None:
            learned = Learned(**{**learned, "mark": Slot(*learned["mark"])})
        return Account(**fields, learned=learned)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Account()
