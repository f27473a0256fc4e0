"""The server's life: inside this process for `Endpoint.local()`, or as `asr-pandas serve`."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web

from asr_pandas.addresses import is_loopback
from asr_pandas.errors import OptionError
from asr_pandas.local.app import create_app
from asr_pandas.local.background import LOOPBACK, answers, launch
from asr_pandas.local.whisper import WhisperRecogniser

if TYPE_CHECKING:
    from asr_pandas.local.recogniser import Recogniser

KEY_VARIABLE: Final = "ASR_PANDAS_SERVE_KEY"
PORT: Final = 8000  # what OpenAI-compatible servers listen on by custom
PATH: Final = "/compatible-mode/v1"

_TOKEN_BYTES: Final = 32
_GRACE: Final = 2.0  # seconds that requests under way are given when the server is stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server of this process listens."""

    url: str
    """Base address for a client, such as `http://127.0.0.1:49152/compatible-mode/v1`."""
    token: str = field(repr=False)
    """The key it wants; valid for this process's life."""
    model: str
    """The recogniser's name, under which it is asked."""
    identity: str
    """What determines its answers: weights and decoding options."""


_running: dict[tuple[str, str], Address] = {}
_starting = threading.Lock()
_forked = False  # from a process in which a recogniser was loaded


def start(model: str = "base", *, device: str = "auto") -> Address:
    """Start the embedded recogniser's server in this process, or find it running.

    Parameters
    ----------
    model : str, default "base"
        Whisper size or path.
    device : str, default "auto"
        `auto`, `cpu` or `cuda`.

    Returns
    -------
    Address
        The same one for the same model and device, from any thread, until the process ends. A
        forked process goes on using its parent's.

    Raises
    ------
    RecogniserMissing
        The `[local]` parts are not installed.
    WeightsError
        The weights are missing or not what was pinned.
    OptionError
        There is no such model or device; or in a forked process: the parent has not started this
        one, or has ended.
    """
    with _starting:
        address = _running.get((model, device))
        if _forked and not (address and answers(_port(address))):
            # CTranslate2's threads stayed behind in the parent; loading would wait for them.
            raise OptionError(
                f"the recogniser {model!r} cannot be loaded in a process that was forked from one "
                "in which a recogniser ran.\n\n"
                'Hint: start processes with multiprocessing.get_context("spawn").'
            )
        if address is None:
            address = _running[model, device] = _launched(WhisperRecogniser(model, device=device))
        return address


def _port(address: Address) -> int:
    return urlsplit(address.url).port or 0


def _launched(recogniser: Recogniser) -> Address:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    port = launch(create_app(recogniser, key=token))
    url = f"http://{LOOPBACK}:{port}{PATH}"
    return Address(
        url=url, token=token, model=recogniser.name, identity=f"local:{recogniser.identity}"
    )


def _after_fork() -> None:
    """Leave a forked child the parent's servers, and a lock that nobody holds."""
    global _starting, _forked  # noqa: PLW0603 - a fork changes the process, hence its state
    _forked = _forked or bool(_running) or _starting.locked()
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def serve(  # noqa: PLR0913 - the shell's options, one each
    model: str = "base",
    *,
    device: str = "auto",
    host: str = LOOPBACK,
    port: int = PORT,
    key: str | None = None,
    allow_private: bool = False,
) -> None:
    """Serve the embedded recogniser until Ctrl-C.

    Parameters
    ----------
    model, device : str
        As in `start`.
    host : str, default "127.0.0.1"
        Address to listen at. Any but loopback wants a key.
    port : int, default 8000
        0 for a free one.
    key : str, optional
        What callers have to send; default: the variable `ASR_PANDAS_SERVE_KEY`, if set.
    allow_private : bool, default False
        Whether audio may be fetched from private and loopback addresses.

    Raises
    ------
    OptionError
        No key although others could reach the server, or the address is taken.
    RecogniserMissing, WeightsError
        As in `start`.
    """
    key = key or os.environ.get(KEY_VARIABLE) or None
    if key is None and not is_loopback(host):
        raise OptionError(
            f"host {host!r} can be reached by others, so that the server wants a key.\n\n"
            f"Hint: set {KEY_VARIABLE} to a secret of your own; callers send it as their api_key."
        )
    with _bound(host, port=port) as listening:
        recogniser = WhisperRecogniser(model, device=device)
        sys.stdout.write(_greeting(recogniser.name, listening=listening, keyed=key is not None))
        sys.stdout.flush()
        web.run_app(
            create_app(recogniser, key=key, allow_private=allow_private),
            sock=listening,
            print=None,
            access_log=None,
            shutdown_timeout=_GRACE,
            handler_cancellation=True,
        )


def _bound(host: str, *, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise OptionError(
            f"cannot listen at {host}, port {port}: {error}.\n\nHint: try another --port."
        ) from error


def _greeting(name: str, *, listening: socket.socket, keyed: bool) -> str:
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    key = f'os.environ["{KEY_VARIABLE}"]' if keyed else '"none"'
    client = f'openai.OpenAI(base_url="{url}", api_key={key})'
    return f'{name} serves {client}, model="qwen3-asr-flash"; Ctrl-C ends it\n'
