"""What the journal finds an answer by: the audio and every option that may change it. Pure.

The digest is of the source audio, never of a re-encoding, and `stream` is left out: it changes how
an answer travels, not what it says.
"""

from __future__ import annotations

import json
from hashlib import sha256

_FORM = 1  # to be raised when what goes into a key changes its meaning


def key(  # noqa: PLR0913 - all that may change an answer
    audio: str,
    *,
    service: str,
    model: str,
    language: str | None,
    itn: bool,
    context: str | None,
) -> bytes:
    """Digest what determines an answer.

    Parameters
    ----------
    audio : str
        The clip's identity.
    service : str
        Dialect and address, or the local recogniser's weights and decoding options.
    model : str
        The model that is asked for.
    language, itn, context
        As in `transcribe`.

    Returns
    -------
    bytes
        32 of them.
    """
    return _digest([_FORM, service, model, audio, language, itn, context or None])


def question(audio: str, *, language: str | None, itn: bool, context: str | None) -> bytes:
    """Digest what is asked, whoever answers: how a notebook is replayed without a service.

    Returns
    -------
    bytes
        32 of them.
    """
    return _digest([_FORM, audio, language, itn, context or None])


def _digest(parts: list[object]) -> bytes:
    # Not orjson: half of a character, which a file name may hold, has to be something too.
    return sha256(json.dumps(parts).encode()).digest()
