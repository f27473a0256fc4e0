"""Where the journal is: an option in, a file that only its owner can read out."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Final

from asr_pandas.errors import JournalError

VARIABLE: Final = "ASR_PANDAS_JOURNAL"

_MOUNTS: Final = Path("/proc/self/mountinfo")
# What SQLite's write-ahead log cannot live on: processes on two machines share no memory.
_NETWORK: Final = frozenset(
    {
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.beegfs", "fuse.ceph",
        "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.mfs", "fuse.rclone",
        "fuse.s3fs", "fuse.sshfs", "fuse.weka", "gfs2", "glusterfs", "gpfs", "kafs", "lustre",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "smb3", "smbfs", "vboxsf", "virtiofs",
        "wekafs",
    }
)  # fmt: skip
_ESCAPES: Final = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}
_OURS_ALONE: Final = 0o600
_MAKING: Final = threading.Lock()


def place(option: bool | str | os.PathLike[str]) -> Path | None:  # noqa: FBT001 - it is the option
    """Tell where the journal is.

    Parameters
    ----------
    option : bool or path
        True: what `ASR_PANDAS_JOURNAL` names, else the user's data folder, since caches get
        purged and this is money. False: nowhere. A path: there; `~` is the home folder.

    Returns
    -------
    Path or None
        An absolute path; None for a journal that ends with the run.

    Raises
    ------
    JournalError
        The path cannot be one.
    """
    if option is False:
        return None
    named = os.environ.get(VARIABLE) if option is True else os.fspath(option)
    if named is None or (option is True and not named):
        import platformdirs

        return platformdirs.user_data_path("asr-pandas") / "journal.sqlite"
    try:
        return Path(named).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # No home folder, a link that leads to itself, a NUL character.
        raise unusable(named, str(error)) from error


def unusable(path: Path | str | None, why: str) -> JournalError:
    """Say why a journal cannot be used, and the ways out."""
    where = f"the journal {str(path)!r}" if path is not None else "the temporary journal"
    return JournalError(
        f"{where} cannot be used: {why}.\n\nHint: journal= takes another path, and so does the "
        f"environment variable {VARIABLE}; with journal=False nothing is recorded"
    )


def prepare(path: Path) -> None:
    """Make the folder and the file, or take what they let others read away from them.

    Raises
    ------
    OSError
        They cannot be made, or are not the user's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Closing a file drops every lock that this process has on it, SQLite's too. So it is opened
    # here only by who makes it, and nobody goes past before that is closed again.
    with _MAKING:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OURS_ALONE))
        except FileExistsError:
            if path.is_dir():
                raise IsADirectoryError("it is a folder") from None
            if not path.is_file():
                raise OSError("it is not a regular file") from None
    if os.name == "posix":
        for ending in ("", "-wal", "-shm", "-journal"):
            _tighten(Path(f"{path}{ending}"))


def on_network(path: Path) -> bool:
    """Tell whether a file is on a network file system, as far as Linux says; False elsewhere."""
    try:
        mounts = os.fsdecode(_MOUNTS.read_bytes())
    except OSError:
        return False
    return file_system(path, mounts) in _NETWORK


def file_system(path: Path, mounts: str) -> str | None:
    r"""Find the type of the file system that a file is on.

    Parameters
    ----------
    path : Path
        Absolute, without links.
    mounts : str
        What `/proc/self/mountinfo` holds.

    Returns
    -------
    str or None
        None where no line speaks of it.

    Examples
    --------
    >>> lines = "21 1 8:1 / / rw - ext4 /dev/sda1 rw"
    >>> lines += "\n30 21 0:40 / /home/my\\040own rw shared:3 - nfs4 host:/home rw"
    >>> file_system(Path("/home/my own/journal.sqlite"), lines)
    'nfs4'
    """
    found: tuple[int, str | None] = (-1, None)
    for line in mounts.split("\n"):
        mounted, _, rest = line.partition(" - ")
        columns = mounted.split(" ")
        if len(columns) <= 4 or not rest:  # noqa: PLR2004 - the fifth is the mount point
            continue
        at = Path(_unescaped(columns[4]))
        # A later line of the same mount point lies on top of the former.
        if path.is_relative_to(at) and len(at.parts) >= found[0]:
            found = (len(at.parts), rest.split(" ")[0])
    return found[1]


def _unescaped(point: str) -> str:
    for escape, character in _ESCAPES.items():
        point = point.replace(escape, character)
    return point


def _tighten(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    if mode & 0o077:
        path.chmod(mode & 0o700)
