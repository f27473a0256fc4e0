"""A row in, what its audio holds out: read, hashed, decoded and listened to. Runs in threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asr_pandas.audio.cells import Reading, read
from asr_pandas.audio.convert import converted
from asr_pandas.audio.decode import TooLong
from asr_pandas.audio.fit import fit, refuse_too_large
from asr_pandas.errors import AudioError, JournalError
from asr_pandas.plan.found import SIZE, Found, facts
from asr_pandas.plan.headers import CONVERTED, address_of, described, refused, source_of
from asr_pandas.plan.listening import listened

if TYPE_CHECKING:
    from asr_pandas.model import Clip
    from asr_pandas.run.question import Identities

_MEASURED_ALIKE: Final = 0.05  # seconds; resampling and padding differ by less

_UNKNOWN: Final = (
    "its host tells nothing that changes with the content: another run asks, and pays, again, "
    "unless fetch=True"
)


def heard(cell: object, *, identities: Identities, fetch: bool) -> Found:
    """Learn all that can be learned of a row's audio without sending it.

    Parameters
    ----------
    cell : object
        Anything that `read` takes, or does not.
    identities : Identities
        Ask hosts and stores; their journal remembers what is in a file, so that the run does not
        read it to know.
    fetch : bool
        Whether addresses are downloaded, as in `transcribe`; else their hosts are asked alone.
    """
    source = source_of(cell)
    found = Found(source=source)
    try:
        if source == "none":
            return found
        if source in {"http", "store"} and not fetch:
            found = replace(found, same=address_of(cell))
            return _asked(cell, found, identities)
        clip = read(cell, Reading(fetch=fetch, stores=identities.stores))
        identities.remember(clip)
        found = described(clip, source, identity=clip.identity)
        return found if found.error else _listened(clip, found)
    except AudioError as error:
        return refused(found, error)
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - any bytes, any object: one row is a value
        message = f"cannot be read: {type(error).__name__}"
        return refused(found, AudioError(message))


def _asked(cell: object, found: Found, identities: Identities) -> Found:
    # A run without a journal has no use for the answer.
    if identities.journal.path is None:
        return found
    identity = identities.of_address(cell)
    if identity is None:
        return replace(found, asked=True, message=_UNKNOWN)
    found = replace(found, asked=True, same=identity, identity=identity)
    size = facts(identity).get(SIZE, "")
    # What is at a public address is fetched by the service, whatever its size.
    if found.source == "http" or not (size.isascii() and size.isdecimal()):
        return found
    found = replace(found, size=int(size))
    try:
        refuse_too_large(repr(identity.partition("|")[0]), int(size))
    except AudioError as error:
        return refused(found, error)
    return found


def _listened(clip: Clip, found: Found) -> Found:
    sent = converted(clip)
    if sent is not clip:
        found = replace(found, size=sent.size, message=CONVERTED)
        fit(sent)
    try:
        sound = listened(sent.encoded(), counted=sent.exact)
    except TooLong as error:
        message = (
            f"{clip.name}: lasts more than {error.limit:.0f} s, which is what the service takes, "
            f"and not {clip.duration or 0:,.1f} s as its header says. Hint: cut it into pieces."
        )
        return refused(found, AudioError(message, kind="too_long"))
    except AudioError:
        message = f"{clip.name}: cannot be decoded here; it is sent all the same."
        return replace(found, sound="undecodable", message=message)
    told = found.duration
    alike = told is not None and abs(told - sound.duration) < _MEASURED_ALIKE
    return replace(
        found,
        sound="silent" if sound.is_silent else "audible",
        duration=told if alike else sound.duration,
        exact=True,
    )
