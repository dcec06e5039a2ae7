"""JSON Lines in and out: a page a line, its answer a line, while more lines come.

Lines that have come together are judged together. Nothing is read while lines are judged and
answered, so whoever sends faster than the index works, or does not read, is held up, and memory
holds one batch. A line that is no page is answered in its place with an error.

The last line has the summary. If the stream cannot go on, the last line is a problem (it has a
`status`) and every line before it has been answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dedup.errors import DedupError, PageError
from dedup.model import Page
from dedup.report import Report
from dedup.reports.json import dump
from dedup.service.answers import Answering, noted
from dedup.service.bodies import JSON_LINES, decode, to_pages, too_large
from dedup.service.edge import notes, request_id_of
from dedup.service.keys import Key
from dedup.service.problems import RETRY, Problem, problem_of
from dedup.service.shapes import PageIn, Wishes

if TYPE_CHECKING:
    from dedup.service.state import Service

BATCH_LINES = 200


class StreamResponse(Response):
    """An answer that is written while its request is read."""

    def __init__(
        self, request: Request, service: Service, key: Key, namespace: str, wishes: Wishes
    ) -> None:
        """Take a stream on.

        Raises:
            Problem: too many are open.
        """
        if service.streams >= service.limits.streams:
            raise Problem("overloaded", f"{service.streams} streams are open: try later", RETRY)
        super().__init__(media_type=JSON_LINES)
        self._request = request
        self._service = service
        self._key = key
        self._namespace = namespace
        self._wishes = wishes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the request has its own
        """Read, judge, answer, to the end."""
        self._service.streams += 1
        with Answering(self._wishes) as answering:
            await self._converse(answering, scope, send)

    async def _converse(self, answering: Answering, scope: Scope, send: Send) -> None:
        service = self._service
        headers = [(b"content-type", JSON_LINES.encode()), (b"connection", b"close")]
        batches = self._batches()
        try:
            # The first lines are read before the answer begins: a client may wait to be told so.
            batch = await anext(batches, None)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                while batch is not None:
                    await self._send(send, await self._answer(batch, answering))
                    batch = await anext(batches, None)
                last = answering.last_line()
            except Problem as problem:
                last = self._last_words(problem)
            except DedupError as error:
                last = self._last_words(problem_of(error))
            await self._send(send, last)
            await send({"type": "http.response.body", "body": b""})
        finally:
            await batches.aclose()
            service.streams -= 1
            notes(scope).update(noted(answering))

    def _last_words(self, problem: Problem) -> bytes:
        scope = self._request.scope
        notes(scope)["problem"] = problem.name
        return dump(problem.to_object(request_id_of(scope))) + b"\n"

    async def _send(self, send: Send, body: bytes) -> None:
        """Send lines; whoever does not read for long is given up."""
        try:
            async with asyncio.timeout(self._service.limits.body_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None

    async def _batches(self) -> AsyncGenerator[list[bytes], None]:
        """Lines as they come, some at a time.

        Raises:
            Problem: a line is too long, nothing comes, or the service is stopping.
        """
        limits, budget = self._service.limits, self._service.budget
        chunks = aiter(self._request.stream())
        parts: list[bytes] = []  # of the line that has not ended
        held = 0
        try:
            while (chunk := await self._next(chunks)) is not None:
                budget.take(len(chunk))
                held += len(chunk)
                if held > limits.body_bytes + len(chunk):
                    raise too_large(None, limits.body_bytes)
                parts.append(chunk)
                if b"\n" not in chunk:
                    continue
                *lines, rest = b"".join(parts).split(b"\n")
                parts = [rest]
                for first in range(0, len(lines), BATCH_LINES):
                    yield lines[first : first + BATCH_LINES]
                budget.give_back(held - len(rest))
                held = len(rest)
            if rest := b"".join(parts).strip():
                yield [rest]
        finally:
            budget.give_back(held)

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """The next part of the body; None: that was all."""
        stop = asyncio.ensure_future(self._service.stopping.wait())
        read = asyncio.ensure_future(_next_or_none(chunks))
        seconds = self._service.limits.body_seconds
        try:
            await asyncio.wait((stop, read), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                return read.result()
            if stop.done():
                raise Problem("overloaded", "the service is stopping: send the rest again", RETRY)
            raise Problem("too-slow", f"nothing came for {seconds:g} s")
        finally:
            stop.cancel()
            read.cancel()

    async def _answer(self, lines: list[bytes], answering: Answering) -> bytes:
        """The answers to some lines, in order."""
        service, key = self._service, self._key
        if wait := service.rates.seconds_to_wait(key.name, key.rate):
            await asyncio.sleep(wait)
        outcomes = [self._read(line) for line in lines if line.strip()]
        pages = [outcome for outcome in outcomes if isinstance(outcome, Page)]
        size = sum(map(len, lines))
        async with service.gate.work(max(size, 1000 * len(pages)), patient=True):
            judged = iter(
                await service.judge(self._namespace, pages, self._wishes) if pages else []
            )
            reports = [
                outcome if isinstance(outcome, Report) else next(judged) for outcome in outcomes
            ]
            service.rates.charge(key.name, len(pages))
            return await asyncio.to_thread(
                lambda: b"".join(answering.line(report) for report in reports)
            )

    def _read(self, line: bytes) -> Page | Report:
        """The page of a line, or the report that says why there is none."""
        name = ""
        try:
            given = decode(line, PageIn)
            name = given.page
            (page,) = to_pages([given], self._service.limits, need_ids=not self._wishes.lookup)
        except Problem as problem:
            return Report(name, error=PageError(problem.detail))
        return page


async def _next_or_none(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
