"""Where originals live: one protocol of whole operations, and the table of stores by URL.

An index gets sketches and page ids, and answers with verdicts; it knows nothing of text, HTML or
reports. Each operation is atomic, but for those that only read (`page`, `pages`, `most_repeated`).

Expiry (`Settings.expire_after`): at the time `now` of an operation, an original with
`last_seen < now - expire_after` does not exist: it is no candidate, and a block equal to it becomes
a new original. To be new, to be repeated or to be met again on its own page sets `last_seen`; a
lookup and an extension do not. A page that was not checked for so long and owns nothing alive may
be forgotten at any time, with what it counted. What has expired may be counted in `stats` until a
sweep; a sweep must come.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from dedup.errors import SettingsError
from dedup.model import Original, PageEntry, PageList, Stats
from dedup.settings import Keep, Lsh, Settings
from dedup.sketch import Sketches
from dedup.urls import scheme_and_hosts
from dedup.verdict import Verdicts


class Index(Protocol):
    """What every store can do. `bounds` is int64[pages + 1]: the blocks of each page, in order.

    Attributes:
        is_remote: an operation waits for a server, so there is time for other work meanwhile.
    """

    is_remote: bool

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """Judge the pages' blocks in order, add what is new, count what repeats.

        A page that the index knows is checked anew: what it owned is recognised, what it counted
        is counted once, and the originals whose blocks left it are released. A block repeats what
        the one in its place repeated before, if it still may, though something more similar has
        come since: so checking again changes nothing. (Not where originals expire: nobody knows
        for sure there what a page had.)
        """
        ...

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """The verdicts that `check` would give under these settings; the index does not change."""
        ...

    def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """Add originals that are known by their MinHash values alone, without judging them.

        A page that the index knows gets these instead of what it had. Only stores that know the
        LSH family `banded` have this.

        Args:
            values: uint32[n, num_perm].
            pages: ids of pages, none twice.
            bounds: int64[pages + 1], which values are of which page.
            now: seconds since 1970.
        """
        ...

    def forget(self, page: str) -> bool:
        """Remove what the page owns and counted. False: the index does not know the page."""
        ...

    def page(self, page: str, now: int) -> PageEntry | None:
        """What the index has of a page; None: it does not know it.

        Where originals expire, repeats may be missing of a page that was not checked for so long.
        An index on a server reads it in several steps: where the page changes meanwhile, blocks
        whose original was released between two of them are left out.
        """
        ...

    def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """Pages that the index has, in its own order, some at a time.

        In memory and in a file they come in the order in which they were first checked (but a page
        may take the place of one that was forgotten), in Redis in none. A page that is there all
        the while is given; one that comes or goes meanwhile may be missing, or be given twice.

        Args:
            prefix: how their ids begin.
            after: "" at first, then what the list before gave.
            limit: how many, at most; fewer come only at the end.

        Raises:
            SettingsError: no list gave this to go on after.
        """
        ...

    def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """The originals with most repeats, then those on most pages, then the index's own order.

        Those without a repeat are left out. It goes through the whole index, on a server in small
        steps, so that others do not wait for long: for people, not for pipelines. What changes
        meanwhile may be missing.

        Args:
            limit: how many, at most.
            now: seconds since 1970.
            site: of the pages that own them; None: any.
        """
        ...

    def stats(self) -> Stats:
        """What the index holds."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def close(self) -> None:
        """Let go of what the index holds open. Nothing else may be called afterwards."""
        ...


class AsyncIndex(Protocol):
    """An `Index` whose operations are awaited."""

    async def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        ...

    async def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        ...

    async def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """See `Index.add_minhashes`."""
        ...

    async def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        ...

    async def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        ...

    async def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        ...

    async def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        ...

    async def stats(self) -> Stats:
        """See `Index.stats`."""
        ...

    async def clear(self) -> None:
        """See `Index.clear`."""
        ...

    async def close(self) -> None:
        """See `Index.close`."""
        ...


class Store(NamedTuple):
    """A kind of store: the module that has it (imported when it is chosen) and its class there.

    `awaited` is the class for those who await it, and its module. `families` are the LSH families
    of whose keys it can make an index, `keeps` what it can keep of originals.
    """

    module: str
    blocking: str
    awaited: str
    families: tuple[Lsh, ...]
    keeps: tuple[Keep, ...]


_MEMORY = Store(
    "dedup.index.memory",
    "MemoryIndex",
    "dedup.index.threaded:AsyncMemoryIndex",
    families=("bottom", "banded"),
    keeps=("traces", "text"),
)
_REDIS = Store(
    "dedup.index.redis",
    "RedisIndex",
    "dedup.index.redis:AsyncRedisIndex",
    families=("bottom",),
    keeps=("traces", "text", "keys"),
)

_SQLITE = Store(
    "dedup.index.sqlite",
    "SqliteIndex",
    "dedup.index.threaded:AsyncSqliteIndex",
    families=("bottom", "banded"),
    keeps=("traces", "text"),
)

STORES: dict[str, Store] = {
    "memory": _MEMORY,
    "sqlite": _SQLITE,
    "redis": _REDIS,
    "redis+cluster": _REDIS,
    "redis+sentinel": _REDIS,
    "rediss": _REDIS,
    "unix": _REDIS,
}
"""The kind of store by the scheme of its URL."""


def open_index(url: str, namespace: str, settings: Settings) -> Index:
    """The index at a URL, or in the file at a path.

    Raises:
        SettingsError: the URL names no store that dedup has, or one without this LSH family.
        IndexFailure: the store cannot be opened.
    """
    store, url = _store_for(url, settings)
    index: Index = getattr(import_module(store.module), store.blocking)(url, namespace, settings)
    return index


def open_async_index(url: str, namespace: str, settings: Settings) -> AsyncIndex:
    """The index at a URL or a path, to be awaited; it is opened when it is first used.

    Raises:
        SettingsError: the URL names no store that dedup has, or one without this LSH family.
    """
    store, url = _store_for(url, settings)
    module, _, name = store.awaited.partition(":")
    kind = getattr(import_module(module), name)
    index: AsyncIndex = kind(url, namespace, settings)
    return index


def stored_settings(url: str, namespace: str) -> Settings | None:
    """The settings that an index was made with; None where there is none yet.

    Raises:
        SettingsError: the URL names no store that dedup has.
        IndexFailure: the store cannot be reached.
    """
    store, url = _store_of(url)
    kind = getattr(import_module(store.module), store.blocking)
    found: Settings | None = kind.stored_settings(url, namespace)
    return found


def for_lookups(url: str) -> str:
    """The URL at which to open an index for lookups alone: one in a file has one writer at a time.

    Raises:
        SettingsError: the URL names no store that dedup has.
    """
    store, url = _store_of(url)
    return f"{url}?mode=ro" if store is _SQLITE and "?" not in url else url


def compact(url: str, namespace: str) -> tuple[int, int]:
    """Write an index in a file anew, without what is of no use any more.

    Returns:
        The bytes of the file before and afterwards.

    Raises:
        SettingsError: the URL names no file.
        IndexFailure: there is no such index, it is open elsewhere, or there is no room to write it.
    """
    store, url = _store_of(url)
    if store is not _SQLITE:
        raise SettingsError(
            f"index {url!r}: only an index in a file is compacted; others give room back themselves"
        )
    settings = stored_settings(url, namespace)
    if settings is None:
        url, settings = for_lookups(url), Settings()  # which says what is missing
    index: Any = open_index(url, namespace, settings)
    try:
        before: int = index.stats().disk_bytes
        index.compact()
        return before, index.stats().disk_bytes
    finally:
        index.close()


def unknown_place(after: str) -> SettingsError:
    """The error where a list of pages is to go on after what no list gave."""
    return SettingsError(f"after={after[:100]!r}: give what the list before gave, or nothing")


def _store_for(url: str, settings: Settings) -> tuple[Store, str]:
    """The store at a URL, which can hold an index with these settings, and the URL."""
    store, url = _store_of(url)
    if settings.lsh not in store.families:
        raise SettingsError(
            f"index {scheme_and_hosts(url)!r}: lsh={settings.lsh!r} works in this process or a "
            "file only, since this store makes keys again from traces: take lsh='bottom'"
        )
    if settings.keep not in store.keeps:
        raise SettingsError(
            f"index {scheme_and_hosts(url)!r}: keep={settings.keep!r} is for an index in "
            "Redis: this one keeps traces, or with keep='text' texts, too"
        )
    return store, url


def _store_of(url: str) -> tuple[Store, str]:
    """The store at a URL, and the URL; for a path, that of the file."""
    scheme, separator, _ = url.partition("://")
    if separator and scheme in STORES:
        return STORES[scheme], url
    if not separator and is_path(url):
        return _SQLITE, f"sqlite:///{quote(url)}"
    scheme = scheme.partition(":")[0]
    nearest = difflib.get_close_matches(scheme, STORES, n=1)
    if nearest:
        file = "" if separator else f" (a file of that name is ./{url})"
        raise SettingsError(f"index {scheme_and_hosts(url)!r}: did you mean {nearest[0]}://?{file}")
    known = ", ".join(f"{name}://" for name in STORES)
    raise SettingsError(f"index {scheme_and_hosts(url)!r}: known: {known}, or the path of a file")


def is_path(place: str) -> bool:
    """Whether this is meant as the path of a file, and not as a URL with a slip in it."""
    if not place or "\0" in place:
        return False
    scheme, colon, _ = place.partition(":")
    if colon and "/" not in scheme:
        return Path(place).exists()
    is_plain = "/" not in place and "." not in place
    slip = is_plain and difflib.get_close_matches(place, STORES, n=1, cutoff=0.8)
    return not slip or Path(place).exists()
