"""Recorded telephone prompts from Debian: found installed or in the cache, else fetched.

Real people read them, in English, Spanish and French, and a text says what they read. The
recordings are CC-BY-SA-3.0, so they are installed and never part of this package; each Debian
package's `copyright` file names the speakers.

Both places look alike: a folder in which the packages are unpacked, the root of the file system
or one in the user's cache.
"""

from __future__ import annotations

import gzip
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from asr_pandas.errors import SamplesMissing

SPEAKERS = {"en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "fr_CA_f_June"}
"""Language code → the folder of its recordings."""
PACKAGES = tuple(
    f"asterisk-core-sounds-{language}{part}" for language in SPEAKERS for part in ("", "-wav")
)
INSTALLED = Path("/")
FETCH_TIMEOUT = 900.0
"""Seconds for one command; about 60 MB are downloaded."""

_REMARK = re.compile(r"(\[[^]]*\]|\([^)]*\)|<[^>]*>)\s*$")
# One French line has lost its end: "… sur dièse.vm-review-nonurgent: Pour …".
_LOST_BREAK = re.compile(r"(?<=\.)(?=[a-z]+-[a-z-]+: )")
# Started by root, apt-get changes to a user who may not enter our temporary folder.
_AS_CALLER = ("-o", "APT::Sandbox::User=root")
# Without it, an update that reaches nobody counts as done.
_ALL_OR_ERROR = ("-o", "APT::Update::Error-Mode=any")
_log = logging.getLogger(__name__)


def parse_texts(text: str) -> dict[str, str]:
    r"""Read which words each recording holds.

    Remarks in brackets at the end of a line ("at [@]", "(simple tone sound plays)") are not
    spoken and left out; so are lines that hold nothing else, and comments. Where a name stands
    twice its first line counts.

    Parameters
    ----------
    text
        Lines ``name: words``; names may have a folder, comments start with ``;``.

    Returns
    -------
    dict
        Name → words, in the order of the lines.

    Examples
    --------
    >>> parse_texts("; English\ndigits/1: one\nbeep: [a simple tone]")
    {'digits/1': 'one'}
    """
    spoken: dict[str, str] = {}
    for line in _LOST_BREAK.sub("\n", text).split("\n"):
        name, colon, words = line.partition(":")
        words = " ".join(_REMARK.sub("", words).split())
        if colon and words and not line.startswith(";"):
            spoken.setdefault(name.strip(), words)
    return spoken


def prompts(root: Path) -> list[tuple[Path, str, str]]:
    """List the recordings under a root whose words are known.

    Parameters
    ----------
    root
        A folder in which the packages are unpacked, see `prompts_root`.

    Returns
    -------
    list
        (audio file, words, language code), language by language in the order of the texts.
    """
    return [
        (audio, words, language)
        for language in SPEAKERS
        for name, words in parse_texts(_texts(root, language)).items()
        if (audio := _speech(root, language) / f"{name}.wav").is_file()
    ]


def prompts_root(
    *, installed: Path = INSTALLED, cached: Path | None = None, fetch: bool = True
) -> Path:
    """Find the folder that holds the prompts; fetch them where they are nowhere.

    Parameters
    ----------
    installed
        Where the system's packages are unpacked.
    cached
        Where fetched ones are kept; a folder in the user's cache by default.
    fetch
        Whether they may be downloaded (60 MB) where they are in neither place.

    Returns
    -------
    Path
        `installed` or `cached`, whichever has all three languages.

    Raises
    ------
    SamplesMissing
        If they are in neither place and cannot be fetched.
    """
    import platformdirs

    cached = cached or platformdirs.user_cache_path("asr-pandas") / "prompts"
    if _has_prompts(installed):
        return installed
    if _has_prompts(cached):
        return cached
    if not fetch:
        why = "fetch=False says not to download them"
        raise _missing(why)
    _fetch(cached)
    return cached


def _has_prompts(root: Path) -> bool:
    # Slim images install packages without /usr/share/doc, so the speech alone is not enough.
    return all(
        _text_file(root, language).is_file() and _speech(root, language).is_dir()
        for language in SPEAKERS
    )


def _speech(root: Path, language: str) -> Path:
    return root / "usr/share/asterisk/sounds" / SPEAKERS[language]


def _text_file(root: Path, language: str) -> Path:
    folder = root / "usr/share/doc" / f"asterisk-core-sounds-{language}"
    return folder / f"core-sounds-{language}.txt.gz"


def _texts(root: Path, language: str) -> str:
    return gzip.decompress(_text_file(root, language).read_bytes()).decode("utf-8")


def _fetch(target: Path) -> None:
    """Download and unpack the packages as an ordinary user; `target` is whole or not there."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        why = "apt-get and dpkg-deb are not on this machine to fetch them"
        raise _missing(why)
    _log.info("fetching the telephone prompts (60 MB) into %s", target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"the cache folder {target.parent} cannot be made: {error.strerror}"
        raise _missing(why) from error
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".prompts-") as scratch:
        _download(Path(scratch))
        _unpack(Path(scratch), Path(scratch) / "root")
        _move(Path(scratch) / "root", target)


def _download(scratch: Path) -> None:
    download = ("download", *PACKAGES)
    try:
        _run("apt-get", *_AS_CALLER, *download, folder=scratch)
    except SamplesMissing:
        # The machine's package lists are empty or old; ours need no root.
        (scratch / "lists/partial").mkdir(parents=True)
        own = ("-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache")
        _run("apt-get", *_AS_CALLER, *_ALL_OR_ERROR, *own, "update", folder=scratch)
        _run("apt-get", *_AS_CALLER, *own, *download, folder=scratch)


def _unpack(downloaded: Path, root: Path) -> None:
    for package in sorted(downloaded.glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root), folder=downloaded)
    if not _has_prompts(root):
        why = "the packages that apt-get fetched do not hold them"
        raise _missing(why)


def _move(root: Path, target: Path) -> None:
    try:
        root.replace(target)
    except OSError:
        # Another process was first, or an older fetch was damaged.
        if not _has_prompts(target):
            shutil.rmtree(target)
            root.replace(target)


def _run(*command: str, folder: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - no shell, and no part comes from a user
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            timeout=FETCH_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        why = f"{command[0]} did not end within {FETCH_TIMEOUT:.0f} s"
        raise _missing(why) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["nothing"]
        said = next((line for line in lines if line.startswith("E:")), lines[-1])
        why = f"{command[0]} ended with {error.returncode} and said: {said}"
        raise _missing(why) from error


def _missing(why: str) -> SamplesMissing:
    return SamplesMissing(
        f"The telephone prompts are neither installed nor in the cache, and {why}.\n\n"
        f"Hint: on Debian or Ubuntu, sudo apt-get install {' '.join(PACKAGES)}; "
        'elsewhere use samples("bundled"), which needs nothing.'
    )
