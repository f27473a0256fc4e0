"""Who is asking what at this moment: a lock file for each journal that is open.

The operating system frees a lock at the very death of its process, so that nobody waits for the
dead. Everything here is called inside a write transaction of the journal: one at a time, over all
processes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

# Over a network, a lock does not hold against the process that has it: what is ours is noted here.
_HERE: Final[dict[str, int]] = {}


class Owner:
    """One open journal's name among those who have claims.

    Parameters
    ----------
    journal : Path
        The database; the lock files lie in a folder beside it.
    """

    def __init__(self, journal: Path) -> None:
        self.name = uuid4().hex
        self._folder = journal.with_name(f"{journal.name}.owners")
        self._lock: BaseFileLock | None = None

    def appear(self) -> list[str]:
        """Take a lock, once, by which the others see that this process lives.

        Returns
        -------
        list of str
            Names of dead owners that left their files.

        Raises
        ------
        OSError
            The file cannot be made, or locked.
        """
        if self._lock is not None:
            return []
        self._folder.mkdir(mode=0o700, exist_ok=True)
        dead = [file.stem for file in self._folder.glob("*.lock") if not self.lives(file.stem)]
        lock = _lock_of(self._file(self.name))
        lock.acquire(timeout=0)
        self._lock = lock
        _HERE[self.name] = os.getpid()
        return dead

    def lives(self, name: str) -> bool:
        """Tell whether an owner's process is there; a dead one's file is removed."""
        from filelock import Timeout

        if _HERE.get(name) == os.getpid():
            return True
        file = self._file(name)
        if not file.exists():
            return False
        try:
            with _lock_of(file):
                pass
        except Timeout:
            return True
        file.unlink(missing_ok=True)
        return False

    def leave(self) -> None:
        """Give the lock back."""
        if self._lock is None:
            return
        self._lock.release(force=True)
        self._lock = None
        _HERE.pop(self.name, None)
        self._file(self.name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


def _lock_of(file: Path) -> BaseFileLock:
    from filelock import FileLock

    # One thread takes it, another may give it back.
    return FileLock(file, timeout=0, mode=0o600, thread_local=False)
