"""What every request and every answer goes through: ids, headers, the log, the last net for bugs.

Where there are no keys, only this machine may ask: requests under another host name (DNS rebinding)
and from pages of other sites (a form or script that a browser runs) are refused. An answer that is
sent before a large body has come closes the connection, so that nobody sends it in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dedup.service.metrics import Metrics
from dedup.service.problems import MEDIA_TYPE, Problem, ProblemResponse, bug

log = logging.getLogger("dedup.service")

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds: logged only when something is wrong, or at the level `debug`."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
DEFAULTS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Sent unless an answer has its own."""

WORTH_CLOSING = 1 << 16
"""Bytes of a body still to come that are not worth reading for the sake of the connection."""

LINGER_BYTES, LINGER_SECONDS = 1 << 20, 1.0
"""How much is still read, so that a client who sends first and reads then gets the answer."""

GONE = 499
"""Logged for a client that went away; nobody gets it."""


def notes(scope: Any) -> dict[str, Any]:
    """What is to be logged of a request, besides what its head and its answer say."""
    found: dict[str, Any] = scope.setdefault("dedup.notes", {})
    return found


def request_id_of(scope: Any) -> str:
    """The id of a request."""
    return str(scope.get("dedup.request_id", ""))


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, is_open: bool) -> None:
        """Wrap an application.

        Args:
            app: what answers.
            metrics: where requests are counted.
            is_open: there are no keys.
        """
        self._app = app
        self._metrics = metrics
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        started = time.monotonic()
        try:
            if self._is_open:
                _refuse_strangers(exchange.headers)
            await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await self._answer(problem, exchange)
        except ClientDisconnect:
            exchange.status = GONE
        except asyncio.CancelledError:
            exchange.status = exchange.status or GONE
            raise
        except Exception:
            log.exception("bug", extra={"fields": {"request_id": exchange.request_id}})
            if exchange.status:
                raise  # the server closes the connection: half an answer must not look whole
            await self._answer(bug(), exchange)
        finally:
            self._record(exchange, time.monotonic() - started)

    async def _answer(self, problem: Problem, exchange: _Exchange) -> None:
        notes(exchange.scope)["problem"] = problem.name
        response = ProblemResponse(problem, exchange.request_id)
        await response(exchange.scope, exchange.receive, exchange.send)

    def _record(self, exchange: _Exchange, seconds: float) -> None:
        """Count and log a request that is over."""
        scope = exchange.scope
        route = getattr(scope.get("route"), "path", "none")
        noted = notes(scope)
        known = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE") else "other"
        self._metrics.requests.labels(route, known, str(exchange.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if "problem" in noted:
            self._metrics.problems.labels(noted["problem"]).inc()
        quiet = route in QUIET_ROUTES and exchange.status < 400
        fields = {
            "request_id": exchange.request_id,
            "method": known,
            "route": route,
            "status": exchange.status,
            "seconds": round(seconds, 6),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            **noted,
        }
        level = logging.DEBUG if quiet else logging.INFO
        log.log(level, "request", extra={"fields": fields})


class _Exchange:
    """One request and its answer, on their way through.

    Attributes:
        status: of the answer; 0: none was begun.
        bytes_in, bytes_out: of the bodies.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = {name.lower(): value for name, value in scope["headers"]}
        given = self.headers.get(b"x-request-id", b"").decode("latin-1")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope["dedup.request_id"] = self.request_id
        self.status = self.bytes_in = self.bytes_out = 0
        self._receive = receive
        self._send = send
        declared = self.headers.get(b"content-length", b"")
        self._to_come = int(declared) if declared.isdigit() else None
        self._all_in = self._to_come == 0 or (
            not declared and b"transfer-encoding" not in self.headers
        )
        self._closes = False

    async def receive(self) -> Message:
        """The next part of the body."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
            self._all_in = not message.get("more_body", False)
        else:
            self._all_in = True
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._with_headers(message.get("headers", ()))}
        elif message["type"] == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            if self._closes and not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._linger()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def _with_headers(self, given: Any) -> list[tuple[bytes, bytes]]:
        headers = [(name.lower(), value) for name, value in given]
        names = {name for name, _ in headers}
        headers += HEADERS
        headers += [(name, value) for name, value in DEFAULTS if name not in names]
        headers.append((b"x-request-id", self.request_id.encode("latin-1")))
        is_problem = (b"content-type", MEDIA_TYPE.encode()) in headers
        large = self._to_come is None or self._to_come - self.bytes_in > WORTH_CLOSING
        if is_problem and not self._all_in and large:
            self._closes = True
            if b"connection" not in names:
                headers.append((b"connection", b"close"))
        return headers

    async def _linger(self) -> None:
        """Read a little more of a body that nobody wants, before the connection is closed."""
        more = self.bytes_in + LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._all_in and self.bytes_in < more:
                    await self.receive()


def _refuse_strangers(headers: dict[bytes, bytes]) -> None:
    """Refuse who is not on this machine, where there are no keys.

    Raises:
        Problem: wrong-host or cross-origin.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in LOOPBACK_NAMES:
        raise Problem(
            "wrong-host",
            f"host {host[:100]!r}: without keys the service answers to localhost alone: start it "
            "with --keys",
        )
    origin = headers.get(b"origin")
    if origin is not None:
        try:
            its_host = urlsplit(origin.decode("latin-1").lower()).netloc
        except ValueError:
            its_host = ""
        if its_host != host:
            raise Problem("cross-origin", "without keys, pages of other sites may not ask")
    if headers.get(b"sec-fetch-site", b"none") in {b"cross-site", b"same-site"}:
        raise Problem("cross-origin", "without keys, pages of other sites may not ask")
