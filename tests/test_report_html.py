"""The HTML report in a real browser: what it shows, how it is used, what it never does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Watched, browser
from conftest import WORDS
from playwright.sync_api import Browser, Page, expect
from test_report import BROKEN, ONE_PAGE

import dedup
from dedup.findings import Finding, Findings, PackedTexts, findings_of
from dedup.inputs import is_own_report
from dedup.reports import Result
from dedup.reports.explanation import parts
from dedup.reports.html import HtmlReport
from dedup.reports.html_data import Budget

__all__ = ["browser"]

ASSETS = Path(dedup.__file__).parent / "reports" / "assets"
EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">{{script}} every one of us'
TEASER = "The old customs house on the north quay opens its doors to the public at last"
REWORDED = "The old customs house on the north quay closed its doors to the public at last"
LONG = (
    "For eighty years nobody but clerks and pigeons set foot in the tower on the north quay. From"
    " Sunday on a museum tells there how salt, herring and smuggled coffee made the town rich."
)
ARABIC = "فتح المتحف البحري القديم على الرصيف الشمالي أبوابه للجمهور أخيرا يوم الأحد"
CHINESE = "北码头上的老海关大楼终于在星期日向公众敞开了大门"
PAGES = {
    "https://one.example/news/a": [
        TEASER,
        LONG,
        "Something that stands here alone, and new",
        ARABIC,
    ],
    "https://one.example/news/b": [TEASER, REWORDED, LONG[:88] + " …", "Home", ARABIC],
    "https://two.example/c": [TEASER, LONG, CHINESE, EVIL, "And one that is only there for once"],
    "https://two.example/d": [CHINESE, EVIL, TEASER],
}

Open = Callable[[Result], Page]


def judged(pages: dict[str, list[str]]) -> Result:
    """What a run over these pages finds, and one more that cannot be read."""
    result = Result()
    deduper = dedup.Deduper()
    for name, blocks in pages.items():
        result.add(findings_of(deduper.check("\n\n".join(blocks), page=name)))
    result.add(BROKEN)
    return result


def written(result: Result, budget: Budget | None = None) -> bytes:
    """The report as one file."""
    parts: list[bytes] = []
    HtmlReport(parts.append, budget or Budget()).finish(result)
    return b"".join(parts)


class Reports(Watched):
    """Reports in the browser, of a file each."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        super().__init__(browser)
        self._folder = folder

    def open(self, content: bytes, route: str = "") -> Page:
        """Open a report, and wait until it shows what it has."""
        path = self._folder / "report.html"
        path.write_bytes(content)
        return self.visit(f"{path.as_uri()}{route}")


@pytest.fixture
def watched(browser: Browser, tmp_path: Path) -> Iterator[Reports]:
    """Pages that are watched: after the test nothing was said, and only the file was read."""
    pages = Reports(browser, tmp_path)
    yield pages
    pages.close()
    assert pages.said == []
    assert {url.partition("#")[0] for url in pages.asked} <= {(tmp_path / "report.html").as_uri()}


@pytest.fixture(scope="module")
def report() -> bytes:
    """The report of the pages above."""
    return written(judged(PAGES))


def test_first_view_says_what_repeats(watched: Reports, report: bytes) -> None:
    """The overview has the verdict, the totals, the sites, the costliest groups, the errors."""
    page = watched.open(report)
    expect(page.locator("h1:visible")).to_have_text(
        f"{judged(PAGES).summary().repeats} of 17 blocks are repeats,"
        f" {int(judged(PAGES).summary().repeated_share * 100)}% of the text"
    )
    sites = page.locator("table").first
    expect(sites.locator("tbody tr")).to_have_count(2)
    expect(page.locator("a.group").first).to_be_visible()
    expect(page.locator(".errors")).to_contain_text("input/output error")
    expect(page.locator("#left-out")).to_have_count(0)


def test_tables_sort(watched: Reports, report: bytes) -> None:
    """A click on a column's title sorts by it, and says so."""
    page = watched.open(report)
    sites = page.locator("table").first
    names = sites.locator("tbody th")
    by_text = names.all_inner_texts()
    assert sorted(by_text) == ["one.example", "two.example"]
    sites.get_by_role("button", name="Site").click()
    expect(names).to_have_text(["one.example", "two.example"])
    sites.get_by_role("button", name="Site").click()
    expect(names).to_have_text(["two.example", "one.example"])
    expect(sites.locator("th").first).to_have_attribute("aria-sort", "descending")


def test_search_and_filters(watched: Reports, report: bytes) -> None:
    """Groups are found by words of their texts and by pages, by kind, by scope and by site."""
    page = watched.open(report, "#/groups")
    cards, count = page.locator(".list a.group"), page.locator(".count")
    expect(count).to_have_text("5 groups")
    page.locator("#search").fill("CUSTOMS house")
    expect(count).to_have_text("1 of 5 groups")
    expect(cards).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "search"
    page.locator("#search").fill("老海关")
    expect(cards).to_contain_text(CHINESE)
    page.locator("#search").fill("news/b")
    expect(count).to_have_text("3 of 5 groups")
    page.locator("#search").fill("nothing is like this")
    expect(page.locator(".list")).to_contain_text("No group")
    page.locator("#search").fill("")
    expect(count).to_have_text("5 groups")
    page.locator("[name=kind]").select_option("excerpt")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("excerpt")
    page.locator("[name=kind]").select_option("")
    page.locator("[name=site]").select_option(label="two.example")
    expect(count).to_have_text("4 of 5 groups")
    page.locator("[name=scope]").select_option("other")
    expect(count).to_have_text("2 of 5 groups")


def test_group_marks_what_changed(watched: Reports, report: bytes) -> None:
    """A group shows its original, and its repeats with the changed words marked."""
    page = watched.open(report, "#/groups?q=customs")
    page.locator("a.group", has_text="customs house").click()
    detail = page.locator(".detail")
    expect(detail.locator(".whole")).to_have_text(TEASER)
    near = detail.locator("li.near")
    expect(near.locator("del")).to_have_text("opens")
    expect(near.locator("ins")).to_have_text("closed")
    expect(detail.locator("li.exact")).to_have_count(3)
    expect(page.locator("a.group[aria-current]")).to_have_count(1)


def test_page_shows_its_repeats_in_place(watched: Reports, report: bytes) -> None:
    """A page has all its blocks in order; repeats lead to their originals, originals to groups."""
    page = watched.open(report, "#/pages")
    page.get_by_role("link", name="one.example/news/b").click()
    blocks = page.locator(".blocks li")
    expect(blocks.locator(".text")).to_have_text(PAGES["https://one.example/news/b"])
    expect(page.locator(".blocks li.repeat")).to_have_count(4)
    blocks.nth(1).get_by_role("link", name="block 0").click()
    expect(page.locator(".page-name")).to_have_text("https://one.example/news/a")
    here = page.locator(".here")
    expect(here.locator(".text")).to_have_text(TEASER)
    here.get_by_role("link", name="4 repeats").click()
    expect(page.locator(".detail .whole")).to_have_text(TEASER)
    page.go_back()
    page.get_by_label("Repeats only").check()
    expect(page.locator(".blocks li")).to_have_count(1)


def test_keys(watched: Reports, report: bytes) -> None:
    """Everything can be reached with keys, and focus is seen."""
    page = watched.open(report)
    page.keyboard.press("/")
    expect(page.locator("#search:visible")).to_be_focused()
    page.keyboard.type("north quay")
    expect(page.locator(".count:visible")).to_have_text("2 of 5 groups")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    first = page.locator("a.group[aria-current]").inner_text()
    page.keyboard.press("j")
    expect(page.locator("a.group[aria-current]")).not_to_have_text(first)
    page.keyboard.press("k")
    expect(page.locator("a.group[aria-current] .quote")).to_have_text(first.split("\n")[0])
    page.locator("a.group").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".detail h2")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.locator("#pages-view")).to_be_visible()
    page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"


def test_theme_is_the_systems_until_chosen(watched: Reports, report: bytes) -> None:
    """Dark where the system is, and whatever the button says from then on."""
    page = watched.open(report)
    back = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(back)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(back)
    assert dark != light
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Theme: dark")
    assert page.evaluate(back) == dark


@pytest.mark.parametrize("route", ["", "#/groups", "#/groups/0", "#/pages", "#/page/0"])
def test_fits_a_phone(watched: Reports, report: bytes, route: str) -> None:
    """At 390 pixels nothing is wider than the screen."""
    page = watched.open(report, route)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_hostile_text_stays_text(watched: Reports) -> None:
    """Markup in texts, page ids and errors is shown as it stands, and runs nowhere."""
    name = "javascript:alert(3)//<b onclick=alert(4)>"
    result = judged({name: [EVIL, TEASER], "b</title><script>": [EVIL, EVIL.upper()]})
    result.add(Findings("</script>", error=EVIL))
    content = written(result)
    assert b"<script>alert" not in content
    page = watched.open(content)
    expect(page.locator("a.group .quote").first).to_contain_text("</script><script>alert(1)")
    expect(page.locator(".errors")).to_contain_text("<img src=x")
    for route in ("#/groups/0", "#/pages", "#/page/0", "#/page/1"):
        page.goto(page.url.partition("#")[0] + route)
        expect(page.locator("main img, main b[onclick], main script")).to_have_count(0)
    expect(page.locator("a[href^=javascript]")).to_have_count(0)


def test_other_scripts_are_laid_out_right(watched: Reports, report: bytes) -> None:
    """Arabic runs from the right, and the page around it does not."""
    page = watched.open(report, "#/page/0")
    direction = "element => getComputedStyle(element).direction"
    for block in page.locator(".blocks .text").all():
        expected = "rtl" if block.inner_text() == ARABIC else "ltr"
        assert block.evaluate(direction) == expected


def test_what_is_left_out_is_said(watched: Reports) -> None:
    """Beyond its budget the report says what it does not hold, and how to get it."""
    budget = Budget(groups=2, group_members=1, pages=2, sites=1, text=60, page_bytes=1)
    page = watched.open(written(judged(PAGES), budget))
    said = page.locator("#left-out")
    expect(said).to_contain_text("3 of 5 groups")
    expect(said).to_contain_text("2 of 4 pages")
    expect(said).to_contain_text("1 of 2 sites")
    expect(said).to_contain_text("very long texts")
    expect(page.locator("main")).to_contain_text("--format jsonl")
    page.goto(page.url.partition("#")[0] + "#/groups/0")
    expect(page.locator(".detail")).to_contain_text("not in this file")


def test_a_run_without_repeats_or_pages(watched: Reports) -> None:
    """Where there is nothing to show, that is said."""
    page = watched.open(written(Result()))
    expect(page.locator("h1:visible")).to_have_text("No repeats in 0 blocks")
    for route in ("#/groups", "#/groups/7", "#/pages", "#/page/9"):
        page.goto(page.url.partition("#")[0] + route)
        expect(page.locator("main > section:visible")).to_have_count(1)


def test_report_is_recognised_and_loads_nothing(report: bytes) -> None:
    """A later run knows the file for a report; its policy allows nothing but itself."""
    assert is_own_report(report)
    policy = report.partition(b'Security-Policy" content="')[2].partition(b'"')[0]
    assert policy.startswith(b"default-src 'none'; style-src 'sha256-")
    assert b"unsafe" not in policy


PAIRS = [
    (REWORDED, TEASER),
    (LONG[:130] + " …", LONG),
    (LONG, LONG[88:] + " " + LONG[:87]),
    ("Read more: " + TEASER + ", says the mayor (50).", TEASER.upper()),
    ("Terms of Service, last updated 5 May 2024.", "Terms of Service - last updated 11 May 2023"),
    (CHINESE, CHINESE.replace("星期日", "上个月")),
    ("one two three", "four five six"),
    ("…", "words"),
    (ARABIC, ARABIC.replace("القديم", "الجديد")),
]


def test_marks_are_those_of_the_aligner(browser: Browser) -> None:
    """The report's script marks the words that `dedup explain` marks, in whatever pair of texts."""
    rng = random.Random(7)
    words = WORDS.split()
    drawn = []
    for _ in range(150):
        original = rng.choices(words, k=rng.randint(4, 40))
        block = list(original)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(block) + 1)
            end = min(len(block), at + rng.randint(0, 5))
            block[at:end] = rng.choices(words, k=rng.randint(0, 3)) or ["indeed"]
        if rng.random() < 0.3:
            block = block[len(block) // 2 :] + block[: len(block) // 2]
        drawn.append((" ".join(block), " ".join(original)))
    page = browser.new_page()
    page.add_script_tag(content=(ASSETS / "diff.js").read_text())
    for one, other in PAIRS + drawn:
        mine = page.evaluate("([block, original]) => differences(block, original)", [one, other])
        changes = dedup.explain(one, other).changes
        assert [tuple(part) for part in mine] == list(parts(changes)), (one, other)
    page.close()


def test_what_is_typed_ahead_is_searched(watched: Reports, report: bytes) -> None:
    """Keys that follow "/" at once, before the list is there, are the first of the search."""
    page = watched.open(report)
    page.evaluate(
        """for (const key of ["/", "n", "g", "Backspace", "o", "r"])
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));"""
    )
    expect(page.locator("#search:visible")).to_be_focused()
    page.keyboard.type("th quay")
    expect(page.locator("#search")).to_have_value("north quay")
    expect(page.locator(".count:visible")).to_have_text("2 of 5 groups")
    page.go_back()
    expect(page.locator("h1:visible")).to_contain_text("blocks are repeats")
    page.keyboard.press("p")
    expect(page.locator("#pages-view")).to_be_visible()


def test_large_report_opens_fast(watched: Reports) -> None:
    """50,000 groups are shown in less than 2 seconds, and searched; their file stays small."""
    content = written(large(groups=50_000, repeats=50_000))
    assert len(content) < 20_000_000
    page = watched.open(content)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 2000
    page.keyboard.press("/")
    page.keyboard.type("text 41999 ")
    expect(page.locator(".count:visible")).to_have_text("1 of 50,000 groups", timeout=30_000)


def large(groups: int, repeats: int) -> Result:
    """A run of pages of a hundred blocks: originals, then repeats of them, some reworded."""
    rng = random.Random(3)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("n", "r", "st", "l")]
    texts = [f"text {n} {' '.join(rng.choices(words, k=25))}" for n in range(groups)]
    result = Result()
    names = [f"https://site{n % 90}.example/page/{n}" for n in range((groups + repeats) // 100)]
    lines = np.arange(1, 101, dtype=np.int32)
    shuffled = list(range(groups)) * (repeats // groups)
    rng.shuffle(shuffled)
    pattern = ONE_PAGE.repeats[0]
    for number, name in enumerate(names):
        blocks = texts[number * 100 : number * 100 + 100]
        found: tuple[Finding, ...] = ()
        if not blocks:
            picked = [shuffled.pop() for _ in range(100)]
            blocks = [texts[n] + (" indeed" if n % 3 else "") for n in picked]
            found = tuple(
                pattern._replace(
                    position=position,
                    line=position + 1,
                    text=blocks[position],
                    kind="near" if n % 3 else "exact",
                    page=names[n // 100],
                    original_position=n % 100,
                )
                for position, n in enumerate(picked)
            )
        packed = PackedTexts.of(blocks)
        characters = sum(map(len, blocks))
        result.add(Findings(name, None, 100, 0, characters, found, (), packed, lines))
    return result
