"""An index for each namespace, opened when it is first used.

Writing makes a namespace; reading one that is not there does not. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from dedup.async_detector import AsyncDeduper
from dedup.batcher import Batcher
from dedup.errors import DedupError, IndexFailure, PageError, SettingsError
from dedup.index import STORES, stored_settings
from dedup.model import Original, Page, PageEntry, PageList, Stats
from dedup.report import Report
from dedup.service.metrics import Metrics
from dedup.settings import Settings
from dedup.urls import scheme_and_hosts

NOWHERE = "memory://"
LOOKUPS = 8
"""Lookups of one request that are under way at once."""
LANES = 2
"""Batches of a namespace under way: one is made ready while the index works on the other."""


class Open(NamedTuple):
    """An open namespace."""

    deduper: AsyncDeduper
    batcher: Batcher


def is_shared(url: str) -> bool:
    """Whether several processes can use an index at once: it is on a server.

    Raises:
        SettingsError: its client is not installed.
    """
    store = STORES.get(url.partition("://")[0])
    if store is None:
        return False  # what is wrong with the URL is said when it is opened
    return bool(getattr(import_module(store.module), store.blocking).is_remote)


class Indexes:
    """All namespaces of one store.

    Args:
        url: where the store is.
        options: the fields of `Settings` that were given; an index that is there has its own, and
            one that was made with others is refused.
        most: namespaces that may be open at once.
        metrics: where calls are counted.
    """

    def __init__(self, url: str, options: Mapping[str, Any], most: int, metrics: Metrics) -> None:
        self._url = url
        self._shown = scheme_and_hosts(url)
        self._options = dict(options)
        self._most = most
        self._metrics = metrics
        self._open: dict[str, Open] = {}
        self._lock = asyncio.Lock()
        self._passing = asyncio.Lock()
        self.settings = Settings.from_mapping(self._options)
        self._empty = AsyncDeduper(NOWHERE, **self._options_without_keep())

    def _options_without_keep(self) -> dict[str, Any]:
        return self.settings.to_mapping() | {"keep": "traces"}

    @property
    def namespaces(self) -> list[str]:
        """The namespaces in use."""
        return sorted(self._open)

    async def ready(self, namespace: str) -> None:
        """Ask the index, as the settings have it, whether it answers.

        Raises:
            DedupError: it does not, or was made with other settings.
        """
        found = await self._find(namespace)
        if found is not None:
            await found.deduper.stats()

    async def check(self, namespace: str, pages: Sequence[Page]) -> list[Report]:
        """Check pages, together with what others ask meanwhile.

        Raises:
            DedupError: the index failed; checking again is safe.
        """
        return await (await self._opened(namespace)).batcher.check_all(pages)

    async def lookup(
        self, namespace: str, pages: Sequence[Page], threshold: float | None
    ) -> list[Report]:
        """Look pages up, each by itself; a bad page is reported in its place.

        Raises:
            DedupError: the index failed, or the threshold cannot be meant.
        """
        found = await self._find(namespace)
        deduper = found.deduper if found else self._empty
        deduper.settings_with(threshold)  # refused before anything is done
        some = asyncio.Semaphore(LOOKUPS)

        async def one(page: Page) -> Report:
            async with some:
                try:
                    return await deduper.lookup(
                        page.content,
                        page.page,
                        format=page.format,
                        encoding=page.encoding,
                        threshold=threshold,
                    )
                except PageError as error:
                    return Report(page.page, error=error)

        with self._timed("lookup"):
            reports = list(await asyncio.gather(*map(one, pages)))
        self._metrics.judged("lookup", reports)
        return reports

    async def forget(self, namespace: str, page: str) -> bool:
        """Remove what a page owns. False: the index does not know it."""
        found = await self._find(namespace)
        if found is None:
            return False
        with self._timed("forget"):
            return await found.deduper.forget(page)

    async def page(self, namespace: str, page: str) -> PageEntry | None:
        """What a namespace has of a page. None: it does not know it."""
        found = await self._find(namespace)
        if found is None:
            return None
        with self._timed("page"):
            return await found.deduper.page(page)

    async def pages(self, namespace: str, prefix: str, after: str, limit: int) -> PageList:
        """The pages of a namespace; of several who ask for a prefix, one after another.

        Raises:
            DedupError: the index failed, or no list gave this to go on after.
        """
        found = await self._find(namespace)
        if found is None:
            return PageList((), None)
        async with self._passing if prefix else contextlib.nullcontext():
            with self._timed("pages"):
                return await found.deduper.pages(prefix, after=after, limit=limit)

    async def most_repeated(self, namespace: str, limit: int, site: str | None) -> list[Original]:
        """The most repeated originals; of several who ask, one after another goes through an index.

        Raises:
            DedupError: the index failed.
        """
        found = await self._find(namespace)
        if found is None:
            return []
        async with self._passing:
            with self._timed("most_repeated"):
                return await found.deduper.most_repeated(limit, site=site)

    async def stats(self, namespace: str) -> tuple[Stats, Settings]:
        """What a namespace holds, and its settings."""
        found = await self._find(namespace)
        deduper = found.deduper if found else self._empty
        with self._timed("stats"):
            stats = await deduper.stats()
        if found is None:
            return replace(stats, url=self._shown, namespace=namespace, bytes=0), self.settings
        return stats, deduper.settings

    async def measure(self) -> None:
        """Bring the metrics of all open namespaces up to date; one that fails is left out."""
        for name in self.namespaces:
            with contextlib.suppress(DedupError):
                stats, _ = await self.stats(name)
                self._metrics.index_holds(stats)

    async def close(self) -> None:
        """Finish what was begun and let go of everything."""
        for each in self._open.values():
            await each.batcher.finish()
            await each.deduper.close()
        self._open.clear()
        await self._empty.close()

    async def _find(self, namespace: str) -> Open | None:
        """A namespace that is there; None: there is none of this name."""
        if found := self._open.get(namespace):
            return found
        if self._url == NOWHERE:
            return None
        with self._timed("open"):
            stored = await asyncio.to_thread(stored_settings, self._url, namespace)
        return await self._opened(namespace) if stored else None

    async def _opened(self, namespace: str) -> Open:
        """A namespace, made where it is not there."""
        if found := self._open.get(namespace):
            return found
        async with self._lock:
            if found := self._open.get(namespace):
                return found
            if len(self._open) >= self._most:
                raise SettingsError(
                    f"namespace {namespace!r}: {self._most} others are in use, which is the most: "
                    "use one of them, or start the service with a higher --max-namespaces"
                )
            with self._timed("open"):
                stored = await asyncio.to_thread(stored_settings, self._url, namespace)
                settings = (stored.to_mapping() if stored else {}) | self._options
                deduper = AsyncDeduper(self._url, namespace=namespace, **settings)
                try:
                    await deduper.stats()  # connects: what cannot be opened is not kept
                except BaseException:
                    await deduper.close()
                    raise
            opened = Open(deduper, Batcher(self._checker(deduper), lanes=LANES))
            self._open[namespace] = opened
            return opened

    def _checker(self, deduper: AsyncDeduper) -> Any:
        async def check(pages: Sequence[Page]) -> list[Report]:
            self._metrics.batch_pages.observe(len(pages))
            with self._timed("check"):
                reports = [report async for report in deduper.check_many(pages)]
            self._metrics.judged("check", reports)
            return reports

        return check

    @contextlib.contextmanager
    def _timed(self, call: str) -> Any:
        start = time.monotonic()
        try:
            yield
        except IndexFailure:
            self._metrics.index_errors.inc()
            raise
        finally:
            self._metrics.index_seconds.labels(call).observe(time.monotonic() - start)
