"""The front page, the sections, the articles."""

from collections.abc import AsyncIterator, Iterator

import scrapy
from scrapy.http import Response


class NewsSpider(scrapy.Spider):
    """Follows every link from a page on: `scrapy crawl news -a start=https://example.org/`."""

    name = "news"
    start_at: str

    def __init__(self, start: str) -> None:
        super().__init__()
        self.start_at = start

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the page that was named."""
        yield scrapy.Request(self.start_at)

    def parse(self, response: Response) -> Iterator[dict[str, object] | scrapy.Request]:
        """An item a page; its paragraphs are a list, of which the new ones will be left."""
        yield {
            "url": response.url,
            "title": response.css("title::text").get(),
            "text": response.css("p::text").getall(),
        }
        yield from response.follow_all(response.css("a::attr(href)").getall())
