"""The front page, the sections, the articles."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import scrapy
from scrapy.http import Response, TextResponse
from scrapy.linkextractors import LinkExtractor


class NewsSpider(scrapy.Spider):
    """Follows the links of a site: `scrapy crawl news -a start=https://example.org/`."""

    name = "news"
    links = LinkExtractor()
    start_at: str

    def __init__(self, start: str) -> None:
        super().__init__(allowed_domains=[urlsplit(start).hostname])
        self.start_at = start

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the page that was named."""
        yield scrapy.Request(self.start_at)

    def parse(self, response: Response) -> Iterator[dict[str, object] | scrapy.Request]:
        """An item a page; its paragraphs are a list, of which the new ones will be left."""
        if not isinstance(response, TextResponse):
            return  # a picture, an archive
        yield {
            "url": response.url,
            "title": response.css("title::text").get(),
            "text": response.css("p::text").getall(),
        }
        yield from response.follow_all(self.links.extract_links(response))
