"""The `Deduper`: pages in, reports out, over any index.

Pages go through in batches: decode, split into blocks, sketch, then one operation of the index.
Only the index remembers anything. What is decided about a page is decided by the stages; this is
the order in which they run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dedup.errors import SettingsError
from dedup.index import open_index
from dedup.model import Content, Format, Original, Page, PageEntry, PageList, Stats
from dedup.pages import PageBatch, PageLike, characters_of, minhash_rows
from dedup.report import Report
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

BATCH_PAGES, BATCH_CHARACTERS = 256, 1 << 20
"""A batch of `check_many` ends at whichever comes first: enough to keep the kernel busy."""

REPEATED, LISTED = 20, 100
"""Originals that `most_repeated` gives, and pages that `pages` does, where nobody says how many."""


class Opening:
    """What a deduper is opened with, checked: shared by `Deduper` and `AsyncDeduper`.

    Attributes:
        settings: what verdicts depend on.
        namespace: which of the store's independent indexes.
    """

    def __init__(self, namespace: str, options: Mapping[str, Any]) -> None:
        if not isinstance(namespace, str) or not namespace:
            raise SettingsError(f"namespace={namespace!r}: give a name that is not empty")
        self.settings = Settings.from_mapping(options)
        self.namespace = namespace

    def settings_with(self, threshold: float | None) -> Settings:
        """The settings for one lookup."""
        if threshold is None:
            return self.settings
        return Settings.from_mapping(self.settings.to_mapping() | {"threshold": threshold})


class Deduper(Opening):
    """Finds repeated blocks among the pages that it is shown.

    Args:
        index: where originals are kept: `memory://` is this process, a path (or
            `sqlite:///path`) a file for the next one, `redis://host:6379/0` is shared by many.
        namespace: which of the store's independent indexes.
        options: the fields of `Settings`, by name.

    Raises:
        SettingsError: an option is unknown or cannot take its value, or the URL names no store.
        IndexFailure: the index cannot be opened.

    A deduper can be shared by threads; each call is atomic.
    """

    def __init__(
        self, index: str = "memory://", *, namespace: str = "default", **options: Any
    ) -> None:
        super().__init__(namespace, options)
        self._index = open_index(index, namespace, self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def check(
        self,
        content: Content,
        page: str,
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
    ) -> Report:
        """Judge a page's blocks and add what is new, atomically.

        Checking the same page id again is idempotent: its own originals are recognised, and those
        whose blocks left the page are released.

        Args:
            content: text, or bytes as they were fetched, or the texts of its parts (see `Page`).
            page: the page's id.
            format: `"text"`, `"html"`, or `"auto"` to look.
            encoding: the charset that a transport declared for bytes.

        Raises:
            PageError: the page cannot be judged (`check_many` reports it instead).
        """
        return report_or_raise(self._check_batch([Page(content, page, format, encoding)]))

    def check_many(
        self, pages: Iterable[PageLike], *, batch_pages: int = BATCH_PAGES
    ) -> Iterator[Report]:
        """Check many pages, in order and lazily: about a batch is in memory at a time.

        The verdicts do not depend on the batches; where the index is on a server, a batch is made
        ready while the one before is with the server, so there are two. A page that cannot be
        judged gives a report with `error` set, in its place.

        Args:
            pages: `Page`s, or pairs of content and page id.
            batch_pages: most pages that go through together (1 or more).
        """
        batches = Batching(batch_pages)
        if not self._index.is_remote:
            for page in pages:
                if batch := batches.add(page):
                    yield from self._check_batch(batch)
            yield from self._check_batch(batches.rest())
            return
        # While a server works on one batch, the next one is made ready.
        with ThreadPoolExecutor(max_workers=1) as worker:
            ready: Future[PageBatch] | None = None
            for page in pages:
                if batch := batches.add(page):
                    work = worker.submit(PageBatch, batch, self.settings.bands)
                    earlier, ready = ready, work
                    if earlier is not None:
                        yield from self._judge(earlier.result())
            if ready is not None:
                yield from self._judge(ready.result())
            yield from self._check_batch(batches.rest())

    def lookup(
        self,
        content: Content,
        page: str = "",
        *,
        format: Format = "auto",  # noqa: A002 - the contract's word
        encoding: str | None = None,
        threshold: float | None = None,
    ) -> Report:
        """The report that `check` would give; the index does not change.

        Args:
            content: text, or bytes as they were fetched.
            page: the page's id, if it has one: its own originals do not count as repeats.
            format: `"text"`, `"html"`, or `"auto"` to look.
            encoding: the charset that a transport declared for bytes.
            threshold: another threshold for this question.

        Raises:
            PageError: the page cannot be judged.
            SettingsError: the threshold cannot be meant.
        """
        settings = self.settings_with(threshold)
        # The index's keys: another threshold for the rule does not change them.
        batch = PageBatch([Page(content, page, format, encoding)], self.settings.bands)
        verdicts = self._index.lookup(
            batch.sketches, batch.names, batch.bounds, int(time.time()), settings
        )
        return report_or_raise(batch.reports(verdicts))

    def add_minhashes(self, values: npt.NDArray[np.uint32], pages: Sequence[str]) -> None:
        """Take originals over from datasketch, by their MinHash values alone.

        For an index with `lsh="banded"`. Nothing is judged. A block that is checked later and has a
        band in common with one of them is `near` it where the share of equal values reaches the
        threshold, unless something better is found; such a repeat has `verified=False`. (The
        estimate has a standard deviation of .044 at a similarity of .5 and 128 values.) Checking a
        page of the same id by its text replaces what it has here; adding it again does so too.

        The values must be those of the shingles that `MinHashes` describes, by
        `datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)` of version 2 or
        later: nobody can tell from the values.

        Args:
            values: uint32[n, num_perm], as in `numpy.stack([m.hashvalues for m in minhashes])`.
            pages: the page id of each row, rows of a page together and in order.

        Raises:
            SettingsError: the index has no bands, or the arrays are of another shape or type.
        """
        rows = minhash_rows(values, pages, self.settings)
        self._index.add_minhashes(*rows, int(time.time()))

    def verdicts(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        *,
        look_only: bool = False,
    ) -> Verdicts:
        """Verdicts on pages that were split and sketched elsewhere (`dedup.pages.PageBatch`).

        Args:
            sketches: of all their blocks, in order.
            pages: their ids.
            bounds: int64[pages + 1], where each page's blocks start and end.
            look_only: leave the index as it is; then pages are compared with it, and each with
                itself, but not with one another.
        """
        now = int(time.time())
        if look_only:
            return self._index.lookup(sketches, pages, bounds, now, self.settings)
        return self._index.check(sketches, pages, bounds, now)

    def forget(self, page: str) -> bool:
        """Remove what a page owns. False: the index does not know the page."""
        return self._index.forget(page)

    def page(self, page: str) -> PageEntry | None:
        """What the index has of a page: what it owns and repeats. None: it does not know the page.

        Args:
            page: the page's id.
        """
        return self._index.page(page, int(time.time()))

    def pages(self, prefix: str = "", *, after: str = "", limit: int = LISTED) -> PageList:
        """The pages that the index has, some at a time.

        Of one in this process or in a file, in the order in which they were first checked; of one
        in Redis, in none. A page that is there all the while is given; what comes and goes
        meanwhile may be missing, or be given twice.

            found = deduper.pages()
            while found.after is not None:
                found = deduper.pages(after=found.after)

        Args:
            prefix: how their ids begin (`"https://example.org/"`): all pages are looked at for it.
            after: what the list before gave, to go on after it.
            limit: how many, at most; fewer come only at the end.

        Raises:
            SettingsError: the limit is no number from 1 on, or no list gave this `after`.
        """
        return self._index.pages(prefix, after, whole(limit, "limit"))

    def most_repeated(self, limit: int = REPEATED, *, site: str | None = None) -> list[Original]:
        """The originals with most repeats; of those with as many, the ones on most pages first.

        It goes through the whole index: for people, not for pipelines. Originals without a repeat
        are left out.

        Args:
            limit: how many, at most.
            site: of the pages that own them: a host in lower case, or a top folder; None: any.

        Raises:
            SettingsError: the limit is no number from 1 on.
        """
        return self._index.most_repeated(whole(limit, "limit"), int(time.time()), site)

    def stats(self) -> Stats:
        """What the index holds."""
        return self._index.stats()

    def clear(self) -> None:
        """Remove everything from this namespace."""
        self._index.clear()

    def close(self) -> None:
        """Let go of the index. Nothing else may be called afterwards."""
        self._index.close()

    def _check_batch(self, pages: Sequence[PageLike]) -> Iterator[Report]:
        return self._judge(PageBatch(pages, self.settings.bands)) if pages else iter(())

    def _judge(self, batch: PageBatch) -> Iterator[Report]:
        return batch.reports(self.verdicts(batch.sketches, batch.names, batch.bounds))


class Batching:
    """Gathers pages into batches: so many at most, and not much more than BATCH_CHARACTERS."""

    def __init__(self, batch_pages: int) -> None:
        self._most = whole(batch_pages, "batch_pages")
        self._pages: list[PageLike] = []
        self._size = 0

    def add(self, page: PageLike) -> list[PageLike]:
        """Take a page; returns the batch that it completes, else nothing."""
        self._pages.append(page)
        self._size += characters_of(page)
        is_full = len(self._pages) >= self._most or self._size >= BATCH_CHARACTERS
        return self.rest() if is_full else []

    def rest(self) -> list[PageLike]:
        """What has been gathered so far."""
        batch, self._pages, self._size = self._pages, [], 0
        return batch


def whole(value: int, name: str) -> int:
    """The value, which has to be a whole number from 1 on.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise SettingsError(f"{name}={value!r}: give a whole number from 1 on")
    return int(value)


def report_or_raise(reports: Iterator[Report]) -> Report:
    """The one report; its error is raised."""
    report = next(reports)
    if report.error:
        raise report.error
    return report
