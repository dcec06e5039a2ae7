"""The spider middleware: which page an item is from, which a pipeline is not told.

An item is tied to its page when it leaves the spider, and the pipeline asks for it. Decides nothing
about text.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from itemadapter import ItemAdapter
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.spidermiddlewares.base import BaseSpiderMiddleware

from dedup.contrib.scrapy.settings import require_enabled


class Origin(NamedTuple):
    """Where an item is from.

    Attributes:
        page: the id of its page.
        skip: its request says that it is not to be judged (meta `dedup_skip`).
    """

    page: str
    skip: bool


class _Yielded(weakref.ref[Response]):
    """What a response has given so far, for as long as the response lives.

    Attributes:
        response_id: identity of the response.
        counts: how many items came under an id.
        origins: of its items, by their identity.
    """

    __slots__ = ("counts", "origins", "response_id")

    def __init__(self, response: Response, let_go: Callable[[_Yielded], None]) -> None:
        super().__init__(response, let_go)  # type: ignore[call-arg]  # as ref.__new__ has it
        self.response_id = id(response)
        self.counts: dict[str, int] = {}
        self.origins: list[tuple[int, Origin]] = []


class DedupSpiderMiddleware(BaseSpiderMiddleware):
    """Ties items to pages.

    The id of an item's page is the request's meta `dedup_page`, else the item's `url`, else the URL
    of the response. Where a response gives several items under one id, the second is `…#item-2`.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        # Items may be dicts, which know no weak references and no equality that helps: so by
        # identity, and the item is kept here so that nobody else gets its identity meanwhile.
        self._tied: dict[int, tuple[Any, Origin]] = {}
        self._yielded: dict[int, _Yielded] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy."""
        require_enabled(crawler.settings)
        return cls(crawler)

    def get_processed_item(self, item: Any, response: Response | None) -> Any:
        """Remember where the item is from. Items of `start()` are from nowhere."""
        if response is not None:
            yielded = self._yielded.get(id(response))
            if yielded is None:
                # What other pipelines replaced or dropped is never asked for.
                yielded = self._yielded[id(response)] = _Yielded(response, self._untie)
            origin = _origin_of(item, response, yielded)
            self._tied[id(item)] = item, origin
            yielded.origins.append((id(item), origin))
        return item

    def origin_of(self, item: Any) -> Origin | None:
        """Where an item is from, once; None: another pipeline has put it in the place of ours."""
        tied = self._tied.pop(id(item), None)
        return tied[1] if tied is not None else None

    def _untie(self, yielded: _Yielded) -> None:
        self._yielded.pop(yielded.response_id, None)
        for identity, origin in yielded.origins:
            tied = self._tied.get(identity)
            if tied is not None and tied[1] is origin:
                del self._tied[identity]


def page_named_by(item: Any) -> str | None:
    """The item's `url`, if it has one."""
    if isinstance(item, dict):  # the commonest item, without ceremony
        url = item.get("url")
    else:
        url = ItemAdapter(item).get("url") if ItemAdapter.is_item(item) else None
    return url if isinstance(url, str) and url else None


def _origin_of(item: Any, response: Response, yielded: _Yielded) -> Origin:
    meta = response.request.meta if response.request is not None else {}
    named = page_named_by(item)
    if page := meta.get("dedup_page"):
        base = str(page)
    elif named and named != response.url:
        base = response.urljoin(named)
    else:
        base = response.url
    count = yielded.counts[base] = yielded.counts.get(base, 0) + 1
    return Origin(base if count == 1 else f"{base}#item-{count}", bool(meta.get("dedup_skip")))
