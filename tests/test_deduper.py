"""The deduper: what goes in, how it fails, what a report offers."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from conftest import real_text, texts
from hypothesis import given
from hypothesis import strategies as st
from test_index import A, B

import dedup
from dedup import Deduper, Page, PageError, Settings, SettingsError


def test_the_page_that_started_it() -> None:
    """The page with the doubled teaser has exactly five repeats, each at the right original."""
    content = real_text("horn-of-africa-page.txt").read_text(encoding="utf-8")
    deduper = Deduper()
    report = deduper.check(content, page="horn")
    originals = [block.repeat.original.position for block in report.repeats if block.repeat]
    starts = [block.text.split()[0] for block in report.repeats]
    assert starts == ["Borrell", "China", "China", "China", "Beijing’s"]
    assert {block.repeat.kind for block in report.repeats if block.repeat} == {"exact"}
    assert {block.repeat.scope for block in report.repeats if block.repeat} == {"page"}
    for block, original in zip(report.repeats, originals, strict=True):
        assert report.blocks[original].text == block.text
        assert report.blocks[original].repeat is None
    again = deduper.check(content, page="horn")
    assert [
        (block.position, block.repeat.original.position, block.repeat.original.seen)
        for block in again.repeats
        if block.repeat
    ] == [
        (block.position, block.repeat.original.position, block.repeat.original.seen)
        for block in report.repeats
        if block.repeat
    ]
    other = deduper.check(content, page="copy")
    assert len(other.repeats) == len(other.blocks) - other.skipped
    assert {b.repeat.original.page for b in other.repeats if b.repeat} == {"horn"}


def test_html_and_text_share_an_index() -> None:
    """A block of an HTML page repeats the same block of a text page, in one mixed batch."""
    html = f"<html><body><nav>Home</nav><h1>{B}</h1><p>{A}</p></body></html>"
    pages = [Page(A, "a.txt"), Page(html, "b.html"), Page(html.encode(), "c"), Page(B, "d", "text")]
    reports = list(Deduper().check_many(pages))
    found = [[(b.position, b.repeat.original.page) for b in r.repeats if b.repeat] for r in reports]
    assert found == [[], [(2, "a.txt")], [(1, "b.html"), (2, "a.txt")], [(0, "b.html")]]
    assert reports[1].blocks[2].path == "html > body > p"
    assert html[reports[1].blocks[2].start : reports[1].blocks[2].end] == A


PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"


def test_a_bad_page_is_reported_in_its_place() -> None:
    """A page that cannot be read has a report with an error, and the batch goes on."""
    pages: list[tuple[str | bytes, str]] = [
        (A, "1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "2"),
        (A, "3"),
    ]
    reports = list(Deduper().check_many(pages))
    assert [report.page for report in reports] == ["1", "2", "3"]
    assert isinstance(reports[1].error, PageError)
    assert reports[1].unique_text == ""
    assert not reports[1].blocks
    assert len(reports[2].repeats) == 1
    with pytest.raises(PageError, match="PNG"):
        Deduper().check(pages[1][0], page="2")


def test_check_many_is_lazy() -> None:
    """Pages are taken a batch at a time: the input may be endless."""
    taken: list[int] = []

    def endless() -> object:
        n = 0
        while True:
            taken.append(n)
            yield A, f"page {n}"
            n += 1

    reports = Deduper().check_many(endless(), batch_pages=10)  # type: ignore[arg-type]
    assert next(reports).page == "page 0"
    assert len(taken) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 0.5}, "unknown option 'treshold': did you mean threshold"),
        ({"colour": 1}, "unknown option 'colour': known: threshold, "),
        ({"threshold": 0}, "threshold=0: give a number over 0 and up to 1"),
        ({"threshold": "high"}, "threshold='high'"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"min_words": 0}, "min_words=0: give a whole number from 1 on"),
        ({"min_words": 2.5}, "min_words=2.5"),
        ({"namespace": ""}, "namespace=''"),
    ],
)
def test_bad_settings(options: dict[str, object], message: str) -> None:
    """An option that does not exist, or cannot take its value, is named with the remedy."""
    with pytest.raises(SettingsError) as caught:
        Deduper(**options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


def test_bad_pages() -> None:
    """What is no page is refused by name."""
    deduper = Deduper()
    with pytest.raises(SettingsError, match="a page of int with id 'x'"):
        deduper.check(5, page="x")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="format='pdf'"):
        deduper.check("x", page="x", format="pdf")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="batch_pages=0"):
        next(deduper.check_many([], batch_pages=0))


@given(st.lists(st.tuples(st.one_of(texts(), st.binary(max_size=200)), st.text(max_size=3))))
def test_any_pages(pages: list[tuple[str | bytes, str]]) -> None:
    """No content makes the deduper fail: every page has its report, in order."""
    with Deduper() as deduper:
        reports = list(deduper.check_many(pages))
    assert [report.page for report in reports] == [page for _, page in pages]
    for report, (content, _) in zip(reports, pages, strict=True):
        if isinstance(content, str) and report.blocks and report.blocks[0].path is None:
            for block in report.blocks:
                assert content[block.start : block.end] == block.text


@pytest.mark.parametrize(
    "content",
    [
        "",
        " \n\t\n",
        "word " * 200_000,
        "x" * 3_000_000,
        "a line of five words\n" * 20_000,
        "\0" * 1000 + A,
        A + "\ud800" + B,
        b"\xff\xfe" + A.encode("utf-16-le"),
        A.encode() + b"\xff\xfe\xfa " + B.encode(),
    ],
    ids=range(9),
)
def test_strange_pages(content: str | bytes) -> None:
    """Empty, endless, broken and huge pages are judged like any other."""
    deduper = Deduper()
    first = deduper.check(content, page="p")
    assert first.error is None
    again = deduper.check(content, page="p")
    assert len(again.repeats) == len(first.repeats)


def test_unique_text() -> None:
    """The text without repeats keeps everything else as it was given."""
    content = f"Title line\n\n{A}\n\n{B}\n\n{A}\n\nThe end of it.\n"
    report = Deduper().check(content, page="p")
    assert report.unique_text == f"Title line\n\n{A}\n\n{B}\n\nThe end of it.\n"


def test_values_are_immutable() -> None:
    """Nothing in a report can be changed; blocks compare by what they say."""
    report = Deduper().check(f"{A}\n\n{A}", page="p")
    block = report.repeats[0]
    assert block == report.blocks[1]
    assert block in report.repeats
    assert report.blocks[0] != block
    assert report.blocks[:1] == [report.blocks[0]]
    assert "exact" in repr(block)
    assert repr(report) == "<Report 'p': 2 blocks, 1 repeats>"
    for value, name in ((block, "position"), (block.repeat, "kind"), (Settings(), "threshold")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 5)
    assert pickle.loads(pickle.dumps(block)) == block  # noqa: S301 - our own bytes


def test_table_of_contents() -> None:
    """`__all__` names what is there, and everything in it can be had."""
    assert sorted(dedup.__all__) == dedup.__all__
    for name in dedup.__all__:
        assert getattr(dedup, name).__name__ == name
        assert getattr(dedup, name).__doc__
    assert dir(dedup) == dedup.__all__
    with pytest.raises(AttributeError, match="no attribute 'Dedupe'"):
        dedup.Dedupe  # noqa: B018
