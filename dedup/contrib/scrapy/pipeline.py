"""The item pipeline: judges the text of items, and does about repeats what the project wants.

Items that are on their way at the same time are judged in batches (`dedup.batcher`), so the index
is asked once for all of them, and none waits for longer than a few milliseconds.
"""

from __future__ import annotations

import logging
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.utils.asyncio import is_asyncio_available

from dedup.async_detector import AsyncDeduper
from dedup.contrib.scrapy.heap import Heap
from dedup.contrib.scrapy.items import REPORT_FIELD, ItemText, flag, is_repeat, text_of, trim
from dedup.contrib.scrapy.middleware import DedupSpiderMiddleware, Origin, page_named_by
from dedup.contrib.scrapy.settings import CrawlSettings, require_enabled
from dedup.errors import DedupError, PageError, SettingsError
from dedup.report import Report

logger = logging.getLogger(__name__)

GATHER = 0.005
"""Seconds for which an item waits for others. No request waits for it; and a batch of a few items
is a third of the work of as many batches of one."""


class RepeatedItem(DropItem):
    """All text of the item is known: dropped, as wished, so the log has it at level DEBUG."""

    def __init__(self, message: str) -> None:
        super().__init__(message, log_level="DEBUG")


class UncheckedItem(DropItem):
    """The item could not be judged, and `DEDUP_ON_ERROR` is `drop`."""


class DedupPipeline:
    """Judges items.

    Attributes:
        deduper: the index of this crawl. Callbacks may ask it, too:
            `self.crawler.get_item_pipeline(DedupPipeline).deduper`.
    """

    def __init__(self, crawler: Crawler, settings: CrawlSettings) -> None:
        self._crawler = crawler
        self._settings = settings
        # Bound once: a stats collector looks its methods up at some length.
        self._inc_value = crawler.stats.inc_value if crawler.stats is not None else None
        self._middleware: DedupSpiderMiddleware | None = None
        self._told: set[tuple[type, str]] = set()
        self._heap = Heap()
        self.deduper = AsyncDeduper(
            settings.index, namespace=settings.namespace, gather=GATHER, **settings.options
        )

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy.

        Raises:
            NotConfigured: `DEDUP_ENABLED` is off.
            SettingsError: a setting cannot be meant.
        """
        require_enabled(crawler.settings)
        return cls(crawler, CrawlSettings.of(crawler.settings))

    async def open_spider(self, spider: Any = None) -> None:  # noqa: ARG002 - older callers give it
        """Reach the index before the first request: a crawl without it would be for nothing.

        Raises:
            SettingsError: there is no asyncio reactor.
            IndexFailure: the index cannot be opened, or was made with other settings.
        """
        if not is_asyncio_available():
            raise SettingsError(
                "dedup needs Scrapy's asyncio reactor, which is the default: take TWISTED_REACTOR "
                "out of the settings, or set it to "
                "'twisted.internet.asyncioreactor.AsyncioSelectorReactor'"
            )
        self._middleware = self._crawler.get_spider_middleware(DedupSpiderMiddleware)
        held = await self.deduper.stats()
        logger.info(
            "Index %s, namespace %s, holds %d originals of %d pages",
            *(held.url, held.namespace, held.originals, held.pages),
        )
        if self._settings.index == "memory://" and self._crawler.settings.get("JOBDIR"):
            logger.warning(
                "DEDUP_INDEX is memory://: when this job is resumed, the index is empty, and what "
                "repeats earlier pages comes out once more. Name an index that outlives the process"
            )
        self._heap.set_aside()

    async def process_item(self, item: Any, spider: Any = None) -> Any:  # noqa: ARG002 - same
        """Judge an item.

        Raises:
            RepeatedItem: the action is `drop`, and all of its text is known.
            UncheckedItem: it could not be judged, and such items are dropped.
            DedupError: it could not be judged, and that is to be raised.
        """
        origin = self._middleware.origin_of(item) if self._middleware is not None else None
        try:
            text = None if origin is not None and origin.skip else self._text_of(item)
            if text is None:
                self._count("unchecked")
                return item
            page = _page_of(item, origin)
            report = await self.deduper.check(text.content, page)
            removed = self._act(item, text, report)
        except DedupError as error:
            return self._unchecked(item, error)
        self._count_verdicts(report, removed)
        if self._settings.action == "drop" and removed:
            raise RepeatedItem(f"All text of {report.page} is known")
        return item

    async def close_spider(self, spider: Any = None) -> None:  # noqa: ARG002 - same
        """Let go of the index; every item that came was judged."""
        self._heap.give_back()
        await self.deduper.close()

    def _text_of(self, item: Any) -> ItemText | None:
        text = text_of(item, self._settings.fields)
        if text is None:
            self._tell_once(
                item,
                "has no text in DEDUP_FIELDS",
                "%s: items of this type have no text in any of DEDUP_FIELDS=%s and pass unchecked",
                ",".join(self._settings.fields),
            )
        return text

    def _act(self, item: Any, text: ItemText, report: Report) -> int:
        """Do to an item what is wished; returns how many blocks that takes away."""
        if self._settings.action == "flag":
            if not flag(item, report):
                self._tell_once(
                    item,
                    "has no report field",
                    "%s: items of this type have no field %r, where the report would go: add it",
                    REPORT_FIELD,
                )
        elif self._settings.action == "trim":
            removed = len(report.repeats)
            if removed:
                trim(item, text, report)
            return removed
        elif is_repeat(report):
            return len(report.repeats)
        return 0

    def _unchecked(self, item: Any, error: DedupError) -> Any:
        """What becomes of an item that could not be judged."""
        self._count("errors")
        if self._settings.on_error == "raise":
            raise error
        if self._settings.on_error == "drop":
            raise UncheckedItem(f"Not judged: {error}") from error
        logger.warning("Item passes unchecked: %s", error)
        return item

    def _count_verdicts(self, report: Report, removed: int) -> None:
        self._count("checked")
        self._count("blocks", len(report.blocks) - report.skipped)
        for kind, count in report.counts.items():
            self._count(kind, count)
        self._count("blocks_removed", removed)

    def _count(self, name: str, count: int = 1) -> None:
        if count and self._inc_value is not None:
            self._inc_value(f"dedup/{name}", count)

    def _tell_once(self, item: Any, what: str, message: str, *details: Any) -> None:
        """Log something about a type of items when it is first seen."""
        if (type(item), what) not in self._told:
            self._told.add((type(item), what))
            logger.warning(message, type(item).__name__, *details)


def _page_of(item: Any, origin: Origin | None) -> str:
    page = origin.page if origin is not None else page_named_by(item)
    if page is None:
        raise PageError(
            "an item without a page: give it a url field. (It comes from start(), "
            "DedupSpiderMiddleware is not enabled, or a pipeline before this one has replaced it)"
        )
    return page
