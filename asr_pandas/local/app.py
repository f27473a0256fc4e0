"""The server: Qwen3-ASR-Flash's compatible chat form in front of the embedded recogniser."""

from __future__ import annotations

import hmac
import logging
import uuid
from typing import TYPE_CHECKING, Final

from aiohttp import web

from asr_pandas.local import wire
from asr_pandas.local.desk import Desk
from asr_pandas.local.refusals import TOO_LARGE, Refusal, failed, invalid, wrong_key

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from asr_pandas.local.recogniser import Recogniser

# Bytes of one request: above the limit of its audio, so that audio beyond it is refused in words.
MAX_BODY: Final = 4 * wire.MAX_ITEM_BYTES

_PREFIXES: Final = ("/compatible-mode/v1", "/v1")
_log = logging.getLogger(__name__)


def create_app(
    recogniser: Recogniser, *, key: str | None = None, allow_private: bool = False
) -> web.Application:
    """Build the server's application.

    Parameters
    ----------
    recogniser : Recogniser
        Listens; its name is served as a model beside `qwen3-asr-flash`.
    key : str, optional
        What callers have to send as `Authorization: Bearer …`. None lets everybody in.
    allow_private : bool, default False
        Whether audio may be fetched from private and loopback addresses.

    Returns
    -------
    aiohttp.web.Application
        `POST /v1/chat/completions` and `GET /v1/models`, both also below `/compatible-mode`, and
        `GET /health`, which wants no key. Run it with `handler_cancellation=True`, so that nobody
        listens on for a caller who went away.
    """
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_in_words, _keyed(key)])
    desk = Desk(recogniser, allow_private=allow_private)
    for prefix in _PREFIXES:
        app.router.add_post(f"{prefix}/chat/completions", desk.chat)
        app.router.add_get(f"{prefix}/models", desk.models)
    app.router.add_get("/health", desk.health)
    app.on_cleanup.append(desk.shut)
    return app


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal and failure with the service's error body."""
    try:
        return await handler(request)
    except Refusal as error:
        refusal = error
    except web.HTTPRequestEntityTooLarge:
        refusal = invalid(TOO_LARGE)
    except web.HTTPException as error:
        refusal = Refusal(error.reason, status=error.status, code="invalid_request")
    except Exception:  # noqa: BLE001 - logged; the caller is told in the service's form
        _log.exception("a request failed")
        refusal = failed()
    request_id = str(uuid.uuid4())
    body = refusal.body(request_id=request_id)
    return web.json_response(body, status=refusal.status, headers={"x-request-id": request_id})


def _keyed(key: str | None) -> Middleware:
    @web.middleware
    async def check_key(request: web.Request, handler: Handler) -> web.StreamResponse:
        if key is None or request.path == "/health" or _holds(request, key=key):
            return await handler(request)
        raise wrong_key()

    return check_key


def _holds(request: web.Request, *, key: str) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    # Headers may hold any byte; aiohttp reads those that are not UTF-8 as lone surrogates.
    same = hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), key.encode())
    return same and scheme.lower() == "bearer"
