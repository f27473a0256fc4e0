"""An application goes in; the port at which a thread of this process serves it comes out."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import Future
from threading import Thread
from typing import Final

from aiohttp import web

LOOPBACK: Final = "127.0.0.1"

_CONNECTING: Final = 2.0  # seconds; a loopback server accepts at once, or is not there
_listening: list[socket.socket] = []


def launch(app: web.Application) -> int:
    """Serve an application from a daemon thread, on a free loopback port.

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
    Thread(target=_run, args=(app, port), name="asr-pandas-server", daemon=True).start()
    return port.result()


def answers(port: int) -> bool:
    """Tell whether a loopback port accepts connections."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_CONNECTING).close()
    except OSError:
        return False
    return True


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
    _listening.append(listening)
    port.set_result(listening.getsockname()[1])
    await asyncio.Event().wait()


def _let_go() -> None:
    """Close a forked child's copies: the kernel would queue connections that nobody accepts."""
    while _listening:
        os.close(_listening.pop().detach())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
