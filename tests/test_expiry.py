"""Originals expire: what was not seen for `expire_after` is no longer there, in every store.

`EXPIRING` in test_index.py lists the stores that are held to this; the clock is moved by hand.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_index import (
    A_NEAR,
    EXPIRING,
    LONG,
    SHORT,
    TEASER,
    A,
    B,
    Entries,
    Open,
    entries,
    kinds,
    open_deduper,
)
from test_index import page_of as joined
from test_sketch import sketch

from dedup import AsyncDeduper, Deduper, Report, Settings, SettingsError, async_detector, detector
from dedup.index import memory
from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule, Verdict, is_better, judge_pair
from dedup.verdict import rule_of

__all__ = ["open_deduper"]

DURATION = 1000
"""Seconds that originals live in these tests."""

each_store = pytest.mark.parametrize("open_deduper", EXPIRING, indirect=True)


@dataclass
class Clock:
    """Stands for the module `time` where dedupers ask it; moved by hand."""

    now: float = 1_800_000_000.75

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def moved_by_hand(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock for every deduper."""
    clock = Clock()
    for module in (detector, async_detector):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that dedupers see."""
    return moved_by_hand(monkeypatch)


def repeat_of(report: Report) -> Any:
    """The one repeat of a report."""
    (block,) = report.repeats
    return block.repeat


@each_store
def test_gone_after_the_duration(open_deduper: Open, clock: Clock) -> None:
    """An original is there for the whole duration, and a second later it is not."""
    deduper = open_deduper(expire_after=timedelta(seconds=DURATION))
    deduper.check(joined(B, LONG), page="p")
    alike = (B, B.replace("paint", "colour"), TEASER)
    clock.wait(DURATION)
    assert [kinds(deduper.lookup(text)) for text in alike] == [["exact"], ["near"], ["excerpt"]]
    clock.wait(1)
    assert [kinds(deduper.lookup(text)) for text in alike] == [[None], [None], [None]]
    assert not deduper.check(alike[1], page="q").repeats
    assert repeat_of(deduper.lookup(B)).original.page == "q"


@each_store
def test_without_a_duration_nothing_expires(open_deduper: Open, clock: Clock) -> None:
    """Originals stay for good unless a duration is set."""
    deduper = open_deduper()
    deduper.check(A, page="p")
    clock.wait(50 * 365 * 86_400)
    assert repeat_of(deduper.check(A, page="q")).original.page == "p"


@each_store
@pytest.mark.parametrize("again", [(A, "q"), (A_NEAR, "q"), (A, "p")], ids=["exact", "near", "own"])
def test_being_seen_renews(open_deduper: Open, clock: Clock, again: tuple[str, str]) -> None:
    """An exact repeat, a near one, and the original met again on its own page keep it alive."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(A, page="p")
    for _ in range(3):
        clock.wait(0.9 * DURATION)
        deduper.check(*again)
    clock.wait(0.9 * DURATION)
    assert repeat_of(deduper.check(A, page="r")).original.page == "p"


@each_store
def test_an_excerpt_renews_and_an_extension_does_not(open_deduper: Open, clock: Clock) -> None:
    """A block that is new renews nothing, also where it contains an original."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(LONG, page="long")
    deduper.check(TEASER.replace("harbour", "village"), page="teaser")
    clock.wait(0.9 * DURATION)
    assert kinds(deduper.check(TEASER, page="q")) == ["excerpt"]
    clock.wait(0.9 * DURATION)
    assert repeat_of(deduper.lookup(LONG)).original.page == "long"
    other = open_deduper(expire_after=DURATION)
    other.check(TEASER, page="teaser")
    clock.wait(0.9 * DURATION)
    assert other.check(LONG, page="long").extensions
    clock.wait(0.9 * DURATION)
    assert repeat_of(other.lookup(TEASER)).original.page == "long"


@each_store
def test_lookup_does_not_renew(open_deduper: Open, clock: Clock) -> None:
    """Looking something up leaves its time alone."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(A, page="p")
    for _ in range(4):
        clock.wait(0.3 * DURATION)
        deduper.lookup(A, page="q")
        deduper.lookup(A, page="p")
    assert not deduper.lookup(A).repeats


@each_store
def test_an_owner_recognises_what_others_kept_alive(open_deduper: Open, clock: Clock) -> None:
    """A page that was not checked for long knows its own originals, as far as they are alive."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(joined(A, B), page="owner")
    for n in range(5):
        clock.wait(0.6 * DURATION)
        assert repeat_of(deduper.check(A, page=f"page {n}")).original.page == "owner"
    assert not deduper.check(joined(A, B), page="owner").repeats
    clock.wait(0.6 * DURATION)
    found = deduper.lookup(joined(A, B))
    assert [block.repeat.original.page for block in found.repeats if block.repeat] == ["owner"] * 2


@each_store
def test_another_page_takes_over(open_deduper: Open, clock: Clock) -> None:
    """Who comes after an original expired owns it; the page that had it finds a repeat."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(A, page="first")
    clock.wait(DURATION + 1)
    assert not deduper.check(A, page="second").repeats
    assert repeat_of(deduper.check(A, page="first")).original.page == "second"


@each_store
def test_a_page_begins_anew(open_deduper: Open, clock: Clock) -> None:
    """What a page had is new to it once it expired; repeats on it are flagged as at first."""
    deduper = open_deduper(expire_after=DURATION)
    for _ in range(3):
        report = deduper.check(joined(A, A, SHORT), page="p")
        assert kinds(report) == [None, "exact", None]
        assert repeat_of(report).original.seen == 1
        assert repeat_of(report).original.first_seen.timestamp() == int(clock.now)
        clock.wait(DURATION + 1)


@each_store
def test_counts_start_anew(open_deduper: Open, clock: Clock) -> None:
    """What was counted for an expired original does not count for the one after it."""
    deduper = open_deduper(expire_after=DURATION)
    for page in "pqr":
        deduper.check(A, page=page)
    clock.wait(DURATION + 1)
    deduper.check(A, page="s")
    original = repeat_of(deduper.check(A, page="q")).original
    assert (original.page, original.seen, original.pages) == ("s", 1, 2)


@each_store
def test_a_page_counts_once(open_deduper: Open, clock: Clock) -> None:
    """A page that is checked again within the duration is known: its repeats count once."""
    deduper = open_deduper(expire_after=DURATION)
    for page in "pqr":
        deduper.check(A, page=page)
    for _ in range(3):
        clock.wait(0.6 * DURATION)
        for page in "pqr":
            deduper.check(A, page=page)
            original = repeat_of(deduper.lookup(A)).original
            assert (original.seen, original.pages) == (2, 3)
    assert deduper.stats().pages == 3


@each_store
def test_taking_back_what_expired(open_deduper: Open, clock: Clock) -> None:
    """Pages that owned or repeated what has expired can be forgotten, and checked again."""
    deduper = open_deduper(expire_after=DURATION)
    for page in ("p", "q", "r"):
        deduper.check(joined(A, B), page=page)
    clock.wait(DURATION + 1)
    deduper.check(A, page="q")
    deduper.forget("r")
    deduper.forget("p")
    assert repeat_of(deduper.check(A, page="s")).original.seen == 1
    assert not deduper.check(B, page="q").repeats
    for page in ("q", "s"):
        deduper.forget(page)
    stats = deduper.stats()
    assert (stats.pages, stats.originals, stats.repeats) == (0, 0, 0)


@each_store
def test_what_was_taken_back_was_seen(open_deduper: Open, clock: Clock) -> None:
    """An original whose only repeat left its page was last seen when that was checked."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(A, page="p")
    clock.wait(0.5 * DURATION)
    deduper.check(A, page="q")
    deduper.check(B, page="q")
    clock.wait(0.9 * DURATION)
    assert repeat_of(deduper.check(A, page="r")).original.page == "p"


@each_store
def test_forgetting_an_owner_that_others_kept_alive(open_deduper: Open, clock: Clock) -> None:
    """A page that was not checked for long can be forgotten with what others kept alive."""
    deduper = open_deduper(expire_after=DURATION)
    deduper.check(A, page="owner")
    for n in range(3):
        clock.wait(0.9 * DURATION)
        deduper.check(A, page=f"page {n}")
    assert deduper.forget("owner")
    assert not deduper.lookup(A).repeats


@each_store
def test_keys_are_free_again(open_deduper: Open, clock: Clock) -> None:
    """A key that was full of originals takes new ones when those have expired."""
    common = "the old crane on the north quay was painted again"
    versions = [f"{common} {' '.join(f'{letter}{n}' for letter in 'abcdefgh')}" for n in range(9)]
    deduper = open_deduper(expire_after=DURATION, threshold=0.9)
    for n, text in enumerate(versions[:-1]):
        assert not deduper.check(text, page=str(n)).repeats
    clock.wait(0.9 * DURATION)
    deduper.check(B, page="other")  # a sweep that is due now finds nothing to release
    clock.wait(0.1 * DURATION + 1)
    assert not deduper.lookup(versions[-1], threshold=0.3).repeats
    deduper.check(versions[0], page="late")
    assert repeat_of(deduper.lookup(versions[-1], threshold=0.3)).original.page == "late"


@each_store
def test_a_sweep_bounds_memory(
    open_deduper: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that pages pass through holds about as much as one or two durations bring."""
    monkeypatch.setattr(memory, "WORTH_COMPACTING", 100)
    deduper = open_deduper(expire_after=DURATION, threshold=0.99)
    over_time = []
    for n in range(600):
        clock.wait(DURATION / 20)
        blocks = (" ".join(f"{word}{n}" for word in words.split()) for words in (A, B))
        assert not deduper.check(joined(*blocks, SHORT), page=f"page {n}").repeats
        over_time.append(deduper.stats())
    for stats in over_time[100:]:
        assert 20 <= stats.pages <= 41
        assert 40 <= stats.originals <= 82
        assert stats.bytes <= 1.1 * max(earlier.bytes for earlier in over_time[60:100])


def test_a_clock_set_back_is_swept_by(clock: Clock) -> None:
    """Where the clock was far ahead once, sweeps go on when it is right again."""
    deduper = Deduper(expire_after=DURATION)
    clock.wait(1e8)
    deduper.check(B, page="b")
    clock.wait(-1e8)
    for n in range(20):
        deduper.check(" ".join(f"{word}{n}" for word in A.split()), page=f"page {n}")
        clock.wait(0.7 * DURATION)
    assert deduper.stats().pages <= 4


def test_the_asynchronous_one(clock: Clock) -> None:
    """An asynchronous deduper has the same clock and the same setting."""

    async def job() -> None:
        async with AsyncDeduper(expire_after=timedelta(seconds=DURATION)) as deduper:
            await deduper.check(A, page="p")
            clock.wait(DURATION)
            assert (await deduper.lookup(A)).repeats
            clock.wait(1)
            assert not (await deduper.lookup(A)).repeats
            assert not (await deduper.check(A, page="q")).repeats

    asyncio.run(job())


# ---- a plain model -------------------------------------------------------------------------------

TEXTS = [A, B, A_NEAR, LONG, TEASER, SHORT, LONG.replace("maker", "firm"), B + " Twice."]
TRACES = [
    traces.tolist()
    for each in [sketch(*TEXTS)]
    for traces in (each.traces[start:end] for start, end in each.trace_spans)
]


@dataclass
class Held:
    """An original of the model."""

    text: int
    page: str
    position: int
    last_seen: int


@dataclass
class Model:
    """What an index is to say, in plain Python: every original is compared with every block."""

    duration: int
    rule: Rule = field(default_factory=lambda: Rule(*rule_of(Settings()).tolist()))
    originals: list[Held] = field(default_factory=list)
    pages: dict[str, list[tuple[bool, Held]]] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)

    def check(self, blocks: list[int], page: str, now: int) -> list[tuple[Any, ...]]:
        """Judge a page: kind, similarity and place of the original of each repeat."""
        self.originals = [o for o in self.originals if o.last_seen >= now - self.duration]
        awaited = [o for o in self.originals if o.page == page]
        verdicts = []
        entries = self.pages[page] = []
        self.checked[page] = now
        for position, text in enumerate(blocks):
            if len(TRACES[text]) < Settings().min_words:
                continue
            equal = next((o for o in self.originals if o.text == text), None)
            if equal and any(equal is own for own in awaited):
                awaited = [own for own in awaited if own is not equal]
                equal.position, equal.last_seen = position, now
                entries.append((True, equal))
                continue
            best, found = Verdict(VerdictKind.NEW, 0.0, 0.0), None
            if equal:
                best, found = Verdict(VerdictKind.EXACT, 1.0, 1.0), equal
            else:
                for original in self.originals:
                    if any(original is own for own in awaited):
                        continue
                    verdict = judge_pair(self.rule, TRACES[text], TRACES[original.text])
                    if is_better(verdict, best):
                        best, found = verdict, original
            if not found or best.kind == VerdictKind.EXTENSION:
                self.originals.append(Held(text, page, position, now))
                entries.append((True, self.originals[-1]))
            else:
                found.last_seen = now
                entries.append((False, found))
                kind = VerdictKind(best.kind).name.lower()
                verdicts.append((position, kind, best.similarity, found.page, found.position))
        self.originals = [o for o in self.originals if not any(o is own for own in awaited)]
        return verdicts

    def forget(self, page: str) -> None:
        """Remove what a page owns."""
        self.originals = [o for o in self.originals if o.page != page]
        self.pages.pop(page, None)

    def entries(self, page: str, now: int) -> Entries:
        """What is known of a page."""
        return [
            (held.position if owned else None, owned, held.page, held.position)
            for owned, held in self.pages.get(page, ())
            if any(held is o for o in self.originals) and held.last_seen >= now - self.duration
        ]


def said(report: Report) -> list[tuple[Any, ...]]:
    """The same of a report."""
    return [
        (block.position, r.kind, r.similarity, r.original.page, r.original.position)
        for block in report.repeats
        if (r := block.repeat)
    ]


def assert_known(deduper: Deduper, model: Model, now: int) -> None:
    """What is known of each page is what the model knows; what is repeated most is alive.

    A page that was not checked for so long may have lost repeats.
    """
    repeated = set()
    for page in "pqrs":
        found, wanted = entries(deduper, page) or [], model.entries(page, now)
        if model.checked.get(page, now) < now - model.duration:
            wanted = [entry for entry in wanted if entry[1] or entry in found]
        assert found == wanted
        repeated |= {(owner, place) for _, owned, owner, place in found if not owned}
    there = sorted(page for page in "pqrs" if deduper.page(page) is not None)
    assert sorted(page.page for page in deduper.pages(limit=1000).pages) == there
    alive = {(o.page, o.position) for o in model.originals if o.last_seen >= now - model.duration}
    places = [(original.page, original.position) for original in deduper.most_repeated()]
    assert len(set(places)) == len(places)
    assert repeated <= set(places) <= alive


steps_strategy = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0.1, 0.2, 0.6, 0.9, 1, 1.001, 2.5]),
        st.sampled_from("pqrs"),
        st.one_of(st.none(), st.lists(st.integers(0, len(TEXTS) - 1), max_size=5)),
    ),
    max_size=16,
)


@each_store
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # an index is opened anew
@given(steps=steps_strategy)
def test_like_a_plain_model(
    open_deduper: Open, steps: list[tuple[float, str, list[int] | None]]
) -> None:
    """However time passes, verdicts are those of brute force over the originals still alive."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = moved_by_hand(monkeypatch)
        monkeypatch.setattr(memory, "WORTH_COMPACTING", 10)
        deduper, model = open_deduper(expire_after=DURATION), Model(DURATION)
        for durations, page, blocks in steps:
            clock.wait(durations * DURATION)
            if blocks is None:
                deduper.forget(page)
                model.forget(page)
                continue
            content = joined(*(TEXTS[block] for block in blocks))
            now = int(clock.now)
            assert said(deduper.lookup(content)) == deepcopy(model).check(blocks, "", now)
            found = said(deduper.check(content, page))
            assert found == model.check(blocks, page, now)
            before = deduper.stats()
            assert said(deduper.check(content, page)) == found
            assert deduper.stats().originals == before.originals
            assert_known(deduper, model, now)
        clock.wait(0.5 * DURATION)
        assert_known(deduper, model, int(clock.now))
        for page in "pqrs":
            deduper.forget(page)
        stats = deduper.stats()
        assert (stats.pages, stats.originals, stats.repeats) == (0, 0, 0)


# ---- the setting ---------------------------------------------------------------------------------


def test_durations_are_kept_as_seconds() -> None:
    """A timedelta and a number become seconds, which are plain values; there is none by default."""
    for value in (timedelta(days=7), 604_800, 604_800.0, np.float64(604_800)):
        kept = Settings.from_mapping({"expire_after": value}).to_mapping()["expire_after"]
        assert (kept, type(kept)) == (604_800.0, float)
    assert Settings().expire_after is None
    assert Settings.from_mapping({"threshold": 0.6}).expire_after is None


@pytest.mark.parametrize(
    "value", [0, -1, True, "7d", float("nan"), float("inf"), 10**400, timedelta(0), timedelta(-1)]
)
def test_bad_durations(value: object) -> None:
    """A duration that cannot be meant is refused by name, with the remedy."""
    with pytest.raises(SettingsError) as caught:
        Deduper(expire_after=value)
    assert str(caught.value).startswith(f"expire_after={value!r}: give a timedelta or a number of")
