"""A batch of pages to blocks and sketches, and back to reports.

Decides for each page what it is (text or HTML, and in which charset), splits it, and lays the
blocks of all pages out in one buffer for the kernel, in the order of the pages. A page that cannot
be read takes its place with an error and no blocks. Knows nothing of indexes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from dedup.blocks import split_texts
from dedup.decode import decode, looks_like_html
from dedup.errors import PageError, PageTooLargeError, SettingsError
from dedup.html import HtmlBlocks, split_html
from dedup.model import Format, Page, PageBlocks
from dedup.report import Report
from dedup.sketch import sketch_texts
from dedup.verdict import Verdicts

MOST_CHARACTERS = 1 << 28
"""Characters of one page (256 Mi): more is no page, but an archive that should be read as one."""

_FORMATS = get_args(Format)


class PageBatch:
    """Pages on their way to an index.

    Attributes:
        names: the ids of the pages that have verdicts to come, in order (bad pages are left out).
        bounds: int64[len(names) + 1], where each of these pages' blocks start and end.
        sketches: the sketches of all blocks.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._errors: dict[int, PageError] = {}
        texts: dict[int, str] = {}
        self._contents: dict[int, PageBlocks] = {}
        for at, page in enumerate(pages):
            try:
                content, is_html = read_page(page)
                if is_html:
                    self._contents[at] = split_html(content)
                else:
                    texts[at] = content
            except PageError as error:
                self._errors[at] = error
        self._lay_out(texts)

    def _lay_out(self, texts: dict[int, str]) -> None:
        """Split the text pages together, and put the spans of all blocks in the order of pages."""
        batch = split_texts(list(texts.values()))
        if not self._contents:
            self._contents = dict(zip(texts, batch, strict=True))
            self.bounds = batch.bounds
            self.sketches = sketch_texts(batch.buffer, batch.starts, batch.ends)
        else:
            spans = {
                at: (batch.starts[first:last], batch.ends[first:last])
                for at, first, last in zip(texts, batch.bounds[:-1], batch.bounds[1:], strict=True)
            }
            buffers = [batch.buffer]
            size = len(batch.buffer)
            for at, content in self._contents.items():
                if isinstance(content, HtmlBlocks):
                    encoded = [text.encode("utf-8", "surrogatepass") for text in content.texts]
                    stops = size + np.cumsum([0, *map(len, encoded)], dtype=np.int64)
                    spans[at] = stops[:-1], stops[1:]
                    buffers += encoded
                    size = int(stops[-1])
            self._contents |= dict(zip(texts, batch, strict=True))
            self._contents = dict(sorted(self._contents.items()))
            ordered = [spans[at] for at in self._contents]
            self.bounds = np.cumsum([0, *(len(starts) for starts, _ in ordered)], dtype=np.int64)
            self.sketches = sketch_texts(
                b"".join(buffers),
                np.concatenate([starts for starts, _ in ordered]),
                np.concatenate([ends for _, ends in ordered]),
            )
        self.names = [self._pages[at].page for at in self._contents]

    def reports(self, verdicts: Verdicts) -> Iterator[Report]:
        """A report for every page of the batch, in order, from the verdicts on `sketches`."""
        firsts = iter(self.bounds.tolist())
        for at, page in enumerate(self._pages):
            if at in self._errors:
                yield Report(page.page, error=self._errors[at])
            else:
                yield Report(page.page, self._contents[at], verdicts, next(firsts))


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
