"""A Crawlee crawler: what is new of each page goes into the dataset, and then into a file.

pip install 'crawlee[parsel]'
python crawlee_crawl.py https://example.org/ new.json
"""

import asyncio
import sys

from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient

import dedup


async def crawl(start: str, output: str) -> None:
    """Follow every link of a site."""
    crawler = ParselCrawler(storage_client=MemoryStorageClient())
    async with dedup.AsyncDeduper() as deduper:

        @crawler.router.default_handler
        async def handle(context: ParselCrawlingContext) -> None:
            url = context.request.loaded_url or context.request.url
            report = await deduper.check(tuple(context.selector.css("p::text").getall()), page=url)
            new = [text for text in report.unique_parts if text.strip()]
            if new:
                await context.push_data({"url": url, "new": new})
            await context.enqueue_links()

        await crawler.run([start])
        await crawler.export_data(output)


if __name__ == "__main__":
    asyncio.run(crawl(*sys.argv[1:3]))
