"""What every index must do: one suite for all stores.

`INDEXES` lists how each store is opened; a new store joins by one line.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st
from server_groups import Servers, start_cluster, start_sentinel
from servers import ServerKind, start_standalone

from dedup import (
    Deduper,
    IndexFullError,
    Original,
    PageList,
    PageSummary,
    Report,
    SettingsError,
)
from dedup.index import memory, memory_reading, tables

Open = Callable[..., Deduper]

Place = Callable[[Servers, Path], str]


def on_server(kind: str, start: Callable[[ServerKind], Any]) -> Place:
    """A store on servers that are started where a test needs them."""
    return lambda servers, _: str(servers.get(kind, start).url)


def in_memory(_servers: Servers, _folder: Path) -> str:
    """The store in this process."""
    return "memory://"


def in_file(_servers: Servers, folder: Path) -> str:
    """The store in a file."""
    return f"sqlite:///{folder}/index.dedup"


INDEXES: dict[str, Place] = {
    "memory": in_memory,
    "memory, banded": in_memory,
    "sqlite": in_file,
    "sqlite, banded": in_file,
    "valkey": on_server("valkey", start_standalone),
    "redis": on_server("redis", start_standalone),
    "redis-6": on_server("redis-6", start_standalone),
    "cluster": on_server("valkey", start_cluster),
    "sentinel": on_server("valkey", start_sentinel),
}
"""The URL of each store, with what it needs; a new store joins here."""

EXPIRING = ["memory", "sqlite", "valkey", "cluster"]
"""The stores in which originals expire (test_expiry.py)."""

BANDED = {"lsh": "banded", "num_perm": 256, "recall": 0.999}
OPTIONS: dict[str, dict[str, Any]] = {
    "memory, banded": BANDED,
    "sqlite, banded": BANDED,
}
"""What a store is opened with besides."""

A = "The harbour council said on Monday that three new cranes would not be ready before spring."
B = "Nobody at the shipyard could explain why the paint on the old lighthouse had turned green."
A_NEAR = A.replace("Monday", "Tuesday")
SHORT = "Read more here"
LONG = (
    f"{A} They were ordered two years ago from a maker in the south, which has since moved, and "
    "the first of them was to have been set up on the north quay in time for the herring season."
)
TEASER = " ".join(LONG.split()[:26]) + " … Read more"


@pytest.fixture(params=INDEXES)
def open_deduper(
    request: pytest.FixtureRequest, redis_servers: Servers, tmp_path: Path
) -> Iterator[Open]:
    """Opens empty indexes of one store."""
    url = INDEXES[request.param](redis_servers, tmp_path)
    opened: list[Deduper] = []

    def open_one(**options: Any) -> Deduper:
        given = OPTIONS.get(request.param, {}) | options
        deduper = Deduper(url, namespace=uuid.uuid4().hex, **given)
        opened.append(deduper)
        return deduper

    yield open_one
    for deduper in opened:
        deduper.clear()
        deduper.close()


def page_of(*blocks: str) -> str:
    """A text page of these blocks."""
    return "\n\n".join(blocks)


def facts(report: Report) -> list[tuple[object, ...]]:
    """What a report says of each repeat, times left out."""
    return [
        (
            *(b.position, r.kind, r.similarity, r.containment, r.scope),
            *(r.original.page, r.original.position, r.original.seen, r.original.pages),
        )
        for b in report.repeats
        if (r := b.repeat)
    ]


def kinds(report: Report) -> list[str | None]:
    """The kind of repeat of every block."""
    return [block.repeat.kind if block.repeat else None for block in report.blocks]


def test_exact_near_excerpt_and_new(open_deduper: Open) -> None:
    """Each kind of repeat is found, verified, and points at its original."""
    deduper = open_deduper()
    deduper.check(page_of(B, LONG), page="http://a.example/1")
    report = deduper.check(
        page_of(B.upper() + "!", LONG.replace("maker", "firm"), TEASER), page="http://a.example/2"
    )
    assert kinds(report) == ["exact", "near", "excerpt"]
    exact, near, excerpt = (block.repeat for block in report.repeats)
    assert exact
    assert near
    assert excerpt
    assert (exact.similarity, exact.original.position) == (1.0, 0)
    assert 0.5 <= near.similarity < 1
    assert (near.original.page, near.original.position) == ("http://a.example/1", 1)
    assert excerpt.similarity < 0.5
    assert excerpt.containment >= 0.8
    assert {r.scope for r in (exact, near, excerpt)} == {"site"}
    assert all(r.verified for r in (exact, near, excerpt))


def test_extension_is_new_and_reported(open_deduper: Open) -> None:
    """A long block that contains an earlier teaser is no repeat; it says what it contains."""
    deduper = open_deduper()
    deduper.check(TEASER, page="teaser")
    report = deduper.check(LONG, page="article")
    assert not report.repeats
    extension = report.extensions[0].extension
    assert extension
    assert (extension.kind, extension.original.page) == ("extension", "teaser")
    assert deduper.check(LONG, page="copy").repeats[0].repeat.original.page == "article"  # type: ignore[union-attr]


def test_short_and_empty_are_never_judged(open_deduper: Open) -> None:
    """Blocks under min_words and blocks of punctuation are skipped, however often they come."""
    deduper = open_deduper()
    report = deduper.check(page_of(SHORT, SHORT, "* * *", "* * *", A), page="p")
    assert not report.repeats
    assert report.skipped == 4
    assert [block.skipped for block in report.blocks] == [True] * 4 + [False]
    assert open_deduper(min_words=2).check(page_of(SHORT, SHORT), page="p").repeats


def test_checking_again_is_idempotent(open_deduper: Open) -> None:
    """The same page under the same id gives the same report and leaves the same index."""
    deduper = open_deduper()
    content = page_of(A, B, A, A_NEAR, SHORT)
    first = deduper.check(content, page="p")
    before = deduper.stats()
    for _ in range(3):
        assert facts(deduper.check(content, page="p")) == facts(first)
    after = deduper.stats()
    assert (after.pages, after.originals, after.repeats) == (1, before.originals, before.repeats)
    assert [f[1] for f in facts(first)] == ["exact", "near"]


def test_checking_again_repeats_the_same_original(open_deduper: Open) -> None:
    """What a page repeated it repeats when it is checked again, though a more similar one came."""
    words = [f"word{n}" for n in range(26)]
    first = " ".join(words[:20])
    second = " ".join([*words[20:25], *words[5:20]])
    third = " ".join([*words[20:25], *words[5:17], "the", "very", "end"])
    deduper = open_deduper()
    for name, text in (("a", first), ("b", second), ("c", third)):
        deduper.check(text, page=name)
    (found,) = deduper.check(second, page="b").repeats
    assert found.repeat is not None
    assert (found.repeat.original.page, found.repeat.original.seen) == ("a", 1)
    (other,) = deduper.check(second, page="new").repeats
    assert other.repeat is not None
    assert other.repeat.original.page == "c"
    # Blocks that the page did not have before are judged like any others.
    later = deduper.check(page_of(second, third), page="b").repeats
    assert [block.repeat.original.page for block in later if block.repeat] == ["a", "c"]


def test_seen_and_pages_count(open_deduper: Open) -> None:
    """`seen` counts repeats and `pages` counts distinct pages, each page once."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    deduper.check(page_of(A, A), page="q")
    report = deduper.check(A, page="r")
    original = report.repeats[0].repeat.original  # type: ignore[union-attr]
    assert (original.seen, original.pages) == (3, 3)
    deduper.check(B, page="q")
    original = deduper.lookup(A).repeats[0].repeat.original  # type: ignore[union-attr]
    assert (original.seen, original.pages) == (1, 2)


def test_blocks_that_left_the_page_are_released(open_deduper: Open) -> None:
    """What a page no longer shows is nobody's original."""
    deduper = open_deduper()
    deduper.check(page_of(A, B), page="p")
    deduper.check(B, page="p")
    assert not deduper.check(A, page="q").repeats
    assert deduper.check(B, page="q").repeats


def test_forget(open_deduper: Open) -> None:
    """Forgetting a page removes what it owns and what it counted, and no more."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    deduper.check(page_of(A, B), page="q")
    assert deduper.forget("p")
    assert not deduper.forget("p")
    assert not deduper.lookup(A).repeats
    assert deduper.lookup(B).repeats
    assert deduper.forget("q")
    stats = deduper.stats()
    assert (stats.pages, stats.originals, stats.repeats) == (0, 0, 0)


Entries = list[tuple[int | None, bool, str, int]]


def entries(deduper: Deduper, page: str) -> Entries | None:
    """What an index has of a page, counts and times left out."""
    found = deduper.page(page)
    if found is None:
        return None
    assert found.page == page
    return [(b.position, b.owned, b.original.page, b.original.position) for b in found.blocks]


def counted(originals: list[Original]) -> list[tuple[str, int, int, int]]:
    """Place and counts of originals."""
    return [(each.page, each.position, each.seen, each.pages) for each in originals]


def test_what_is_known_of_a_page(open_deduper: Open) -> None:
    """A page's entry has what it owns and repeats, in order, as originals are now."""
    deduper = open_deduper()
    start = datetime.now(UTC).replace(microsecond=0)
    deduper.check(page_of(SHORT, B, A, A), page="p")
    deduper.check(page_of(A_NEAR, SHORT, LONG), page="q")
    assert entries(deduper, "p") == [
        (1, True, "p", 1),
        (2, True, "p", 2),
        (None, False, "p", 2),
    ]
    assert entries(deduper, "q") == [(None, False, "p", 2), (2, True, "q", 2)]
    known = deduper.page("q")
    assert known
    assert [counted([block.original])[0][2:] for block in known.blocks] == [(2, 2), (0, 1)]
    for block in known.blocks:
        assert start <= block.original.first_seen <= block.original.last_seen <= datetime.now(UTC)
    assert known.checked is None or start <= known.checked <= datetime.now(UTC)
    deduper.check(page_of(LONG, SHORT), page="q")
    assert entries(deduper, "q") == [(0, True, "q", 0)]
    deduper.check("", page="empty")
    assert entries(deduper, "empty") == []
    assert deduper.page("nowhere") is None


def test_entries_whose_original_is_gone_are_left_out(open_deduper: Open) -> None:
    """A page that repeats what has been released has no entry for it; a forgotten one has none."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    deduper.check(page_of(A, B), page="q")
    deduper.forget("p")
    assert deduper.page("p") is None
    assert entries(deduper, "q") == [(1, True, "q", 1)]
    deduper.check(A, page="r")
    assert entries(deduper, "q") == [(1, True, "q", 1)]
    assert deduper.most_repeated() == []


def test_most_repeated(open_deduper: Open) -> None:
    """Originals come by their repeats, then by their pages, as many as are asked for."""
    deduper = open_deduper()
    deduper.check(page_of(A, B, LONG, "A block that nobody repeats stands here."), page="p")
    deduper.check(page_of(B, B, A, A, A_NEAR, LONG), page="q")
    deduper.check(LONG, page="r")
    wanted = [("p", 0, 3, 2), ("p", 2, 2, 3), ("p", 1, 2, 2)]
    assert counted(deduper.most_repeated()) == wanted
    assert counted(deduper.most_repeated(2)) == wanted[:2]
    assert counted(deduper.most_repeated(1)) == wanted[:1]
    known = deduper.page("q")
    assert known
    assert deduper.most_repeated(1)[0] == known.blocks[2].original
    deduper.forget("q")
    assert counted(deduper.most_repeated()) == [("p", 2, 1, 2)]
    for limit in (0, -1, True, 2.5, "many"):
        with pytest.raises(SettingsError, match=r"limit=.* from 1 on"):
            deduper.most_repeated(limit)  # type: ignore[arg-type]


def listed(deduper: Deduper, limit: int, prefix: str = "") -> list[PageSummary]:
    """All pages, so many at a time."""
    found = deduper.pages(prefix, limit=limit)
    pages = list(found.pages)
    while found.after is not None:
        assert len(found.pages) == limit
        found = deduper.pages(prefix, after=found.after, limit=limit)
        pages += found.pages
    return pages


def test_pages_are_listed(open_deduper: Open) -> None:
    """Each page comes once, however many at a time; by prefix, whatever characters that has."""
    deduper = open_deduper()
    assert deduper.pages() == PageList((), None)
    start = datetime.now(UTC).replace(microsecond=0)
    names = [f"https://example.org/{n}" for n in range(40)]
    names += ["a*", "a*b", "a?[b]^", "a\\*", "ab", "é\udc80/\n", ""]
    for _ in deduper.check_many((page_of(LONG, SHORT), name) for name in names):
        pass
    deduper.check(page_of(B, A, A_NEAR, LONG), page=names[3])
    deduper.forget(names[5])
    left = [name for name in names if name != names[5]]
    for limit in (1, 7, len(left), 1000):
        assert sorted(page.page for page in listed(deduper, limit)) == sorted(left)
    counts = {page.page: (page.originals, page.repeats) for page in listed(deduper, 5)}
    assert (counts[names[0]], counts[names[1]], counts[names[3]]) == ((1, 0), (0, 1), (1, 3))
    for page in deduper.pages().pages:
        assert page.checked is None or start <= page.checked <= datetime.now(UTC)
    for prefix in ("https://example.org/1", "a*", "a?", "a\\", "é", "nowhere"):
        wanted = sorted(name for name in left if name.startswith(prefix))
        assert sorted(page.page for page in listed(deduper, 3, prefix)) == wanted
    for after in ("x", "-1", "9" * 30, "²"):
        with pytest.raises(SettingsError, match=r"after=.* give what the list before gave"):
            deduper.pages(after=after)


def test_a_list_goes_on_whatever_changes(open_deduper: Open) -> None:
    """Pages that are there all the while are given, though others come and go between two lists."""
    deduper = open_deduper()
    for number in range(300):
        deduper.check(f"{A} {number}", page=f"stays-{number}")
        deduper.check("", page=f"goes-{number}")
    met: list[str] = []
    found = deduper.pages(limit=50)
    for step in range(1000):
        met += [page.page for page in found.pages]
        if found.after is None:
            break
        if step < 20:
            for number in range(step * 15, step * 15 + 15):
                deduper.forget(f"goes-{number}")
                deduper.check("", page=f"comes-{number}")
        found = deduper.pages(after=found.after, limit=50)
    assert {f"stays-{number}" for number in range(300)} <= set(met)


def test_most_repeated_of_a_site(open_deduper: Open) -> None:
    """Of one site come the originals that its pages own, as many as are asked for."""
    deduper = open_deduper()
    deduper.check(page_of(A, LONG), page="https://Example.org/a")
    deduper.check(B, page="https://example.net/example.org/")
    deduper.check(page_of(B, B, A, LONG, LONG), page="docs/a.html")
    assert counted(deduper.most_repeated(site="example.org")) == [
        ("https://Example.org/a", 1, 2, 2),
        ("https://Example.org/a", 0, 1, 2),
    ]
    assert counted(deduper.most_repeated(1, site="example.org"))[0][:2] == (
        "https://Example.org/a",
        1,
    )
    assert [each.page for each in deduper.most_repeated(site="example.net")] == [
        "https://example.net/example.org/"
    ]
    assert deduper.most_repeated(site="docs") == []


def test_candidates_are_counted(open_deduper: Open) -> None:
    """A report tells with how many originals each block was compared, also those of its page."""
    deduper = open_deduper()
    assert deduper.check(page_of(A, SHORT, B), page="a").candidates == [0, 0, 0]
    other = page_of(A_NEAR, A, A_NEAR.replace("harbour", "city"), SHORT)
    assert deduper.lookup(other, page="b").candidates == [1, 0, 1, 0]
    assert deduper.check(other, page="b").candidates == [1, 0, 1, 0]
    assert deduper.lookup(page_of(LONG, LONG + " So it is."), page="c").candidates == [1, 2]


def test_lookup_changes_nothing(open_deduper: Open) -> None:
    """A lookup gives the report that a check would give, and leaves no trace."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    before = deduper.stats()
    content = page_of(A_NEAR, B, B)
    looked = deduper.lookup(content, page="q")
    assert deduper.stats() == before
    assert kinds(looked) == ["near", None, "exact"]
    assert kinds(deduper.check(content, page="q")) == kinds(looked)
    assert kinds(deduper.lookup(content, page="q")) == kinds(looked)


def test_lookup_recognises_what_the_page_owns(open_deduper: Open) -> None:
    """A lookup of a page that the index knows meets the page's own originals first, as a check."""
    deduper = open_deduper()
    content = page_of(SHORT, TEASER, B, B)
    deduper.check(content, page="http://a.example/1")
    deduper.check(page_of(B, LONG), page="http://a.example/2")
    before = deduper.stats()
    looked = deduper.lookup(content, page="http://a.example/1")
    assert deduper.stats() == before
    assert kinds(looked) == [None, None, None, "exact"]
    assert facts(looked)[0][4:7] == ("page", "http://a.example/1", 2)
    assert facts(looked)[0][8] == 2, "what the index knows of it"
    # What stands before its own block does not see it, what stands behind does.
    moved = deduper.lookup(page_of(B + " Twice.", B, B + " Thrice."), page="http://a.example/1")
    assert kinds(moved) == [None, None, "near"]
    assert len(deduper.lookup(content).repeats) == 3
    deduper.forget("http://a.example/2")
    assert facts(deduper.lookup(content, page="http://a.example/1"))[0][7:] == (1, 1)
    assert facts(deduper.check(content, page="http://a.example/1"))[0][7:] == (1, 1)


def test_lookup_with_another_threshold(open_deduper: Open) -> None:
    """A lookup may be asked with another threshold."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    assert deduper.lookup(A_NEAR).repeats
    assert not deduper.lookup(A_NEAR, threshold=0.99).repeats
    with pytest.raises(SettingsError, match="threshold=7"):
        deduper.lookup(A_NEAR, threshold=7)


def test_scopes(open_deduper: Open) -> None:
    """A scope is the same page, the same site (host, or top folder of a path), or other."""
    deduper = open_deduper()
    deduper.check(page_of(A, A), page="https://news.example/1")

    def scope(page: str) -> str:
        report = deduper.lookup(A, page=page)
        return report.repeats[0].repeat.scope  # type: ignore[union-attr]

    assert scope("https://NEWS.example/2") == "site"
    assert scope("https://other.example/1") == "other"
    deduper.check(B, page="crawl/a/1.txt")
    assert deduper.lookup(B, page="crawl/b.txt").repeats[0].repeat.scope == "site"  # type: ignore[union-attr]
    assert deduper.lookup(B, page="x.txt").repeats[0].repeat.scope == "other"  # type: ignore[union-attr]


def test_no_chaining(open_deduper: Open) -> None:
    """A block is compared with originals only, so similarity never drifts from block to block."""
    words = [f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"]
    versions = [" ".join(["zzz"] * k + words[k:]) for k in range(0, 50, 6)]
    deduper = open_deduper()
    reports = [deduper.check(text, page=str(k)) for k, text in enumerate(versions)]
    for report in reports:
        for block in report.repeats:
            assert block.repeat
            source = versions[int(block.repeat.original.page)]
            assert not reports[int(block.repeat.original.page)].repeats
            assert block.repeat.similarity == pytest.approx(jaccard(block.text, source), abs=1e-9)


def jaccard(first: str, second: str) -> float:
    """Jaccard similarity of the padded word 2-shingles, from the texts."""
    a, b = (set(pairwise(["^", *text.split(), "$"])) for text in (first, second))
    return len(a & b) / len(a | b)


def test_ties_go_to_the_earliest(open_deduper: Open) -> None:
    """Among originals that are equally similar the first one counts."""
    words = [f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"]
    deduper = open_deduper(threshold=0.9)
    deduper.check(" ".join(["one", "two", "six", *words]), page="first")
    deduper.check(" ".join([*words, "ten", "ten", "two"]), page="second")
    report = deduper.lookup(" ".join(words), threshold=0.5)
    assert report.repeats[0].repeat.original.page == "first"  # type: ignore[union-attr]


pages_strategy = st.lists(
    st.tuples(
        st.lists(
            st.one_of(
                st.sampled_from([A, B, A_NEAR, LONG, TEASER, SHORT, LONG.replace("maker", "firm")]),
                texts(12),
            ),
            max_size=6,
        ).map("\n\n".join),
        st.sampled_from(["p", "q", "https://x.example/1", "https://x.example/2"]),
    ),
    max_size=8,
)


@given(pages=pages_strategy, batch=st.integers(1, 5))
def test_batches_do_not_matter(pages: list[tuple[str, str]], batch: int) -> None:
    """The same pages in the same order give the same verdicts, however they are batched."""
    one, many = Deduper(), Deduper()
    alone = [facts(one.check(content, page)) for content, page in pages]
    together = [facts(report) for report in many.check_many(pages, batch_pages=batch)]
    assert alone == together
    assert one.stats() == many.stats()


@given(pages=pages_strategy)
def test_checking_twice_equals_checking_once(pages: list[tuple[str, str]]) -> None:
    """At any point, checking the last page once more changes neither report nor index."""
    deduper = Deduper()
    for content, page in pages:
        first = facts(deduper.check(content, page))
        before = deduper.stats()
        assert facts(deduper.check(content, page)) == first
        after = deduper.stats()
        assert (after.originals, after.repeats) == (before.originals, before.repeats)


@given(pages=pages_strategy)
def test_looking_up_what_was_checked(pages: list[tuple[str, str]]) -> None:
    """A lookup of what was checked last says of each block what the check said."""
    deduper = Deduper()
    for at, (content, page) in enumerate(pages):
        checked = facts(deduper.check(content, f"{page}/{at}"))
        before = deduper.stats()
        looked = facts(deduper.lookup(content, f"{page}/{at}"))
        assert [fact[:-2] for fact in looked] == [fact[:-2] for fact in checked]
        assert deduper.stats() == before


@given(pages=pages_strategy)
def test_forgetting_everything_leaves_nothing(pages: list[tuple[str, str]]) -> None:
    """Whatever was checked in whatever order, forgetting every page empties the index."""
    deduper = Deduper()
    for content, page in pages:
        deduper.check(content, page)
    for page in {page for _, page in pages}:
        assert deduper.forget(page)
    stats = deduper.stats()
    assert (stats.pages, stats.originals, stats.repeats) == (0, 0, 0)


@given(pages=pages_strategy, gone=st.sets(st.sampled_from(["p", "q"])), part=st.integers(1, 9))
def test_counts_are_those_of_the_entries(
    pages: list[tuple[str, str]], gone: set[str], part: int
) -> None:
    """`seen` is the number of entries that repeat an original, `pages` that of their pages."""
    deduper = Deduper()
    list(deduper.check_many(pages))
    for page in gone:
        deduper.forget(page)
    seen: Counter[tuple[str, int]] = Counter()
    on: dict[tuple[str, int], set[str]] = {}
    for page in {page for _, page in pages} - gone:
        for _, owned, *place in entries(deduper, page) or ():
            original = cast("tuple[str, int]", tuple(place))
            seen[original] += not owned
            on.setdefault(original, {original[0]}).add(page)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(memory_reading, "PART", part)
        found = counted(deduper.most_repeated(1000))
        assert counted(deduper.most_repeated(2)) == found[:2]
    assert sorted(found) == sorted((*o, n, len(on[o])) for o, n in seen.items() if n)
    assert [each[2:] for each in found] == sorted((each[2:] for each in found), reverse=True)
    assert sum(seen.values()) == deduper.stats().repeats


@given(pages=pages_strategy)
def test_every_repeat_is_verified(pages: list[tuple[str, str]]) -> None:
    """No verdict is below its threshold, and each points at a block that was an original then."""
    deduper = Deduper()
    for report in deduper.check_many(pages):
        for block in report.repeats:
            assert block.repeat
            if block.repeat.kind == "near":
                assert block.repeat.similarity >= 0.5
            if block.repeat.kind == "excerpt":
                assert block.repeat.containment >= 0.8
            if block.repeat.scope == "page":
                original = report.blocks[block.repeat.original.position]
                assert original.position < block.position
                assert original.repeat is None


def test_compacting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that was compacted answers as one that was not, and is smaller."""
    pages = [
        (page_of(*(f"{A} number {n} of {i} {'abcdefgh'[n]}" for n in range(5)), B), f"p{i}")
        for i in range(60)
    ]

    def run() -> tuple[list[Any], Any]:
        deduper = Deduper(threshold=0.99)
        list(deduper.check_many(pages))
        list(deduper.check_many((content[: len(content) // 2], page) for content, page in pages))
        for _, page in pages[::2]:
            deduper.forget(page)
        list(deduper.check_many(pages[40:]))
        return [facts(deduper.lookup(content)) for content, _ in pages], deduper.stats()

    plain, plain_stats = run()
    monkeypatch.setattr(memory, "WORTH_COMPACTING", 0)
    compacted, compacted_stats = run()
    assert plain == compacted
    assert plain_stats.originals == compacted_stats.originals
    assert plain_stats.repeats == compacted_stats.repeats
    assert compacted_stats.bytes <= plain_stats.bytes


def test_threads_share_a_deduper(open_deduper: Open) -> None:
    """Threads that check the same new blocks at once agree on one original each."""
    deduper = open_deduper()
    blocks = [
        f"{B} This is the variation number {n} {'xyzuvw'[n % 6] * 3} of it." for n in range(40)
    ]
    found: list[Report] = []

    def work(worker: int) -> None:
        order = np.random.default_rng(worker).permutation(len(blocks))
        found.extend(deduper.check(blocks[n], page=f"{worker}/{n}") for n in order.tolist())

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    originals = sum(not report.repeats for report in found)
    assert len(found) == 160
    assert originals == deduper.stats().originals
    assert originals <= len(blocks)


def test_index_full_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that no longer fits is refused with a clear error, and the index stays as it was."""
    deduper = Deduper()
    deduper.check(A, page="p")
    before = deduper.stats()
    monkeypatch.setattr(tables, "MAX_UNITS", 30)
    with pytest.raises(IndexFullError, match="use a namespace"):
        deduper.check(page_of(LONG, B), page="q")
    assert deduper.stats() == before
    assert deduper.lookup(A).repeats


def test_unknown_store() -> None:
    """A URL of no store is an error that names the stores, or the one that was meant."""
    with pytest.raises(SettingsError, match="did you mean memory://"):
        Deduper("memori://")
    with pytest.raises(SettingsError, match="known: memory://, sqlite://, redis://"):
        Deduper("postgres://x")
    with pytest.raises(SettingsError, match="use memory://"):
        Deduper("memory://somewhere")


# ---- texts of originals --------------------------------------------------------------------------


def original_texts(report: Report) -> list[str | None]:
    """The texts of the originals that a report's repeats have."""
    return [block.repeat.original.text for block in report.repeats if block.repeat]


def test_texts_are_kept(open_deduper: Open) -> None:
    """With keep="text" a repeat shows its original's text, as it was given."""
    deduper = open_deduper(keep="text")
    deduper.check(page_of(A, LONG), page="p")
    odd = "lone \ud800 surrogates, and 港口 in a block of its own here"
    report = deduper.check(page_of(A.upper(), LONG.replace("maker", "firm"), B, odd), page="q")
    assert original_texts(report) == [A, LONG]
    assert original_texts(deduper.lookup(page_of(B, odd, LONG.upper()))) == [B, odd, LONG]
    known = deduper.page("q")
    assert known
    assert [block.original.text for block in known.blocks] == [A, LONG, B, odd]
    assert {original.text for original in deduper.most_repeated()} == {A, LONG}


def test_texts_of_one_batch(open_deduper: Open) -> None:
    """Originals of the same page, of the same batch, and of a page that comes twice in it."""
    deduper = open_deduper(keep="text")
    pages = [
        (page_of(A, A.upper()), "p"),
        ("", "empty"),
        (page_of(SHORT, A.lower(), B), "q"),
        (page_of(LONG, SHORT, A), "p"),
        (page_of(A_NEAR, B.upper(), LONG.upper()), "r"),
    ]
    reports = list(deduper.check_many(pages))
    assert [original_texts(report) for report in reports] == [[A], [], [A], [], [A, B, LONG]]
    assert original_texts(deduper.lookup(page_of(LONG, LONG.upper(), A_NEAR), page="new")) == [
        *(LONG, LONG, A)
    ]
    looked = deduper.lookup(
        page_of(SHORT, "Something that nobody else says, twice on a page.", "")
        + "\n\nSomething that nobody else says, TWICE on a page.",
        page="new",
    )
    assert original_texts(looked) == ["Something that nobody else says, twice on a page."]


def test_texts_of_extensions(open_deduper: Open) -> None:
    """The shorter original that a block contains is shown with its text, too."""
    deduper = open_deduper(keep="text")
    deduper.check(page_of(B, TEASER), page="p")
    (block,) = deduper.check(page_of(LONG), page="q").extensions
    assert block.extension
    assert block.extension.original.text == TEASER


def test_texts_go_with_their_originals(open_deduper: Open) -> None:
    """A page that changes, or is forgotten, takes its texts along."""
    deduper = open_deduper(keep="text")
    deduper.check(page_of(A, B), page="p")
    deduper.check(page_of(SHORT, B), page="p")
    assert original_texts(deduper.lookup(page_of(A, B.upper()))) == [B]
    assert deduper.forget("p")
    assert original_texts(deduper.lookup(page_of(A, B))) == []
    assert original_texts(deduper.check(page_of(B.upper(), B), page="q")) == [B.upper()]
    deduper.clear()
    assert deduper.page("q") is None
    assert original_texts(deduper.check(page_of(B, B.lower()), page="p")) == [B]


def test_what_cannot_be_kept() -> None:
    """An index in this process says that it keeps traces, and texts; unknown words are refused."""
    with pytest.raises(SettingsError, match="keep='keys' is for an index in Redis"):
        Deduper(keep="keys")
    with pytest.raises(SettingsError, match="keep='all': use one of traces, text, keys"):
        Deduper(keep="all")
