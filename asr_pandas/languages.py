"""The 27 language codes of Qwen3-ASR-Flash, and the tags that people write for them."""

from __future__ import annotations

import re
from typing import Final

from asr_pandas.errors import OptionError

# Codes and their order: vendor's docs. Beside each: its English name and the other tags in use
# (ISO 639-2/3, the codes of FLEURS and Common Voice, macro-languages and their members).
_TAGS: Final[dict[str, tuple[str, ...]]] = {
    "zh": ("chinese", "mandarin", "cmn", "zho", "chi"),
    "yue": ("cantonese",),
    "en": ("english", "eng"),
    "ja": ("japanese", "jpn"),
    "de": ("german", "deu", "ger"),
    "ko": ("korean", "kor"),
    "ru": ("russian", "rus"),
    "fr": ("french", "fra", "fre"),
    "pt": ("portuguese", "por"),
    "ar": ("arabic", "ara", "arb"),
    "it": ("italian", "ita"),
    "es": ("spanish", "spa", "castilian"),
    "hi": ("hindi", "hin"),
    "id": ("indonesian", "ind"),
    "th": ("thai", "tha"),
    "tr": ("turkish", "tur"),
    "uk": ("ukrainian", "ukr"),
    "vi": ("vietnamese", "vie"),
    "cs": ("czech", "ces", "cze"),
    "da": ("danish", "dan"),
    "fil": ("filipino", "tagalog", "tl", "tgl"),
    "fi": ("finnish", "fin"),
    "is": ("icelandic", "isl", "ice"),
    "ms": ("malay", "msa", "may", "zsm"),
    "no": ("norwegian", "nor", "nb", "nob", "nn", "nno"),
    "pl": ("polish", "pol"),
    "sv": ("swedish", "swe"),
}

CODES: Final[tuple[str, ...]] = tuple(_TAGS)
"""The service's codes."""

_CODE_OF: Final[dict[str, str]] = {
    tag: code for code, tags in _TAGS.items() for tag in (code, *tags)
}


def normalise(tag: str) -> str:
    """Turn a language tag or an English name into the service's code.

    Parameters
    ----------
    tag : str
        A code (`de`), a locale (`de_DE`, `pt-BR`, `cmn_hans_cn`) or a name (`German`).

    Returns
    -------
    str
        One of `CODES`.

    Raises
    ------
    OptionError
        The tag names none of the 27 languages.

    Examples
    --------
    >>> [normalise(tag) for tag in ("de_de", "pt-BR", "cmn_hans_cn", "zh-yue", "German")]
    ['de', 'pt', 'zh', 'yue', 'de']
    """
    subtags = re.split(r"[-_]", tag.strip().lower())
    # An extended language subtag names the language more exactly than what stands before it.
    primary = "yue" if subtags[:2] == ["zh", "yue"] else subtags[0]
    if primary not in _CODE_OF:
        message = (
            f"language {tag!r} is none of the service's 27: {', '.join(CODES)}.\n\n"
            "Hint: leave it out to have the language detected."
        )
        raise OptionError(message)
    return _CODE_OF[primary]
