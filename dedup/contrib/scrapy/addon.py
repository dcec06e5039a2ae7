"""The add-on: puts the pipeline and the spider middleware in their places."""

from __future__ import annotations

from scrapy.settings import BaseSettings

from dedup.contrib.scrapy.middleware import DedupSpiderMiddleware
from dedup.contrib.scrapy.pipeline import DedupPipeline

PIPELINE_ORDER = 200
"""Before the 300 at which projects usually store their items: what is stored is judged."""
MIDDLEWARE_ORDER = 100
"""Near the engine: other middlewares have made the items what they are."""


class DedupAddon:
    """One line in `ADDONS`. A component that a project has placed itself stays where it is."""

    def update_settings(self, settings: BaseSettings) -> None:
        """Add what is missing. With `DEDUP_ENABLED` off, the components leave by themselves."""
        for name, component, order in (
            ("ITEM_PIPELINES", DedupPipeline, PIPELINE_ORDER),
            ("SPIDER_MIDDLEWARES", DedupSpiderMiddleware, MIDDLEWARE_ORDER),
        ):
            settings.setdefault_in_component_priority_dict(name, component, order)
