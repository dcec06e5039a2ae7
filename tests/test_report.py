"""Reports: groups and totals, and how people and programs get to read them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.findings import Finding, Findings, PackedTexts
from dedup.inputs import PageFile, find, is_own_report
from dedup.model import Kind, Page
from dedup.page_object import page_object
from dedup.reports import JsonLinesReport, JsonReport, Look, Result, TextReport
from dedup.reports import at_hand as at_hand_module
from dedup.reports.columns import cut, cut_start, printable, width
from dedup.reports.json import dump, group_line, group_object, page_line
from dedup.reports.model import Place

NOW = 1795498200
"""2026-11-24, 5:30 UTC."""


class Why(NamedTuple):
    """Why a block is not new, as tests say it."""

    page: str
    position: int
    kind: Kind = "exact"
    similarity: float = 1.0
    containment: float = 1.0


repeat = Why


def page(name: str, *blocks: str | tuple[str, Why], skipped: int = 0) -> Findings:
    """A page of blocks: each two lines and a hundred characters below the one before."""
    texts = [block if isinstance(block, str) else block[0] for block in blocks]
    found = [
        Finding(
            position=position,
            start=position * 100,
            end=position * 100 + len(block[0]),
            line=1 + 2 * position,
            path=None,
            hidden=False,
            text=block[0],
            kind=block[1].kind,
            similarity=block[1].similarity,
            containment=block[1].containment,
            verified=True,
            scope="page",
            page=block[1].page,
            original_position=block[1].position,
            seen=1,
            pages=1,
            first_seen=NOW,
            last_seen=NOW,
            original_text=None,
        )
        for position, block in enumerate(blocks)
        if isinstance(block, tuple)
    ]
    return Findings(
        page=name,
        blocks=len(blocks),
        skipped=skipped,
        characters=sum(map(len, texts)),
        repeats=tuple(finding for finding in found if finding.kind != "extension"),
        extensions=tuple(finding for finding in found if finding.kind == "extension"),
        texts=PackedTexts.of(texts),
        lines=np.arange(1, 1 + 2 * len(blocks), 2, dtype=np.int32),
    )


def collected(*pages: Findings) -> Result:
    """The pages brought together."""
    result = Result()
    for found in pages:
        result.add(found)
    return result


def as_text(*pages: Findings, look: Look | None = None) -> list[str]:
    """The lines of the text report."""
    written: list[str] = []
    TextReport(written.append, look).finish(collected(*pages))
    return "".join(written).split("\n")[:-1]


def as_json(report: type[JsonReport | JsonLinesReport], pages: Iterable[Findings]) -> bytes:
    """A report for programs."""
    written: list[bytes] = []
    result, writer = Result(), report(written.append)
    for found in pages:
        result.add(found)
        writer.page(found)
    writer.finish(result)
    return b"".join(written)


TEASER = "The old customs house opens its doors to the public at last"
REWORDED = "The old customs house shuts its doors to the public at last"
LONG = "For eighty years nobody but clerks and pigeons set foot in the tower on the north quay."

ONE_PAGE = page(
    "news.html",
    TEASER,
    (TEASER, repeat("news.html", 0)),
    LONG,
    (
        "For eighty years nobody but clerks and pigeons …",
        repeat("news.html", 2, "excerpt", 0.5, 0.96),
    ),
    "Home",
    (REWORDED, repeat("news.html", 0, "near", 0.785)),
    (LONG + " " + LONG, repeat("news.html", 2, "extension", 0.5, 1.0)),
    skipped=1,
)
BROKEN = Findings("b/x.html", error="'b/x.html' cannot be read (input/output error): retry")
CRAWL = [
    page("crawl/a/1.html", TEASER, LONG),
    page(
        "crawl/a/2.html", (TEASER, repeat("crawl/a/1.html", 0)), (LONG, repeat("crawl/a/1.html", 1))
    ),
    page("crawl/b/3.html", (TEASER, repeat("crawl/a/1.html", 0)), "Something new for once"),
]


def test_totals() -> None:
    """The totals count pages, blocks, kinds and errors, and the share of text that repeats."""
    summary = collected(ONE_PAGE, *CRAWL, BROKEN).summary()
    assert (summary.pages, summary.blocks, summary.skipped, summary.errors) == (5, 13, 1, 1)
    assert (summary.exact, summary.near, summary.excerpt, summary.repeats) == (4, 1, 1, 6)
    pages = [ONE_PAGE, *CRAWL]
    wasted = sum(len(finding.text) for found in pages for finding in found.repeats)
    assert summary.repeated_share == round(wasted / sum(p.characters for p in pages), 4)


def test_share_of_nothing() -> None:
    """Without text nothing repeats."""
    assert collected().summary().repeated_share == 0.0
    assert collected(page("empty.txt")).summary().repeated_share == 0.0


def test_groups_come_by_the_text_they_waste() -> None:
    """A group holds an original's repeats; the group whose repeats hold most text comes first."""
    result = collected(*CRAWL)
    groups = list(result.groups())
    assert [(*group.original, group.text) for group in groups] == [
        ("crawl/a/1.html", 0, 1, TEASER),
        ("crawl/a/1.html", 1, 3, LONG),
    ]
    members = list(result.members(groups[0]))
    assert [member.place.page for member in members] == ["crawl/a/2.html", "crawl/b/3.html"]
    assert (groups[0].wasted, groups[0].pages, groups[0].repeats) == (2 * len(TEASER), 2, 2)
    assert list(result.groups(1)) == groups[:1]
    assert list(result.members(groups[0], 1)) == members[:1]


def test_group_is_the_same_however_it_is_asked_for() -> None:
    """All groups at once say what the first ones alone say, before more is added and after."""
    result = collected(ONE_PAGE)
    assert [next(result.groups(1))] == list(result.groups())[:1]
    for found in CRAWL:
        result.add(found)
    assert list(result.groups(3)) == list(result.groups())[:3]
    assert result.group_count() == 4


def test_pages_and_sites_in_numbers() -> None:
    """Pages and sites come by the text that their repeats hold; those that failed are left out."""
    result = collected(*CRAWL, BROKEN)
    pages = list(result.pages())
    assert [page.name for page in pages] == ["crawl/a/2.html", "crawl/b/3.html", "crawl/a/1.html"]
    assert (pages[0].repeats, pages[0].repeated_share, pages[2].repeated_share) == (2, 1.0, 0.0)
    (site,) = result.sites()
    assert (site.name, site.pages, site.blocks, site.repeats) == ("crawl", 3, 6, 3)


def test_page_of_a_run_can_be_shown() -> None:
    """Texts of a page come back whole, and its repeats by position, each with its original."""
    result = collected(CRAWL[0], ONE_PAGE)
    assert result.texts(1)[0] == TEASER
    assert len(result.texts(1)) == ONE_PAGE.blocks
    found = list(result.members_of_page(1))
    assert [member.place.position for member, _ in found] == [1, 3, 5, 6]
    assert found[1][1] == Place("news.html", 2, 5)
    assert result.text_of(found[2][0]) == REWORDED


def test_original_from_elsewhere() -> None:
    """An original whose page is not at hand is quoted from an equal repeat, or not at all."""
    near = (REWORDED, repeat("old.html", 3, "near", 0.8))
    result = collected(page("a.html", near))
    (group,) = result.groups()
    assert (group.text, group.original.line) == (None, None)
    assert [result.text_of(member) for member in result.members(group)] == [REWORDED]
    (group,) = collected(page("a.html", near, (TEASER, repeat("old.html", 3)))).groups()
    assert (group.text, group.original.line) == (TEASER, None)


def test_original_is_quoted_from_where_its_page_stood_then() -> None:
    """A page that comes again with other blocks is quoted as it was when its repeat was found."""
    result = collected(*CRAWL[:2], page("crawl/a/1.html", LONG))
    assert [group.text for group in result.groups()] == [LONG, TEASER]


def test_lines_of_pages_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of an original is found in its page, while that is at hand."""
    content = Page(f"One\n\nTwo\n\n{TEASER}\n", "0.txt")
    bare = replace(page("0.txt", "One", "Two", TEASER), lines=np.empty(0, dtype=np.int32))
    later = page("late.txt", (TEASER, repeat("0.txt", 2)))
    for at_hand, line in ((1000, 5), (60, None)):
        monkeypatch.setattr(at_hand_module, "PAGES_AT_HAND", at_hand)
        result = Result()
        result.add(bare, content)
        result.add(replace(bare, page="1.txt"), content)
        result.add(later)
        assert next(result.groups()).original == Place("0.txt", 2, line)


def test_lines_of_pages_in_files(tmp_path: Path) -> None:
    """A page that is a file of its own is read again for its lines, while it is there."""
    path = tmp_path / "0.txt"
    bare = replace(page("0.txt", "One", "Two", TEASER), lines=np.empty(0, dtype=np.int32))
    for content, line in ((f"One\n\nTwo\n\n{TEASER}\n", 5), ("One\n", None), (None, None)):
        path.unlink(missing_ok=True)
        path.write_text(content or "")
        (file,) = find([path]).items()
        assert isinstance(file, PageFile)
        if content is None:
            path.unlink()
        result = Result()
        result.add(bare, file)
        result.add(page("late.txt", (TEASER, repeat("0.txt", 2))))
        assert next(result.groups()).original == Place("0.txt", 2, line)


def test_shared_folder() -> None:
    """The folder that all pages share is whole parts of their paths, down to nothing."""
    result = Result()
    folders = []
    for name in ("data/crawl/a/1.html", "data/crawl/a/2.html", "data/crab/1.html", "other"):
        result.add(page(name))
        folders.append(result.folder)
    assert folders == ["data/crawl/a/", "data/crawl/a/", "data/", ""]
    assert collected(page("a")).only_page == "a"
    assert result.only_page is None


def test_text_of_one_page() -> None:
    """On one page the report names lines and blocks, and every kind with the figure that counts."""
    expected = """\
dedup: 3 of 7 blocks are repeats, 33% of the text
news.html: 1 exact, 1 near (reworded), 1 excerpt (part of a longer block); 1
block is too short to be judged

1  The old customs house opens its doors to the public at last
   original               line 1, block 0
   exact     100%         line 3, block 1
   near       78%         line 11, block 5
                          … old customs house shuts its doors to the public at…

2  For eighty years nobody but clerks and pigeons set foot in the tower on the…
   original               line 5, block 2
   excerpt    96% inside  line 7, block 3

Not counted: 1 block contains an earlier, shorter one:
    line 13, block 6 contains block 2"""
    assert as_text(ONE_PAGE) == expected.split("\n")


def test_text_of_several_pages() -> None:
    """On several pages places have a name, a line and a block, without the folder in common."""
    expected = """\
dedup: 3 of 6 blocks are repeats, 54% of the text
4 pages: 3 exact

1  The old customs house opens its doors to the public at last
   original               crawl/a/1.html:1, block 0
   exact     100%         crawl/a/2.html:1, block 0
   exact     100%         crawl/b/3.html:1, block 0

2  For eighty years nobody but clerks and pigeons set foot in the tower on the…
   original               crawl/a/1.html:3, block 1
   exact     100%         crawl/a/2.html:3, block 1

1 page could not be judged:
    'b/x.html' cannot be read (input/output error): retry"""
    assert as_text(*CRAWL, BROKEN) == expected.split("\n")
    assert as_text(*CRAWL)[1] == "3 pages in crawl/: 3 exact"
    assert "   exact     100%         b/3.html:1, block 0" in as_text(*CRAWL)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_text_keeps_to_the_width(columns: int) -> None:
    """No line but an error is wider than asked for, wide characters and long names included."""
    chinese = "港口的老海关大楼终于向公众开放了" * 8
    long_name = "a/" + "very-long-name-" * 12 + "1.html"
    pages = [page(long_name, chinese, (chinese, repeat(long_name, 0))), ONE_PAGE]
    lines = as_text(*pages, look=Look(columns))
    assert max(map(width, lines)) <= columns
    assert any(line.startswith("1  港口的老海关") and line.endswith("…") for line in lines)


def test_top_limits_groups_and_zero_shows_all() -> None:
    """Only the first groups and their first repeats are shown, and the rest is counted."""
    blocks = [(TEASER, repeat("a.txt", 0)) for _ in range(9)]
    many = [page("a.txt", TEASER, LONG, *blocks, (LONG, repeat("a.txt", 1)))]
    lines = as_text(*many, look=Look(top=1))
    assert "   and 4 more, on 1 page in all: 4 exact" in lines
    assert lines[-1] == "... and 1 more group; show all with --top 0"
    assert len([line for line in as_text(*many, look=Look(top=0)) if " exact  " in line]) == 10


def test_text_without_repeats() -> None:
    """Nothing found is said in one line, and so is that nothing could be judged."""
    assert as_text(page("a.txt", TEASER)) == ["dedup: no repeats in 1 block", "a.txt"]
    assert as_text(BROKEN)[0] == "dedup: no page could be judged"
    assert as_text()[0] == "dedup: no repeats in 0 blocks"


@pytest.mark.parametrize("pages", [CRAWL, [ONE_PAGE], [page("a", TEASER)], [BROKEN], []])
def test_reports_are_recognised(pages: list[Findings]) -> None:
    """Every report begins so that a later run does not take it for a page."""
    assert is_own_report("\n".join(as_text(*pages)).encode() + b"\n")
    assert is_own_report(as_json(JsonReport, pages))
    assert is_own_report(as_json(JsonLinesReport, pages))


def test_colour_changes_nothing_but_colour() -> None:
    """With the colours taken out, a coloured report is the plain one."""
    coloured = "\n".join(as_text(ONE_PAGE, *CRAWL, look=Look(colour=True)))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == "\n".join(as_text(ONE_PAGE, *CRAWL))


def test_page_cannot_steer_the_terminal() -> None:
    """Escape sequences, control characters and direction marks of a page never get through."""
    evil = "Red \x1b[31m bell \x07 back\x08 \x9b2J turn \u202e end of this teaser"
    name = "evil\x1b]0;title\x07.html"
    bad = Findings("x\x1b[2J", error="broken \x1b[2J")
    text = "\n".join(as_text(page(name, evil, (evil, repeat(name, 0))), bad))
    assert not set(text) & set("\x1b\x07\x08\x9b\u202e")


def test_columns() -> None:
    """Text is measured and cut in columns, at a word where that costs little."""
    assert (width("abc"), width("港口"), width("e\u0301"), width("a\u200bb")) == (3, 4, 1, 2)
    assert cut("one two three", 13) == "one two three"
    assert cut("one two three four", 16) == "one two three…"
    assert cut("Donaudampfschifffahrt", 10) == "Donaudamp…"
    assert cut("港口港口", 6) == "港口…"
    assert cut_start("港口/page.html", 10) == "…page.html"
    assert printable(" a\n\t b\u00ad\x00 \udc80") == "a b\ufffd \ufffd"


@given(st.text(), st.integers(1, 50))
def test_cut_text_fits(text: str, columns: int) -> None:
    """Whatever the text, what is cut fits, and says so when something is missing."""
    shown = printable(text)
    for short in (cut(shown, columns), cut_start(shown, columns)):
        assert width(short) <= columns
        assert short == shown or "…" in short
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in shown)


def test_json_has_the_shape_of_the_contract() -> None:
    """JSON has the keys of the contract, in their order."""
    report = json.loads(as_json(JsonReport, [ONE_PAGE, BROKEN]))
    assert list(report) == ["version", "pages", "groups", "summary"]
    first = report["pages"][0]
    assert list(first) == ["page", "blocks", "skipped", "repeats", "extensions"]
    assert first["repeats"][0] == {
        "position": 1,
        "start": 100,
        "end": 159,
        "line": 3,
        "path": None,
        "kind": "exact",
        "similarity": 1.0,
        "containment": 1.0,
        "verified": True,
        "scope": "page",
        "text": TEASER,
        "original": {
            "page": "news.html",
            "position": 0,
            "seen": 1,
            "pages": 1,
            "first_seen": "2026-11-24T05:30:00Z",
            "last_seen": "2026-11-24T05:30:00Z",
        },
    }
    assert list(first["repeats"][0]) == [
        *("position", "start", "end", "line", "path", "kind", "similarity", "containment"),
        *("verified", "scope", "text", "original"),
    ]
    assert report["pages"][1] == {"page": "b/x.html", "error": BROKEN.error}
    assert report["groups"][0] == {
        "original": {"page": "news.html", "position": 0},
        "text": TEASER,
        "members": [
            {"page": "news.html", "position": 1, "kind": "exact", "similarity": 1.0},
            {"page": "news.html", "position": 5, "kind": "near", "similarity": 0.785},
        ],
    }
    assert report["summary"] == {
        "pages": 2,
        "blocks": 7,
        "skipped": 1,
        "exact": 1,
        "near": 1,
        "excerpt": 1,
        "repeated_share": 0.3381,
        "errors": 1,
    }


def test_groups_are_written_as_they_are_elsewhere() -> None:
    """The shortcut for groups in a report writes what JSON's own writer would."""
    odd = 'a "quoted" \\ page\u2028\ud800 of \x85 \n lines'
    result = collected(*CRAWL, page(odd, (odd, repeat(odd, 0)), (TEASER, repeat("unknown", 7))))
    groups = [(group, list(found)) for group, found in result.groups_with_repetitions()]
    assert [group.text for group, _ in groups].count(None) < len(groups) > 2
    for group, found in groups:
        assert group_line(group, found) == dump(group_object(group, found))


def test_lines_of_pages_are_their_objects() -> None:
    """A page's quick line is what its object is dumped as, whatever it holds."""
    text = 'a "quoted" \\ text \ud800 \0 \u2028 港'
    odd = page(text, text, (text, repeat(text, 0, "near", 0.1 + 0.2)), (text, repeat("b", 1)))
    rows = [
        row._replace(path=text, verified=False, first_seen=None, last_seen=None)
        for row in odd.repeats
    ]
    pages = [*CRAWL, ONE_PAGE, BROKEN, odd, replace(odd, repeats=(), extensions=tuple(rows))]
    for found in pages:
        assert page_line(found) == dump(page_object(found))


@pytest.mark.parametrize("pages", [[], CRAWL, [ONE_PAGE, BROKEN, *CRAWL]])
def test_json_lines_say_the_same(pages: list[Findings]) -> None:
    """JSON Lines are the pages of the JSON report, then its groups and totals."""
    whole = json.loads(as_json(JsonReport, pages))
    lines = [json.loads(line) for line in as_json(JsonLinesReport, pages).splitlines()]
    assert lines[:-1] == whole.pop("pages")
    assert lines[-1] == whole


def test_pages_without_extensions_have_no_key_for_them() -> None:
    """Extensions are an addition to the contract: pages without them have its keys alone."""
    pages = json.loads(as_json(JsonReport, CRAWL))["pages"]
    assert all(list(item) == ["page", "blocks", "skipped", "repeats"] for item in pages)


def test_json_is_utf8_whatever_the_text() -> None:
    """Lone surrogates, NUL and Unicode's line ends come back from JSON as they went in."""
    text = "lone \ud800 pair \U0001f600 nul \0 sep \u2028 \u2029 \x85 ü 港"
    name = "name\udcff.txt"
    content = as_json(JsonLinesReport, [page(name, text, (text, repeat(name, 0)))])
    decoded = content.decode("utf-8")
    assert "ü 港" in decoded
    lines: list[dict[str, Any]] = [json.loads(line) for line in decoded.splitlines()]
    assert lines[0]["page"] == name
    assert lines[0]["repeats"][0]["text"] == text
    assert lines[1]["groups"][0]["text"] == text


def test_json_lines_come_as_pages_are_decided() -> None:
    """A page's line is written with the page, not at the end."""
    written: list[bytes] = []
    report = JsonLinesReport(written.append)
    report.page(CRAWL[0])
    assert json.loads(b"".join(written))["page"] == "crawl/a/1.html"


def test_stopped_run_says_so() -> None:
    """A run that was stopped reports what was decided, and that it was stopped."""
    result = collected(*CRAWL)
    result.interrupted = True
    written: list[bytes] = []
    JsonLinesReport(written.append).finish(result)
    assert json.loads(b"".join(written))["summary"]["interrupted"] is True
    lines: list[str] = []
    TextReport(lines.append).finish(result)
    assert "stopped before the end" in lines[1]
