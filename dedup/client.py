"""A service's index from Python: `Client` and `AsyncClient`, with the methods of the dedupers.

    client = dedup.Client("http://localhost:8000", key="dedup_…")
    report = client.check(html, page="https://example.org/a")

Two thin drivers over `client_calls.py`, which decides. Needs the `client` extra.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dedup.batcher import each_of
from dedup.client_calls import Answer, Calls, Lost, Pause, Steps
from dedup.detector import LISTED, REPEATED, Batching, report_or_raise
from dedup.errors import SettingsError
from dedup.model import Format, Original, Page, PageEntry, PageList, Stats
from dedup.pages import PageLike
from dedup.report import Report

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

BATCH_PAGES = 100
TIMEOUT, TRIES = 60.0, 6


class _Opening:
    """What both clients begin with."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        namespace: str | None = None,
        timeout: float = TIMEOUT,
        tries: int = TRIES,
    ) -> None:
        self._calls = Calls(url, tries)
        self._url = url.rstrip("/")
        headers = {"content-type": "application/json", "accept": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        if namespace is not None:
            headers["dedup-namespace"] = namespace
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise SettingsError("key and namespace: give plain ASCII, as the service does")
        self._options = {"base_url": self._url, "headers": headers, "timeout": timeout}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url}>"


class Client(_Opening):
    """A service's index, as a `Deduper` has its own.

    Args:
        url: of the service.
        key: that it asks for.
        namespace: which of its indexes; None: the service's own.
        timeout: seconds without a sign of life after which an answer is given up.
        tries: how often a request is sent, where answers are lost or the service has no time:
            every call can be sent twice. Waits as long as the service says, else .1 seconds and
            double each time.

    Raises:
        SettingsError: the URL is none, or httpx is not installed.

    Every method may raise `ServiceError`: the service does not answer, or refuses. Threads can
    share a client.
    """

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._http: httpx.Client = _httpx().Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def check(
        self,
        content: str | bytes,
        page: str,
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
    ) -> Report:
        """See `Deduper.check`."""
        reports = self._do(self._calls.check([Page(content, page, format, encoding)]))
        return report_or_raise(iter(reports))

    def check_many(
        self, pages: Iterable[PageLike], *, batch_pages: int = BATCH_PAGES
    ) -> Iterator[Report]:
        """See `Deduper.check_many`. A batch is a request; they are sent one after another."""
        batches = Batching(batch_pages)
        for page in pages:
            if batch := batches.add(page):
                yield from self._do(self._calls.check(batch))
        if batch := batches.rest():
            yield from self._do(self._calls.check(batch))

    def lookup(
        self,
        content: str | bytes,
        page: str = "",
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
        threshold: float | None = None,
    ) -> Report:
        """See `Deduper.lookup`."""
        given = [Page(content, page, format, encoding)]
        reports = self._do(self._calls.check(given, lookup=True, threshold=threshold))
        return report_or_raise(iter(reports))

    def page(self, page: str) -> PageEntry | None:
        """See `Deduper.page`."""
        return self._do(self._calls.page(page))

    def pages(self, prefix: str = "", *, after: str = "", limit: int = LISTED) -> PageList:
        """See `Deduper.pages`; a service gives 1,000 at most."""
        return self._do(self._calls.pages(prefix, after, limit))

    def most_repeated(self, limit: int = REPEATED, *, site: str | None = None) -> list[Original]:
        """See `Deduper.most_repeated`; a service gives 1,000 at most."""
        return self._do(self._calls.most_repeated(limit, site))

    def forget(self, page: str) -> bool:
        """See `Deduper.forget`."""
        return self._do(self._calls.forget(page))

    def stats(self) -> Stats:
        """See `Deduper.stats`."""
        return self._do(self._calls.stats())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _do(self, steps: Steps[T]) -> T:
        errors = _httpx().TransportError
        try:
            step = next(steps)
            while True:
                answer: Answer | Lost | None = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    try:
                        found = self._http.request(step.method, step.path, content=step.body)
                        answer = _answer(found)
                    except errors as error:
                        answer = _lost(error)
                step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


class AsyncClient(_Opening):
    """A service's index, as an `AsyncDeduper` has its own; arguments and errors are `Client`'s."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._http: httpx.AsyncClient = _httpx().AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def check(
        self,
        content: str | bytes,
        page: str,
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
    ) -> Report:
        """See `Deduper.check`."""
        reports = await self._do(self._calls.check([Page(content, page, format, encoding)]))
        return report_or_raise(iter(reports))

    async def check_many(
        self,
        pages: Iterable[PageLike] | AsyncIterable[PageLike],
        *,
        batch_pages: int = BATCH_PAGES,
    ) -> AsyncIterator[Report]:
        """See `Client.check_many`. Pages may come from an asynchronous source, too."""
        batches = Batching(batch_pages)
        async for page in each_of(pages):
            if batch := batches.add(page):
                for report in await self._do(self._calls.check(batch)):
                    yield report
        if batch := batches.rest():
            for report in await self._do(self._calls.check(batch)):
                yield report

    async def lookup(
        self,
        content: str | bytes,
        page: str = "",
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
        threshold: float | None = None,
    ) -> Report:
        """See `Deduper.lookup`."""
        given = [Page(content, page, format, encoding)]
        reports = await self._do(self._calls.check(given, lookup=True, threshold=threshold))
        return report_or_raise(iter(reports))

    async def page(self, page: str) -> PageEntry | None:
        """See `Deduper.page`."""
        return await self._do(self._calls.page(page))

    async def pages(self, prefix: str = "", *, after: str = "", limit: int = LISTED) -> PageList:
        """See `Deduper.pages`; a service gives 1,000 at most."""
        return await self._do(self._calls.pages(prefix, after, limit))

    async def most_repeated(
        self, limit: int = REPEATED, *, site: str | None = None
    ) -> list[Original]:
        """See `Deduper.most_repeated`; a service gives 1,000 at most."""
        return await self._do(self._calls.most_repeated(limit, site))

    async def forget(self, page: str) -> bool:
        """See `Deduper.forget`."""
        return await self._do(self._calls.forget(page))

    async def stats(self) -> Stats:
        """See `Deduper.stats`."""
        return await self._do(self._calls.stats())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _do(self, steps: Steps[T]) -> T:
        errors = _httpx().TransportError
        try:
            step = next(steps)
            while True:
                answer: Answer | Lost | None = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    try:
                        found = await self._http.request(step.method, step.path, content=step.body)
                        answer = _answer(found)
                    except errors as error:
                        answer = _lost(error)
                step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


def _httpx() -> Any:
    """The library, imported when a client is made.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return import_module("httpx")
    except ModuleNotFoundError as error:
        raise SettingsError("a client needs httpx: pip install 'dedup[client]'") from error


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _lost(error: Exception) -> Lost:
    return Lost(str(error) or type(error).__name__)
