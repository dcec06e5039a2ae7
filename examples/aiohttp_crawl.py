"""A crawl with aiohttp: many pages in flight, one deduper, what is new of each page as JSON Lines.

python aiohttp_crawl.py https://example.org/ > new.jsonl
"""

import asyncio
import json
import sys
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import aiohttp

import dedup

IN_FLIGHT = 200
"""Pages at once; each holds one page in memory, whatever the size of the site."""


class Links(HTMLParser):
    """The links of a page."""

    def __init__(self, page: str, base: str) -> None:
        super().__init__()
        self.base = base
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a link."""
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append(urljoin(self.base, href).partition("#")[0])


async def crawl(start: str) -> None:
    """Follow every link of a site."""
    frontier: asyncio.Queue[str] = asyncio.Queue()
    known = {start}
    frontier.put_nowait(start)

    async def work(session: aiohttp.ClientSession, deduper: dedup.AsyncDeduper) -> None:
        while True:
            url = await frontier.get()
            try:
                async with session.get(url) as response:
                    if response.content_type != "text/html":
                        continue
                    page = await response.text(errors="replace")
                report = await deduper.check(page, page=url, format="html")
                print(json.dumps({"url": url, "new": report.unique_text}))
                for link in Links(page, url).found:
                    if link not in known and urlsplit(link).netloc == urlsplit(start).netloc:
                        known.add(link)
                        frontier.put_nowait(link)
            except (aiohttp.ClientError, TimeoutError, dedup.PageError) as error:
                print(f"{url}: {type(error).__name__} {error}", file=sys.stderr)
            finally:
                frontier.task_done()

    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        dedup.AsyncDeduper() as deduper,
        asyncio.TaskGroup() as group,  # should a worker fail, the crawl ends and says why
    ):
        workers = [group.create_task(work(session, deduper)) for _ in range(IN_FLIGHT)]
        await frontier.join()
        for worker in workers:
            worker.cancel()


if __name__ == "__main__":
    asyncio.run(crawl(sys.argv[1]))
