"""Start the test server beside a test, and ask it what it has counted."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from asr_pandas import Endpoint
from tests.faults.ledger import Counts, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0  # seconds until a test gives up on what it waits for
_LOOK_EVERY: Final = 0.005  # seconds between two looks at a running process


@dataclass(frozen=True, slots=True)
class Server:
    """A test server that runs."""

    address: str

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, api_key="sk-test-0123456789")

    def counts(self) -> Counts:
        return Counts.from_json(self._ask("GET", "/counts"))

    def totals(self) -> Totals:
        return Totals(**self._ask("GET", "/totals"))

    def hold(self, arrived: int | None) -> None:
        """Answer nobody from so many requests on; None lets all go."""
        self._ask("POST", "/hold", orjson.dumps(arrived))

    def wait_until(
        self, ready: Callable[[Totals], bool], *, running: Callable[[], bool] = lambda: True
    ) -> Totals:
        """Look until the totals are what a test waits for."""
        until(lambda: ready(self.totals()) or not running(), what="the server's counts")
        return self.totals()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        # A client of its own, which knows no proxies.
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse().read()
            return orjson.loads(reply) if reply else None
        finally:
            connection.close()


@contextmanager
def serving(**behaviour: Any) -> Iterator[Server]:
    """Run a server that behaves so (see `server.Behaviour`) until the block ends."""
    command = [sys.executable, "-m", "tests.faults.server", orjson.dumps(behaviour).decode()]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the test server did not start"
        # Leaving the block closes its standard input, and so ends it.
        yield Server(address)


def until(ready: Callable[[], bool], *, what: str, patience: float = PATIENCE) -> None:
    """Look again and again at another process; it is no use to wait for ever."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_LOOK_EVERY)
