"""The service's web page in a real browser: what it shows, how it is used, what it never does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import Watched, browser
from conftest import real_text
from playwright.sync_api import Browser, Page, ViewportSize, expect
from server_groups import Servers
from servers import start_standalone
from services import Process

from dedup.service.keys import add_key
from dedup.service.web_page import POLICY

__all__ = ["browser"]

SAMPLE = Path(__file__).parent.parent / "examples" / "harbour-news.html"
PHONE: ViewportSize = {"width": 390, "height": 844}
TEASER = "The old customs house on the north quay opens its doors to the public at last"
REWORDED = "The old customs house on the north quay closed its doors to the public at last"
OTHER = "Eleven grey seals were counted on the breakwater on Tuesday, two of them pups"
EVIL = (
    '</script><script>window.hit = 1</script><img src="x" onerror="window.hit = 2">{{keys}} one two'
)
EVIL_PAGE = f"""<p onclick="window.hit = 3">{TEASER}<script>window.hit = 4</script></p>
<p><a href="javascript:window.hit = 5">{TEASER}</a></p>
<pre>&lt;img src=y onerror="window.hit = 6"&gt; and what else stands in this block of text</pre>
<svg onload="window.hit = 7"></svg><iframe srcdoc="<script>top.hit = 8</script>"></iframe>"""
FAILED = "Failed to load resource"


class Visits(Watched):
    """The page of one service, in windows of a browser.

    Attributes:
        expected: what the console may say, as a browser says that an answer was an error.
    """

    def __init__(self, browser: Browser, service: Process, **options: Any) -> None:
        super().__init__(browser, **options)
        self.url = service.url
        self.expected: list[str] = []

    def open(self, route: str = "") -> Page:
        """The page in a new window."""
        return self.visit(f"{self.url}/{route}")

    def clear(self) -> None:
        """Nothing went wrong, and nobody else was asked."""
        left = [said for said in self.said if not any(each in said for each in self.expected)]
        assert left == []
        strange = [url for url in self.asked if not url.startswith((f"{self.url}/", "data:"))]
        assert strange == []


@pytest.fixture(scope="module")
def shared() -> Iterator[Process]:
    """One service for all; each test has its namespace."""
    with Process("--log-level", "warning") as running:
        yield running


@pytest.fixture
def visits(browser: Browser, shared: Process, request: pytest.FixtureRequest) -> Iterator[Visits]:
    """The page, in a namespace of the test's own; after the test nothing has gone wrong."""
    found = Visits(browser, shared, permissions=["clipboard-read", "clipboard-write"])
    name = re.sub(r"[^a-z_]", "-", request.node.name)[:90]
    found.context.add_init_script(f"sessionStorage.setItem('dedup-namespace', {json.dumps(name)})")
    yield found
    found.close()
    found.clear()


def stats(page: Page, service: Process) -> dict[str, Any]:
    """What the namespace of a page holds."""
    name = page.evaluate("sessionStorage.getItem('dedup-namespace')")
    answer = httpx.get(f"{service.url}/v1/stats", headers={"Dedup-Namespace": name})
    found: dict[str, Any] = answer.json()
    return found


def give(page: Page, text: str, name: str = "", *, remember: bool = False) -> None:
    """Paste a text, and have it looked up or checked."""
    page.locator("#content").fill(text)
    page.locator("#page-id").fill(name)
    page.locator("#remember").set_checked(remember)
    page.locator("#go").click()
    expect(page.locator("#go")).to_be_enabled()


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders, as the browser does it for a hand."""
    dragging = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        dragging.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 600, "data": data})
    expect(page.locator("#files li")).not_to_have_count(0)


def kinds(page: Page) -> list[str]:
    """The kinds of the repeats that are marked, in their order."""
    labels = page.locator("#blocks .why .kind").all_text_contents()
    return [label.split()[0] for label in labels]


# ---- what repeats --------------------------------------------------------------------------------


def test_the_sample_page(visits: Visits, shared: Process) -> None:
    """The sample's seven repeats are marked in place; one opens its original, with what changed."""
    page = visits.open()
    page.locator("#sample").click()
    expect(page.locator("#go")).to_be_focused()
    page.locator("#go").click()
    expect(page.locator("#verdict")).to_have_text("7 of 29 blocks are repeats, 31% of the text")
    expect(page.locator("#verdict")).to_be_focused()
    assert kinds(page) == ["near", *["exact"] * 5, "excerpt"]
    expect(page.locator("#blocks > ol > li")).to_have_count(29)
    page.locator("#blocks .near .why").click()
    panel = page.locator("#original")
    expect(panel.locator("h2")).to_have_text("Block 12 repeats block 9 of this page")
    expect(panel.locator("del").first).to_have_text("promised,")
    expect(panel.locator("ins").first).to_have_text("announced,")
    expect(panel.locator(".whole")).to_contain_text("the shipyard had promised")
    expect(page.locator("#block-9")).to_have_class(re.compile("here"))
    panel.get_by_role("button", name="Go to the original").click()
    expect(page.locator("#block-9")).to_be_focused()
    assert stats(page, shared)["pages"] == 0  # it was looked up


def test_a_real_page(visits: Visits) -> None:
    """A page that scrapers fetched has its five doubled teasers."""
    text = real_text("horn-of-africa-page.txt").read_text(encoding="utf-8")
    page = visits.open()
    give(page, text)
    expect(page.locator("#verdict")).to_contain_text("5 of ")
    assert kinds(page) == ["exact"] * 5


def test_hover_and_focus_show_the_original(visits: Visits) -> None:
    """What the pointer or the focus is on is shown; a click keeps it, and Escape lets it go."""
    page = visits.open()
    give(page, f"{TEASER}\n\n{OTHER}\n\n{REWORDED}\n\n{OTHER}.")
    title = page.locator("#original h2")
    expect(title).to_have_text("Block 2 repeats block 0 of this page")  # the first of them
    page.locator("#block-3 .text").hover()
    expect(title).to_contain_text("Block 3")
    expect(page.locator("#original")).to_contain_text("case or punctuation alone")
    page.locator("#block-2 .why").focus()
    expect(title).to_contain_text("Block 2")
    page.keyboard.press("Enter")
    expect(page.locator("#block-2 .why")).to_have_attribute("aria-expanded", "true")
    page.locator("#block-3 .text").hover()
    expect(title).to_contain_text("Block 2")
    page.keyboard.press("Escape")
    page.locator("#block-1 .text").hover()
    page.locator("#block-3 .text").hover()
    expect(title).to_contain_text("Block 3")


def test_filters(visits: Visits) -> None:
    """Kinds and scopes choose what is marked, and what is marked can be shown alone."""
    page = visits.open()
    give(page, TEASER, "https://one.example/a", remember=True)
    give(page, OTHER, "https://two.example/b", remember=True)
    give(
        page,
        f"{REWORDED}\n\n{OTHER}\n\nWhat is new stands here, alone\n\n{OTHER}",
        "https://one.example/c",
    )
    assert kinds(page) == ["near", "exact", "exact"]
    page.get_by_label("exact 2").uncheck()
    assert kinds(page) == ["near"]
    page.get_by_label("exact 2").check()
    page.locator("#scope").select_option("other")
    assert kinds(page) == ["exact", "exact"]
    page.locator("#only").check()
    expect(page.locator("#blocks li")).to_have_count(2)
    page.locator("#scope").select_option("page")
    expect(page.locator("#blocks")).to_contain_text("No block of this page is of that kind")


def test_original_that_is_not_at_hand(visits: Visits) -> None:
    """An earlier page's original is shown while this tab knows it; else it is said where it is."""
    page = visits.open()
    give(page, f"Something that is new\n\n{TEASER}", "https://one.example/first", remember=True)
    expect(page.locator("#verdict")).to_have_text("No repeats in 2 blocks")
    expect(page.locator("#original")).to_contain_text("Nothing on this page repeats")
    give(page, REWORDED, "second")
    expect(page.locator("#original .text del")).to_have_text("opens")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    give(page, REWORDED, "second")
    panel = page.locator("#original")
    expect(panel.locator(".card")).to_have_text(
        "Its text is not at hand: the index keeps no texts. It is block 1 of"
        " https://one.example/first."
    )
    expect(panel.locator("ins, del")).to_have_count(0)


def test_texts_that_an_index_keeps(browser: Browser, redis_servers: Servers) -> None:
    """Where the index keeps texts, whoever asks sees the originals, extensions included."""
    url = redis_servers.get("valkey", start_standalone).url
    longer = f"{TEASER}. {OTHER}, while the harbour master asks walkers to keep their dogs away"
    with Process("--index", url, "--keep", "text", "--namespace", "page-texts") as service:
        ask = {"pages": [{"page": "first", "content": TEASER}]}
        assert httpx.post(f"{service.url}/v1/check", json=ask).status_code == 200
        visits = Visits(browser, service)
        page = visits.open()
        give(page, REWORDED, "second")
        expect(page.locator("#original .whole")).to_have_text(TEASER)
        give(page, longer, "third")
        assert kinds(page) == ["extension"]
        expect(page.locator("#verdict")).to_have_text("No repeats in 1 block")
        expect(page.locator("#original")).to_contain_text("Block 0 contains block 0 of first")
        page.keyboard.press("i")
        expect(page.locator("#stats dd").first).to_have_text("1")
        visits.close()
        visits.clear()


def test_remembering_is_a_wish(visits: Visits, shared: Process) -> None:
    """A page is added to the index when that is ticked, and not before."""
    page = visits.open()
    give(page, TEASER)
    expect(page.locator("#result")).to_contain_text("the index is as it was")
    assert stats(page, shared)["pages"] == 0
    page.locator("#remember").check()
    expect(page.locator("#go")).to_have_text("Check and remember")
    give(page, TEASER, remember=True)
    expect(page.locator("#result")).to_contain_text("pasted was checked and remembered")
    assert stats(page, shared)["pages"] == 1


# ---- files ---------------------------------------------------------------------------------------


def test_drop_an_html_file(visits: Visits, tmp_path: Path) -> None:
    """A dropped file goes as the bytes that it is: its charset and format are found out."""
    path = tmp_path / "café.html"
    text = "Die Fähre nach Österlund fährt ab Samstag wieder, sagte das Hafenamt am Dienstag"
    head = "<html><head><meta charset=windows-1252><title>x</title></head>"
    path.write_bytes(f"{head}<body><p>{text}</p><h2>{text}</h2></body>".encode("windows-1252"))
    page = visits.open()
    drop(page, path)
    expect(page.locator("#page-id")).to_have_attribute("placeholder", "café.html")
    page.locator("#go").click()
    expect(page.locator("#verdict")).to_contain_text("1 of 2 blocks is a repeat")
    expect(page.locator("#block-1 .text")).to_have_text(text)
    expect(page.locator("#result")).to_contain_text("café.html was looked up")


def test_several_files_and_folders(visits: Visits, tmp_path: Path) -> None:
    """Files of a folder are named by their paths, judged in one go; what is no text is named."""
    folder = tmp_path / "crawl"
    (folder / "in").mkdir(parents=True)
    (folder / "a.txt").write_text(TEASER, encoding="utf-8")
    (folder / "in" / "b.txt").write_text(TEASER, encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0")
    page = visits.open()
    drop(page, folder)
    expect(page.locator("#files li")).to_have_count(3)
    expect(page.locator("#page-id")).to_be_disabled()
    page.locator("#remember").check()
    page.locator("#go").click()
    expect(page.locator("#verdict")).to_contain_text("1 of 2 blocks is a repeat")
    expect(page.locator("#result")).to_contain_text("1 page could not be judged")
    names = page.locator(".pages .name").all_inner_texts()
    assert sorted(names) == ["crawl/a.txt", "crawl/in/b.txt", "crawl/picture.png"]
    expect(page.locator(".failed")).to_have_count(1)
    expect(page.locator("#original .whole")).to_have_text(TEASER)
    page.get_by_role("button", name="Go to the original").click()
    expect(page.locator("#page-title")).to_have_text(
        "crawl/a.txt" if names.index("crawl/a.txt") < names.index("crawl/in/b.txt") else names[-1]
    )


def test_too_much_at_once(browser: Browser, tmp_path: Path) -> None:
    """A page that is too large is named and keeps no other; who asks too often waits, or stops."""
    paths = [tmp_path / f"{at}.txt" for at in range(9)]
    for path in paths:
        path.write_text(f"{TEASER}\n\n{TEASER}", encoding="utf-8")
    paths[1].write_text(TEASER * 1000, encoding="utf-8")
    with Process("--rate", "2", "--max-page-mb", "0.01") as service:
        visits = Visits(browser, service)
        page = visits.open()
        page.locator("#picker").set_input_files(paths[:2])
        page.locator("#go").click()
        expect(page.locator(".pages .failed")).to_contain_text("more than the 10,000")
        expect(page.locator("#verdict")).to_contain_text("1 of 2 blocks is a repeat")
        page.locator("#empty").click()
        page.locator("#picker").set_input_files([paths[0], *paths[2:5]])
        page.locator("#go").click()
        expect(page.locator("#verdict")).to_contain_text("4 of 8 blocks")
        page.locator("#empty").click()
        give(page, TEASER)  # after a second, for which the service asks
        expect(page.locator("#verdict")).to_have_text("No repeats in 1 block")
        page.locator("#picker").set_input_files(paths[2:])
        page.locator("#go").click()
        expect(page.locator("#verdict")).to_contain_text("7 of 14 blocks")
        page.locator("#go").click()
        expect(page.locator("#said")).to_contain_text("trying again in")
        page.locator("#stop").click()
        expect(page.locator("#said")).to_have_text("Stopped.")
        expect(page.locator("#go")).to_be_enabled()
        visits.close()
        visits.expected.append(FAILED)
        visits.clear()


def test_leaving_files_out(visits: Visits, tmp_path: Path) -> None:
    """Chosen files can be left out again, and the field comes back."""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(TEASER, encoding="utf-8")
    page = visits.open()
    page.locator("#picker").set_input_files([tmp_path / "a.txt", tmp_path / "b.txt"])
    expect(page.locator("#content")).to_be_hidden()
    page.get_by_label("Leave out a.txt").click()
    expect(page.locator("#files li")).to_have_count(1)
    page.get_by_label("Leave out b.txt").click()
    expect(page.locator("#content")).to_be_visible()


# ---- what never happens --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["text", "html", "bytes"])
def test_hostile_page(visits: Visits, tmp_path: Path, way: str) -> None:
    """Markup, handlers, links and broken bytes of a page are text, and run nothing."""
    page = visits.open()
    if way == "bytes":
        path = tmp_path / "<img src=x onerror='window.hit = 9'>.txt"
        path.write_bytes(
            f"{EVIL}\n\n{EVIL}\n\nBroken: ".encode()
            + b"\xff\xfe\xc3( \xed\xa0\x80 and so on to the end"
        )
        drop(page, path)
        page.locator("#go").click()
    else:
        name = '"><script>window.hit = 10</script>'
        give(page, EVIL_PAGE if way == "html" else f"{EVIL}\n\n{EVIL}\n\n\ud83d alone", name)
    expect(page.locator("#blocks li.exact")).to_have_count(1)
    page.locator("#blocks .why").click()
    expect(page.locator("#original .whole")).to_be_visible()
    if way != "html":
        expect(page.locator("#block-0 .text")).to_have_text(EVIL)
        expect(page.locator("#original .whole")).to_have_text(EVIL)
    else:
        expect(page.locator("#block-2 .text")).to_contain_text("<img src=y onerror=")
    inside = "#result :is(script, img, svg:not(.strip), iframe, a, [onclick], [onerror], [onload])"
    expect(page.locator(inside)).to_have_count(0)
    assert page.evaluate("window.hit") is None


def test_no_string_becomes_markup(visits: Visits) -> None:
    """The browser itself refuses to parse a string as markup, whoever may try."""
    page = visits.open()
    said = page.evaluate("try { document.body.innerHTML = '<b>x</b>' } catch (e) { e.name }")
    assert said == "TypeError"
    visits.expected.append("TrustedHTML")


def test_the_parts(shared: Process) -> None:
    """The page is static, has no script or style in its markup, and is asked for once."""
    with httpx.Client(base_url=shared.url) as client:
        home = client.get("/")
        assert home.headers["content-security-policy"] == POLICY
        assert "unsafe" not in POLICY
        assert not re.search(r"<style|<script(?! defer src=\"/web/)| style=| on[a-z]+=", home.text)
        names = re.findall(r"(?:src|href)=\"(/web/[^\"]+)\"", home.text)
        assert len(names) == 3
        for name in names:
            part = client.get(name)
            assert part.status_code == 200
            assert not re.search(r"https?://(?!www\.w3\.org/)", part.text.replace("https?:", ""))
            again = client.get(name, headers={"if-none-match": part.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        # Its parts share one scope, where a second function of a name would replace the first.
        script = client.get("/web/page.js").text
        functions = re.findall(r"^(?:async )?function (\w+)", script, re.MULTILINE)
        assert len(functions) > 100
        assert sorted(set(functions)) == sorted(functions)
        sample = client.get("/web/harbour-news.html")
        assert sample.content == SAMPLE.read_bytes()
        assert sample.headers["content-type"].startswith("text/plain")
        assert client.get("/web/nothing").json()["type"] == "/docs#not-found"


# ---- keys, errors, the index ---------------------------------------------------------------------


def test_keys(browser: Browser, tmp_path: Path) -> None:
    """A key is asked for, stays in the tab, and what it does not allow is said."""
    path = tmp_path / "keys.toml"
    reader = add_key(path, "reader", scope="read")
    with Process("--keys", str(path)) as service:
        visits = Visits(browser, service)
        page = visits.open()
        expect(page.locator("#connection")).to_be_visible()
        page.locator("#key").fill("dedup_wrong")
        page.locator("#connection .main").click()
        give(page, TEASER)
        trouble = page.get_by_role("alert")
        expect(trouble).to_contain_text("A key is needed")
        expect(trouble).to_contain_text("this key is not known")
        page.get_by_role("button", name="Key and namespace").click()
        page.locator("#key").fill(reader)
        page.keyboard.press("Enter")
        expect(trouble).to_have_count(0)
        give(page, TEASER)
        expect(page.locator("#verdict")).to_have_text("No repeats in 1 block")
        give(page, TEASER, remember=True)
        expect(trouble).to_contain_text("may read, and this writes")
        assert reader not in page.evaluate("JSON.stringify(localStorage)")
        assert page.evaluate("sessionStorage.getItem('dedup-key')") == reader
        expect(visits.open().locator("#connection")).to_be_visible()  # another tab has no key
        visits.close()
        visits.expected.append(FAILED)
        visits.clear()
        assert not [url for url in visits.asked if "dedup_" in url]


def test_a_service_that_is_gone(browser: Browser) -> None:
    """Who asks a service that was stopped is told so, and has his text still."""
    with Process() as service:
        visits = Visits(browser, service)
        page = visits.open()
        service.stop()
        give(page, TEASER)
        expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
        expect(page.locator("#content")).to_have_value(TEASER)
        visits.close()
        visits.expected.append(FAILED)
        visits.clear()


def test_the_index(visits: Visits) -> None:
    """What the index holds is shown: how much, what is repeated most, by site, and its settings."""
    page = visits.open()
    give(page, f"{TEASER}\n\n{OTHER}", "https://one.example/a", remember=True)
    give(page, f"{TEASER}\n\n{REWORDED}", "https://one.example/b", remember=True)
    give(page, f"{EVIL}\n\n{EVIL}\n\n{OTHER}", "https://two.example/c", remember=True)
    page.locator("#tabs").get_by_text("Index").click()
    expect(page.locator("#stats dd")).to_have_text(["3", "3", "4", re.compile("KB")])
    expect(page.locator("#settings .pairs")).to_contain_text("threshold")
    shown = page.locator("#repeated li")
    expect(shown).to_have_count(3)
    expect(shown.first).to_contain_text(TEASER)
    expect(shown.first).to_contain_text("2 repeats")
    options = page.locator("#sites option").evaluate_all("all => all.map(each => each.value)")
    assert options == ["one.example", "two.example"]
    page.locator("#site").fill("two.example")
    page.keyboard.press("Enter")
    expect(shown).to_have_count(1)
    expect(shown.locator(".quote")).to_have_text(EVIL)
    page.locator("#site").fill(EVIL[:200])
    page.keyboard.press("Enter")
    expect(page.locator("#repeated")).to_have_text(f"Nothing of {EVIL[:200]} is repeated so far.")
    page.reload()
    expect(page.locator("#repeated")).to_contain_text("the index keeps none")  # nor a new tab
    shown.first.get_by_role("link").click()
    entry = page.locator("#entry")
    expect(entry).to_contain_text("2 originals of its own, 0 repeats")
    expect(entry.locator("li").first).to_contain_text("repeated 2 times on 2 pages")
    page.locator("#find-id").fill("https://one.example/b")
    page.keyboard.press("Enter")
    expect(entry).to_contain_text("0 originals of its own, 2 repeats")
    entry.get_by_role("link", name="https://one.example/a").first.click()
    expect(entry.locator("h2")).to_have_text("https://one.example/a")
    expect(entry.locator("h2")).to_be_focused()


def test_the_pages(visits: Visits, shared: Process) -> None:
    """All pages are listed, some at a time, or those of a prefix; each leads to what it has."""
    page = visits.open()
    name = page.evaluate("sessionStorage.getItem('dedup-namespace')")
    names = [f"https://one.example/{number}" for number in range(120)] + [EVIL, "two/a b"]
    body = {"pages": [{"page": each, "content": f"{TEASER}\n\n{OTHER}"} for each in names]}
    answer = httpx.post(f"{shared.url}/v1/check", json=body, headers={"Dedup-Namespace": name})
    assert answer.status_code == 200
    page.keyboard.press("p")
    links = page.locator("#pages li a")
    pager = page.locator("#pages .pager")
    expect(links).to_have_text(names[:50])
    expect(page.locator("#pages li").first).to_contain_text("2 originals")
    expect(page.locator("#pages li").nth(1)).to_contain_text("2 repeats")
    expect(pager).to_contain_text("1 to 50 of 122 pages")
    expect(pager.get_by_role("button", name="Previous")).to_be_disabled()
    pager.get_by_role("button", name="Next").click()
    expect(links).to_have_text(names[50:100])
    pager.get_by_role("button", name="Next").click()
    expect(links).to_have_text(names[100:])
    expect(pager.get_by_role("button", name="Next")).to_be_disabled()
    pager.get_by_role("button", name="Previous").click()
    expect(pager).to_contain_text("51 to 100 of 122 pages")
    links.nth(3).click()
    expect(page.locator("#entry h2")).to_have_text(names[53])
    expect(links).to_have_text(names[50:100])  # the list is where it was
    page.get_by_role("button", name="Forget this page").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#forgotten")).to_have_text(f"{names[53]} is forgotten.")
    expect(links).to_have_text([*names[50:53], *names[54:101]])
    expect(pager).to_contain_text("of 121 pages")
    for prefix in (EVIL, "two/"):
        page.locator("#prefix").fill(prefix)
        page.keyboard.press("Enter")
        expect(links).to_have_text([each for each in names if each.startswith(prefix)])
        links.click()
        expect(page.locator("#entry h2")).to_have_text(names[120 if prefix == EVIL else 121])
        page.locator("#entry").get_by_role("link", name="Close").click()
        expect(page.locator("#entry h2")).to_have_count(0)
        expect(links).to_have_count(1)
    page.locator("#prefix").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("#pages")).to_have_text("No page’s id begins with nothing.")
    page.locator("#lists").get_by_text("Repeated most").click()
    expect(page.locator("#repeated li")).to_have_count(2)


def test_forgetting(visits: Visits) -> None:
    """A page is forgotten after a question, whatever its id; one that is not there is an error."""
    page = visits.open()
    name = "a <b> & c/ü %41"
    give(page, f"{TEASER}\n\n{TEASER}", name, remember=True)
    page.keyboard.press("i")
    expect(page.locator("#stats")).to_be_visible()
    page.locator("#find-id").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator("#entry h2")).to_have_text(name)
    page.get_by_role("button", name="Forget this page").click()
    expect(page.locator("#confirm-page")).to_have_text(name)
    page.keyboard.press("Enter")  # what has the focus keeps it
    expect(page.locator("#confirm")).to_be_hidden()
    expect(page.locator("#entry h2")).to_have_text(name)
    page.get_by_role("button", name="Forget this page").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#forgotten")).to_have_text(f"{name} is forgotten.")
    expect(page.locator("#stats .totals dd").first).to_have_text("0")
    page.locator("#find-id").fill("never seen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("has no page 'never seen'")
    visits.expected.append(FAILED)


def test_namespaces(visits: Visits) -> None:
    """Another namespace is another index."""
    page = visits.open()
    give(page, TEASER, "here", remember=True)
    page.locator("#connect").click()
    page.locator("#namespace").fill("not/allowed")
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_be_visible()  # the browser says what it may be
    page.locator("#namespace").fill("elsewhere-entirely")
    page.keyboard.press("Enter")
    expect(page.locator("#connect")).to_contain_text("elsewhere-entirely")
    give(page, TEASER, "there")
    expect(page.locator("#verdict")).to_have_text("No repeats in 1 block")


# ---- everybody -----------------------------------------------------------------------------------


def test_keyboard(visits: Visits) -> None:
    """Everything goes without a pointer, and the focus is seen."""
    page = visits.open()
    page.keyboard.press("/")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.insert_text(f"{TEASER}\n\n{OTHER}\n\n{REWORDED}\n\n{OTHER}")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#verdict")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#block-2 .why")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#block-3 .why")).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("k")
    expect(page.locator("#original h2")).to_contain_text("Block 2")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator("#stats .totals")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("c")
    expect(page.locator("#verdict")).to_be_visible()


def test_phone(visits: Visits) -> None:
    """On a phone nothing sticks out, and the original opens below its repeat."""
    page = visits.open()
    page.set_viewport_size(PHONE)
    give(page, SAMPLE.read_text(encoding="utf-8"), "x" * 300)
    expect(page.locator("#original")).to_have_count(0)
    page.locator(".near .why").click()
    expect(page.locator("#block-12 #original ins").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#original")).to_have_count(0)
    expect(page.locator(".near .why")).to_be_focused()
    give(page, f"{TEASER}\n\n{TEASER}", f"https://{'x' * 60}.example/{'y' * 300}", remember=True)
    for keys, place in (("i", "#repeated"), ("p", "#pages")):
        page.keyboard.press(keys)
        expect(page.locator(f"{place} li")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_theme(visits: Visits) -> None:
    """Dark and light as the system has it, until somebody chooses; the choice is kept."""
    page = visits.open()
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(back)
    assert light != dark
    page.locator("#theme").click()
    assert page.evaluate(back) == light
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate(back) == light


def test_copy(visits: Visits) -> None:
    """The text without its repeats can be taken away."""
    page = visits.open()
    give(page, f"{TEASER}\n\n{TEASER}\n\n{OTHER}")
    page.get_by_role("button", name="Copy the text without repeats").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n\n") == [TEASER, OTHER]


def axe() -> str:
    """The script of axe-core. Where it is not installed the test skips; with `CI` set it fails."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None:
        message = "no axe-core found: pip install axe-playwright-python"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = next(iter(spec.submodule_search_locations or ()))
    return Path(folder, "axe.min.js").read_text(encoding="utf-8")


def give_some(page: Page) -> None:
    """Have some pages checked."""
    page.keyboard.press("c")
    for name in ("https://one.example/a", "https://one.example/b"):
        give(page, f"{TEASER}\n\n{OTHER}", name, remember=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(visits: Visits, scheme: Any) -> None:
    """axe-core finds nothing to say of any view, in light and dark, wide and narrow."""
    script = axe()
    page = visits.open()
    page.emulate_media(color_scheme=scheme)

    def look() -> None:
        found = page.evaluate("axe.run().then((found) => found.violations)")
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []

    page.evaluate(script)
    look()
    give(page, SAMPLE.read_text(encoding="utf-8"))
    page.locator(".near .why").click()
    look()
    page.set_viewport_size(PHONE)
    look()
    page.keyboard.press("i")
    expect(page.locator("#stats .totals")).to_be_visible()
    look()
    give_some(page)
    for keys in ("i", "p"):
        page.keyboard.press(keys)
        expect(page.locator(f"#{'repeated' if keys == 'i' else 'pages'} li").first).to_be_visible()
        look()
    page.locator("#pages li a").first.click()
    expect(page.locator("#entry h2")).to_be_focused()
    look()
    page.locator("#connect").click()
    look()
