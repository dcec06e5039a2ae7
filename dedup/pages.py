"""A batch of pages to blocks and sketches, and back to reports.

Decides for each page what it is (text or HTML, and in which charset), splits it, and lays the
blocks of all pages out in one buffer for the kernel, in the order of the pages. A page that cannot
be read takes its place with an error and no blocks. Knows nothing of indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from dedup.bands import Bands
from dedup.blocks import TextBatch, TextBlocks, split_texts
from dedup.decode import MAY_BEGIN_HTML, decode, looks_like_html
from dedup.errors import PageError, PageTooLargeError, SettingsError
from dedup.model import Content, Format, Page, PageBlocks
from dedup.parts import PartsBlocks
from dedup.report import Report
from dedup.settings import Settings
from dedup.sketch import sketch_texts
from dedup.verdict import Verdicts, is_repeat

if TYPE_CHECKING:
    from dedup.html import HtmlBlocks

MOST_CHARACTERS = 1 << 28
"""Characters of one page (256 Mi): more is no page, but an archive that should be read as one."""

PageLike: TypeAlias = Page | tuple[Content, str]
"""What the deduper takes for a page: a `Page`, or a pair of content and page id."""


def characters_of(page: PageLike) -> int:
    """The length of a page's content, as it was given."""
    content = page.content if isinstance(page, Page) else page[0]
    if isinstance(content, str | bytes):  # the commonest page, without ceremony
        return len(content)
    return sum(map(len, _contents_of(page)))


def work_of(page: PageLike) -> int:
    """How much work a page is: of text its characters, of what may be HTML ten times as many."""
    return sum(
        len(part) if isinstance(part, str) and part[:1] not in MAY_BEGIN_HTML else 10 * len(part)
        for part in _contents_of(page)
    )


def _contents_of(page: PageLike) -> Sequence[str | bytes]:
    """The parts of a page, which may be one; none of what is no page: reading it will say so."""
    content = page.content if isinstance(page, Page) else page[0]
    parts = content if isinstance(content, tuple) else (content,)
    if _PLAIN.issuperset(map(type, parts)) or all(isinstance(part, str | bytes) for part in parts):
        return parts
    return ()


_PLAIN = frozenset((str, bytes))
_FORMATS = get_args(Format)
_Parts: TypeAlias = "tuple[str, ...] | list[PageBlocks | str]"
"""Those of a page in parts: their texts where all are text, else the blocks of those that are not.
"""


class PageBatch:
    """Pages on their way to an index.

    Attributes:
        names: the ids of the pages that have verdicts to come, in order (bad pages are left out).
        bounds: int64[len(names) + 1], where each of these pages' blocks start and end.
        sketches: the sketches of all blocks.
    """

    def __init__(
        self, pages: Sequence[PageLike], bands: Bands | None = None, *, places: bool = False
    ) -> None:
        """Read, split and sketch.

        Args:
            pages: the pages.
            bands: of keys, where the LSH family has any (`Settings.bands`).
            places: it will be asked where blocks stand, on most pages.
        """
        read: list[tuple[str, PageBlocks | PageError | str | _Parts]] = []
        texts: list[str] = []
        is_text = True
        for given in pages:
            name, found = _read(given, places=places)
            if isinstance(found, str):
                texts.append(found)
            elif isinstance(found, tuple):  # parts, and all of them text
                texts += found
            elif not isinstance(found, PageError):
                is_text = False
                if isinstance(found, list):
                    texts += [part for part in found if isinstance(part, str)]
            read.append((name, found))
        batch = split_texts(texts)
        split = iter(batch)
        self._outcomes: list[tuple[str, PageBlocks | PageError]] = [
            (name, next(split) if isinstance(found, str) else _with_blocks(found, split))
            for name, found in read
        ]
        contents = [blocks for _, blocks in self._outcomes if not isinstance(blocks, PageError)]
        self.names = [name for name, blocks in self._outcomes if not isinstance(blocks, PageError)]
        if is_text:
            laid_out = batch.buffer, batch.starts, batch.ends
        else:
            laid_out = _lay_out(batch, contents)
        self.bounds = np.cumsum([0, *map(len, contents)], dtype=np.int64)
        self.sketches = sketch_texts(*laid_out, bands)

    def reports(self, verdicts: Verdicts) -> Iterator[Report]:
        """A report for every page of the batch, in order, from the verdicts on `sketches`."""
        rows = np.flatnonzero(is_repeat(verdicts.kinds))
        cuts = np.searchsorted(rows, self.bounds).tolist()
        bounds: list[int] = self.bounds.tolist()
        repeats: list[int] = rows.tolist()
        at = 0
        for name, outcome in self._outcomes:
            if isinstance(outcome, PageError):
                yield Report(name, error=outcome)
            else:
                found = repeats[cuts[at] : cuts[at + 1]]
                yield Report(name, outcome, verdicts, bounds[at], found)
                at += 1


def _read(given: PageLike, *, places: bool) -> tuple[str, PageBlocks | PageError | str | _Parts]:
    """A page's id, and its blocks, or its text where it is text, or why it has none."""
    if isinstance(given, Page):
        page = given
    else:
        content, name = given
        if type(name) is str and _is_plainly_text(content):
            return name, content
        page = Page(content, name)
    try:
        if isinstance(page.content, tuple):
            return page.page, _read_parts(page, page.content, places=places)
        content, is_html = read_page(page)
        return page.page, _split_html(content, places=places) if is_html else content
    except PageError as error:
        return page.page, error


def _read_parts(page: Page, parts: tuple[str, ...], *, places: bool) -> _Parts:
    """What the parts of a page are."""
    is_auto = page.format == "auto" and isinstance(page.page, str)
    if is_auto and all(map(_is_plainly_text, parts)):
        return parts
    read: list[PageBlocks | str] = []
    for part in parts:
        if is_auto and _is_plainly_text(part):
            read.append(part)
        else:
            content, is_html = read_page(replace(page, content=part))
            read.append(_split_html(content, places=places) if is_html else content)
    texts = [part for part in read if isinstance(part, str)]
    return tuple(texts) if len(texts) == len(read) else read


def _with_blocks(
    found: PageBlocks | PageError | _Parts, split: Iterator[PageBlocks]
) -> PageBlocks | PageError:
    """What was found on a page, its parts' texts replaced by their blocks, which come in order."""
    if isinstance(found, tuple):
        return PartsBlocks(list(islice(split, len(found))))
    if not isinstance(found, list):
        return found
    return PartsBlocks([next(split) if isinstance(part, str) else part for part in found])


def _is_plainly_text(content: object) -> TypeGuard[str]:
    """Whether this is text at the first glance: the commonest content, without ceremony."""
    return (
        type(content) is str
        and content[:1] not in MAY_BEGIN_HTML
        and len(content) <= MOST_CHARACTERS
    )


def _lay_out(
    batch: TextBatch, contents: Sequence[PageBlocks]
) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One buffer with the blocks of text and HTML, and their spans in the order of pages."""
    parts = [
        part
        for content in contents
        for part in (content.parts if isinstance(content, PartsBlocks) else (content,))
    ]
    buffers = [batch.buffer]
    size = len(batch.buffer)
    starts, ends = [], []
    text_at = 0
    for part in parts:
        if not isinstance(part, TextBlocks):
            encoded = [text.encode("utf-8", "surrogatepass") for text in part.all_texts()]
            stops = size + np.cumsum([0, *map(len, encoded)], dtype=np.int64)
            starts.append(stops[:-1])
            ends.append(stops[1:])
            buffers += encoded
            size = int(stops[-1])
        else:
            span = slice(*batch.bounds[text_at : text_at + 2])
            starts.append(batch.starts[span])
            ends.append(batch.ends[span])
            text_at += 1
    return b"".join(buffers), np.concatenate(starts), np.concatenate(ends)


def read_page(page: Page) -> tuple[str, bool]:
    """A page's decoded content, and whether it is HTML.

    Raises:
        PageError: it cannot be decoded, or is too large.
        SettingsError: it is no page: a wrong type or an unknown format.
    """
    content = page.content
    if not isinstance(content, str | bytes) or not isinstance(page.page, str):
        raise SettingsError(
            f"a page of {type(content).__name__} with id {page.page!r}: give str or bytes, "
            "and a str for the id"
        )
    if page.format not in _FORMATS:
        raise SettingsError(f"format={page.format!r}: use one of {', '.join(_FORMATS)}")
    if len(content) > MOST_CHARACTERS:
        raise PageTooLargeError(
            f"{len(content):,} characters are more than the {MOST_CHARACTERS:,} of the largest "
            "page: split the input into its pages"
        )
    if isinstance(content, bytes):
        html = page.format == "html" or (
            page.format == "auto" and content[:64].lstrip()[:1] in (b"<", b"\xef", b"\xff", b"\xfe")
        )
        content = decode(content, declared=page.encoding, html=html).text
    is_html = page.format == "html" or (page.format == "auto" and looks_like_html(content))
    return content, is_html


def split_page(page: Page) -> PageBlocks:
    """The blocks of one page.

    Raises:
        PageError: it cannot be decoded, or is too large.
    """
    content, is_html = read_page(page)
    return _split_html(content) if is_html else split_texts([content])[0]


def _split_html(content: str, *, places: bool = False) -> HtmlBlocks:
    # Late: the parser takes a tenth of a crawl's start, and many crawls have text alone.
    from dedup.html import split_html  # noqa: PLC0415

    return split_html(content, places=places)


def minhash_rows(
    values: npt.NDArray[np.uint32], pages: Sequence[str], settings: Settings
) -> tuple[npt.NDArray[np.uint32], list[str], npt.NDArray[np.int64]]:
    """MinHash values that somebody brings, the pages that they are of, and whose rows are where.

    Returns:
        uint32[n, num_perm]; the p distinct page ids in order; int64[p + 1], as `PageBatch.bounds`.

    Raises:
        SettingsError: they do not fit an index with these settings.
    """
    if settings.bands is None:
        raise SettingsError(
            f"lsh={settings.lsh!r}: MinHash values go into an index with lsh='banded'"
        )
    if not isinstance(values, np.ndarray) or values.dtype != np.uint32:
        raise SettingsError(
            f"MinHash values as {getattr(values, 'dtype', type(values).__name__)}: give an array "
            "of uint32, as datasketch's are from version 2 on (uint64 is of other permutations)"
        )
    wanted = (len(pages), settings.num_perm)
    if values.shape != wanted:
        raise SettingsError(
            f"MinHash values of shape {values.shape}: {len(pages)} page ids and "
            f"num_perm={settings.num_perm} ask for {wanted}"
        )
    firsts = [at for at, page in enumerate(pages) if at == 0 or page != pages[at - 1]]
    names = [pages[at] for at in firsts]
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise SettingsError(f"page {name!r} comes {count} times: give the rows of a page together")
    return np.ascontiguousarray(values), names, np.array([*firsts, len(pages)], dtype=np.int64)
