"""Pipelines for `scrapy_overhead.py` that judge nothing: what a crawl is compared with, besides.

Loaded in the process of the crawl. They load no more than they need.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any, Self

from scrapy.crawler import Crawler


class SetAside:
    """Does nothing but what dedup's pipeline does for the collection of garbage."""

    async def open_spider(self) -> None:
        """As `dedup.contrib.scrapy.heap` does, which would load NumPy."""
        gc.freeze()

    async def process_item(self, item: Any) -> Any:
        """Let it pass."""
        return item


class Ping(SetAside):
    """Loads what dedup loads, gathers items as it does, and awaits one PING for each batch."""

    def __init__(self, url: str) -> None:
        # Late: the pipeline above must not load them.
        from dedup.async_detector import AsyncDeduper  # noqa: PLC0415
        from dedup.batcher import Batcher  # noqa: PLC0415
        from dedup.contrib.scrapy.pipeline import GATHER  # noqa: PLC0415
        from dedup.index.redis_connect import connect_async  # noqa: PLC0415

        AsyncDeduper(url)  # loads the index
        self._client = connect_async(url)
        self._batcher = Batcher(self._judge, GATHER)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy."""
        return cls(crawler.settings["DEDUP_INDEX"])

    async def process_item(self, item: Any) -> Any:
        """Wait for the batch that it is in."""
        await self._batcher.check(("", ""))
        return item

    async def close_spider(self) -> None:
        """Let go of the server."""
        await self._client.aclose()

    async def _judge(self, pages: Sequence[object]) -> list[Any]:
        await self._client.ping()
        return [None] * len(pages)
