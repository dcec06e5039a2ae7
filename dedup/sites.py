"""The site of a page, by its id, and where another page stands from there."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from dedup.model import Scope


@lru_cache(maxsize=4096)
def site_of(page: str) -> str | None:
    """The site of a page id: the host of a URL, the top folder of a path, else None."""
    if "://" in page:
        try:
            return urlsplit(page).hostname or None
        except ValueError:
            return None
    folders = [part for part in page.split("/")[:-1] if part not in ("", ".", "..")]
    return folders[0] if folders else None


def is_on(page: str, site: str) -> bool:
    """Whether a page is on a site. Quick where it is not."""
    return site.casefold() in page.casefold() and site_of(page) == site


def scope_of(page: str, original_page: str) -> Scope:
    """Where an original stands, seen from a page: on it, on its site, or elsewhere."""
    if page == original_page:
        return "page"
    site = site_of(page)
    return "site" if site is not None and site == site_of(original_page) else "other"
