"""Repeated text blocks in Scrapy items: flagged, trimmed, or the whole item dropped.

    ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}

The add-on puts two components in their places. The spider middleware ties an item to the page that
it is from, the pipeline judges its text. Settings and actions: docs/scrapy.md.
"""

from dedup.errors import SettingsError

try:
    import scrapy.utils.asyncio as _since_2_14  # noqa: F401 - tells the version
except ImportError as error:
    raise SettingsError(
        "dedup.contrib.scrapy needs Scrapy 2.14 or later: pip install 'dedup[scrapy]'"
    ) from error

from dedup.contrib.scrapy.addon import DedupAddon
from dedup.contrib.scrapy.middleware import DedupSpiderMiddleware
from dedup.contrib.scrapy.pipeline import DedupPipeline, RepeatedItem, UncheckedItem

__all__ = [
    "DedupAddon",
    "DedupPipeline",
    "DedupSpiderMiddleware",
    "RepeatedItem",
    "UncheckedItem",
]
