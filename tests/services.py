"""Services for the tests: in this process over ASGI, and as a process of its own over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from servers import wait_until

from dedup.service.app import create_app
from dedup.service.edge import Edge
from dedup.service.state import Options, Service

T = TypeVar("T")
HOST = "http://localhost"


class InProcess:
    """A service without a socket, to be asked from ordinary code.

    Attributes:
        app: the application.
        service: what its routes share.
    """

    def __init__(self, options: Options | None = None) -> None:
        app = create_app(options or Options())
        assert isinstance(app, Edge)
        self.app = app
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()

    def __enter__(self) -> Self:
        inner: Any = self.app._app
        self.service: Service = inner.state.service
        self.run(lambda: self._stack.enter_async_context(inner.router.lifespan_context(inner)))
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url=HOST)
        self.client = self.run(lambda: self._stack.enter_async_context(client))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run(self._stack.aclose)
        self._runner.close()

    def run(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something in the service's event loop."""
        return self._runner.run(job())

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request."""
        return self.run(lambda: self.client.request(method, path, **options))

    def check(self, body: Any, **options: Any) -> httpx.Response:
        """`POST /v1/check` with a JSON body."""
        return self.ask("POST", "/v1/check", json=body, **options)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 where it is not there."""
        for line in self.service.metrics.text().decode().splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                pairs = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if pairs == labels:
                    return float(found[3])
        return 0.0


class Process:
    """`dedup serve` as a process.

    Attributes:
        url: where it listens.
        lines: what it has written to stderr.
    """

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "dedup.cli", "serve", "--port", "0", *arguments]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def __enter__(self) -> Self:
        self.url = wait_until(self._address, what="the service to say its address")
        # With several workers the address is there before the first of them.
        wait_until(self._answers, what="the service to answer")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(timeout=20)

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    def stop(self, timeout: float = 20) -> int:
        """Ask it to stop (SIGTERM), wait, and return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def ask_to_stop(self, how: int = signal.SIGTERM) -> None:
        """Ask it to stop, by a signal, and do not wait."""
        self._process.send_signal(how)

    def wait(self, timeout: float = 20) -> int:
        """Its exit status, when it has ended."""
        status = self._process.wait(timeout=timeout)
        self._reader.join(timeout=20)
        return status

    def _read(self) -> None:
        assert self._process.stderr
        with self._process.stderr as stream:
            for line in stream:
                self.lines.append(line.decode())

    def _address(self) -> str:
        if self._process.poll() is not None:
            raise ChildProcessError("".join(self.lines))
        for line in self.lines:
            if found := re.search(r"serving (\S+)", line):
                return found[1]
        return ""

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/healthz", timeout=2, verify=False)  # noqa: S501 - our own
            return answer.status_code == 200
        return False
