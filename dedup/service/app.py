"""The application: its routes, its life, and errors on their way out.

`create_app(options)` is all that a server needs; options are plain values, so that they can be sent
to worker processes.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dedup.errors import DedupError
from dedup.service import routes
from dedup.service.docs_page import docs_routes
from dedup.service.edge import Edge, notes, request_id_of
from dedup.service.logs import configure
from dedup.service.problems import Problem, ProblemResponse, by_status, problem_of
from dedup.service.state import Options, Service
from dedup.service.web_page import web_routes

SWITCH_SECONDS = 0.0005
"""Ten times shorter than Python's own: half the latency under load, for no throughput lost."""


def create_app(options: Options) -> ASGIApp:
    """The application.

    Raises:
        DedupError: the settings or the file of keys cannot be meant.
    """
    if options.log_level is not None:
        configure(options.log_level)
        # A thread that works in Python holds the event loop up for this long at a time.
        sys.setswitchinterval(SWITCH_SECONDS)
    service = Service(options)
    app = Starlette(
        routes=[
            Route("/v1/check", routes.check, methods=["POST"]),
            Route("/v1/explain", routes.explain, methods=["POST"]),
            Route("/v1/pages", routes.pages),
            Route("/v1/pages/{page:page}", routes.page, methods=["GET", "DELETE"]),
            Route("/v1/repeated", routes.repeated),
            Route("/v1/stats", routes.stats),
            Route("/healthz", routes.healthz),
            Route("/readyz", routes.readyz),
            Route("/metrics", routes.metrics),
            *docs_routes(),
            *web_routes(),
        ],
        lifespan=partial(_life, service),
    )
    app.router.redirect_slashes = False
    # Without the layer that answers unexpected errors in plain text: `Edge` does that.
    app.middleware_stack = ExceptionMiddleware(
        app.router,
        handlers={
            HTTPException: _on_http_exception,
            Problem: _on_problem,
            DedupError: _on_dedup_error,
        },
    )
    app.state.service = service
    return Edge(app, service.metrics, is_open=service.keys is None)


@asynccontextmanager
async def _life(service: Service, _app: Starlette) -> AsyncIterator[None]:
    """From the first request to the last."""
    watcher = asyncio.create_task(service.watch())
    restore = _on_stop(service.stopping.set)
    try:
        yield
    finally:
        restore()
        watcher.cancel()
        await service.indexes.close()


def _on_stop(tell: Callable[[], None]) -> Callable[[], None]:
    """Call something when the process is asked to stop, before the server's own handler.

    Returns:
        What undoes it.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    earlier: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        if callable(earlier[number]):
            earlier[number](number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        # A server has put its own there; where there is none, nothing else may change.
        if callable(before) and before is not signal.default_int_handler:
            earlier[number] = before
            signal.signal(number, handle)

    def restore() -> None:
        for number, before in earlier.items():
            signal.signal(number, before)

    return restore


def _problem(request: Request, problem: Problem) -> Response:
    notes(request.scope)["problem"] = problem.name
    if problem.name in ("index", "full", "internal"):
        notes(request.scope)["error"] = problem.detail
    return ProblemResponse(problem, request_id_of(request.scope))


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - by registration
    return _problem(request, error)


async def _on_dedup_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DedupError)  # noqa: S101 - same
    return _problem(request, problem_of(error))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """The router's own: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - same
    detail = {
        404: "see /docs for what there is",
        405: f"{request.method[:20]} is not among the methods in Allow",
    }.get(error.status_code, error.detail)
    return _problem(request, by_status(error.status_code, detail, error.headers))
