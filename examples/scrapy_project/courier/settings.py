"""The settings of the project."""

BOT_NAME = "courier"
SPIDER_MODULES = ["courier.spiders"]
ROBOTSTXT_OBEY = True

ADDONS = {"dedup.contrib.scrapy.DedupAddon": 500}
DEDUP_ACTION = "trim"
DEDUP_FIELDS = ["text"]
DEDUP_INDEX = "memory://"  # redis://localhost:6379/0: shared, and remembered until tomorrow
