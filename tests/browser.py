"""A real browser for the suite: Chromium, as it is installed, driven by Playwright.

It is watched while it is used. Knows nothing of dedup.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Where there is none the test skips; with `CI` set it fails.

    For one module: while Playwright runs, the thread has an event loop, and others cannot.
    """
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    path = next(filter(None, found), None)
    if path is None:
        message = "no Chromium found: apt-get install chromium, or CHROMIUM=path"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        # Root, as many containers run as, may not use the sandbox; the pages are our own.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Watched:
    """Browser pages that share a context, and what they say and ask for.

    Attributes:
        said: console messages, errors and dialogs.
        asked: the URLs that were requested.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.said: list[str] = []
        self.asked: list[str] = []

    def visit(self, url: str) -> Page:
        """Open a page, and wait until it says that it is ready."""
        page = self.context.new_page()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(str(dialog)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        return page

    def close(self) -> None:
        """Close all of them."""
        self.context.close()
