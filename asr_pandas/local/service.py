"""The server's life: inside this process for `Endpoint.local()`, or as `asr-pandas serve`."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from aiohttp import web

from asr_pandas.errors import OptionError
from asr_pandas.local.app import create_app
from asr_pandas.local.recogniser import load

if TYPE_CHECKING:
    from asr_pandas.local.recogniser import Recogniser

KEY_VARIABLE: Final = "ASR_PANDAS_SERVE_KEY"
LOOPBACK: Final = "127.0.0.1"
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


_running: dict[tuple[str, str], Address] = {}
_starting = threading.Lock()


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
        The same one for the same model and device, from any thread, until the process ends.

    Raises
    ------
    RecogniserMissing
        The `[local]` parts are not installed.
    WeightsError
        The weights are missing or not what was pinned.
    """
    with _starting:
        address = _running.get((model, device))
        if address is None:
            address = _running[model, device] = _launched(load(model, device=device))
        return address


def _launched(recogniser: Recogniser) -> Address:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    port = launch(create_app(recogniser, key=token))
    return Address(url=f"http://{LOOPBACK}:{port}{PATH}", token=token)


def launch(app: web.Application) -> int:
    """Serve an application from a thread of its own, on a free loopback port.

    Parameters
    ----------
    app : aiohttp.web.Application
        What to serve, until the process ends.

    Returns
    -------
    int
        The port; connections are accepted already.
    """
    port: Future[int] = Future()
    thread = threading.Thread(
        target=_run, args=(app, port), name="asr-pandas-server", daemon=True
    )
    thread.start()
    return port.result()


def _run(app: web.Application, port: Future[int]) -> None:
    try:
        asyncio.run(_live(app, port=port))
    except Exception as error:
        if port.done():
            raise
        port.set_exception(error)


async def _live(app: web.Application, *, port: Future[int]) -> None:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    listening = socket.create_server((LOOPBACK, 0))
    await web.SockSite(runner, listening).start()
    port.set_result(listening.getsockname()[1])
    await asyncio.Event().wait()


def _forget_parent() -> None:
    """Start afresh in a forked child: the parent's thread did not come along, nor its lock."""
    global _running, _starting  # noqa: PLW0603 - a fork changes the process, hence its state
    _running, _starting = {}, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def serve(
    recogniser: Recogniser,
    *,
    host: str = LOOPBACK,
    port: int = PORT,
    key: str | None = None,
    allow_private: bool = False,
) -> None:
    """Serve a recogniser until Ctrl-C.

    Parameters
    ----------
    recogniser : Recogniser
        Listens.
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
    """
    key = key or os.environ.get(KEY_VARIABLE)
    if key is None and not is_loopback(host):
        message = (
            f"host {host!r} can be reached by others, so that the server wants a key.\n\n"
            f"Hint: set {KEY_VARIABLE} to a secret of your own; callers send it as their api_key."
        )
        raise OptionError(message)
    app = create_app(recogniser, key=key, allow_private=allow_private)
    listening = _bound(host, port=port)
    sys.stdout.write(_greeting(recogniser.name, listening=listening, keyed=key is not None))
    sys.stdout.flush()
    web.run_app(
        app,
        sock=listening,
        print=None,
        access_log=None,
        shutdown_timeout=_GRACE,
        handler_cancellation=True,
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(host: str, *, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        message = f"cannot listen at {host}, port {port}: {error}.\n\nHint: try another --port."
        raise OptionError(message) from error


def _greeting(name: str, *, listening: socket.socket, keyed: bool) -> str:
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    key = f'os.environ["{KEY_VARIABLE}"]' if keyed else '"none"'
    return f'{name} listens: openai.OpenAI(base_url="{url}", api_key={key})\n'
