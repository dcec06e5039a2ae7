"""Pages that come in parts: one page, each part split by itself."""

from __future__ import annotations

import pytest
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st
from test_index import LONG, A, B

from dedup import Deduper, Page, SettingsError
from dedup.findings import findings_of, repeats_of
from dedup.model import Content
from dedup.page_object import page_object

HTML = f"<div><p>{A}</p><p>{B}</p></div>"


def test_parts_are_one_page() -> None:
    """Verdicts go across parts, an original in another part is on the same page."""
    report = Deduper().check((A, f"{B}\n\n{A}"), page="https://example.org/a")
    assert [block.text for block in report.blocks] == [A, B, A]
    repeat = report.repeats[0].repeat
    assert repeat
    assert (repeat.scope, repeat.original.position) == ("page", 0)
    assert report.unique_parts == (A, f"{B}\n\n")
    assert report.unique_text == f"{A}\n\n{B}\n\n"


def test_every_part_is_what_it_is() -> None:
    """HTML beside text: blocks have the text, the place and the path of their own part."""
    report = Deduper().check((LONG, HTML), page="a")
    content = f"{LONG}\n\n{HTML}"
    first = report.blocks[0]
    assert content[first.start : first.end] == LONG
    for block in list(report.blocks)[1:]:
        assert block.text in content[block.start : block.end]
        assert block.line == 3
        assert block.path
    assert report.characters == len(content)


@given(st.lists(texts(), max_size=4))
def test_blocks_are_those_of_the_parts(contents: list[str]) -> None:
    """A page of parts has the blocks of its parts, in order, and its spans lie in the content."""
    report = Deduper().check(tuple(contents), page="a")
    alone = [list(Deduper().check((part,), page="a").blocks) for part in contents]
    assert [block.text for block in report.blocks] == [b.text for part in alone for b in part]
    joined = "\n\n".join(contents)
    for block in report.blocks:
        if block.path is None:
            assert joined[block.start : block.end] == block.text
    assert len(report.unique_parts) == len(contents)


@given(st.lists(st.one_of(texts(), st.just(HTML)), max_size=4), st.data())
def test_places_are_what_is_said_of_each(contents: list[str], data: st.DataObject) -> None:
    """Asked for at once, in a page of any kind, the places of blocks are those of each alone."""
    pages: list[Content] = [tuple(contents), *contents]
    for content in pages:
        blocks = Deduper().check(content, page="a").source
        assert blocks is not None
        everything = range(len(blocks))
        some = sorted(data.draw(st.sets(st.sampled_from(everything)))) if everything else []
        assert blocks.places(some) == [
            (*blocks.span(at), blocks.line(at), blocks.path(at), blocks.hidden(at), blocks.text(at))
            for at in some
        ]


@given(st.lists(st.lists(st.sampled_from([A, B, LONG, HTML, "Short", A + " So."]), max_size=4)))
def test_an_item_is_flagged_with_what_a_report_says(pages: list[list[str]]) -> None:
    """The repeats alone, without a page's texts, are those of all that is found on it."""
    deduper = Deduper()
    for at, parts in enumerate(pages):
        report = deduper.check(tuple(parts), page=str(at))
        assert page_object(repeats_of(report)) == page_object(findings_of(report))


def test_a_page_that_came_whole_has_one_part() -> None:
    """`unique_parts` of a plain page is its unique text."""
    report = Deduper().check(f"{A}\n\n{A}", page="a")
    assert report.unique_parts == (report.unique_text,)
    assert Deduper().check((), page="nothing").unique_parts == ()


def test_batches_mix_kinds() -> None:
    """Pages of text, of HTML and of parts in one batch get the verdicts that each gets alone."""
    pages: list[Page | tuple[str | bytes | tuple[str, ...], str]] = [
        (A, "1"),
        (HTML, "2"),
        Page((B, LONG, A), "3"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "4"),
        ((HTML, B), "5"),
        (LONG, "6"),
    ]
    with Deduper() as together, Deduper() as alone:
        for page, report in zip(pages, together.check_many(pages), strict=True):
            if report.error is None:
                content = page.content if isinstance(page, Page) else page[0]
                assert alone.check(content, report.page).unique_text == report.unique_text


def test_parts_are_texts() -> None:
    """What is no text is refused, and named."""
    with pytest.raises(SettingsError, match="a page of int"):
        Deduper().check((A, 3), page="a")  # type: ignore[arg-type]
