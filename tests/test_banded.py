"""The classic LSH family: datasketch's keys, the recall that was wished, and the same verdicts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xxhash
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_index import LONG, TEASER, A, B, facts, page_of
from test_index_twin import check
from test_kernel import native, needs_native
from test_minhash import lay_out

from dedup import AsyncDeduper, Deduper, MinHashes, Settings, SettingsError
from dedup.bands import MOST_BANDS, Bands, choose_bands
from dedup.index import memory
from dedup.kernel import reference
from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule, Verdict, is_better, judge_pair
from dedup.minhash import band_keys
from dedup.normalise import normalise
from dedup.sketch import Sketches, sketch_texts
from dedup.verdict import rule_of

datasketch = pytest.importorskip("datasketch")

# Blocks that share much, so that bands collide, beside whatever else there is.
ALIKE = st.lists(st.sampled_from(["the", "council", "said", "on", "monday"]), max_size=9)
BLOCKS = st.lists(st.one_of(ALIKE.map(" ".join), texts(12)), min_size=1, max_size=7)


def peer(text: str, num_perm: int, seed: int) -> Any:
    """What datasketch itself makes of a text's padded pairs of words."""
    minhash = datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)
    words = normalise(text).split(" ") if normalise(text) else []
    for first, second in pairwise(["^", *words, "$"] if words else []):
        minhash.update(f"{first} {second}".encode("utf-8", "surrogatepass"))
    return minhash


def sharing(keys: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """The pairs of blocks with a key in common."""
    held = [set(some) for some in keys]
    return {
        (a, b)
        for a in range(len(held))
        for b in range(len(held))
        if not held[a].isdisjoint(held[b])
    }


def keys_of(sketches: Sketches) -> list[list[int]]:
    """The keys of each block."""
    return [sketches.keys[slice(*span)].tolist() for span in sketches.key_spans.tolist()]


@given(blocks=BLOCKS, count=st.integers(2, 20), rows=st.integers(1, 4), data=st.data())
def test_candidates_are_datasketchs(
    blocks: list[str], count: int, rows: int, data: st.DataObject
) -> None:
    """For any texts two blocks share a key exactly where datasketch's index names one of them."""
    num_perm = data.draw(st.integers(count * rows, count * rows + 20))
    seed = data.draw(st.integers(0, 2**32 - 1))
    made = sketch_texts(*lay_out(blocks), Bands(count, rows, num_perm, seed))
    index = datasketch.MinHashLSH(num_perm=num_perm, params=(count, rows))
    minhashes = [peer(block, num_perm, seed) for block in blocks]
    for at, minhash in enumerate(minhashes):
        index.insert(at, minhash)
    wanted = {(at, other) for at, it in enumerate(minhashes) for other in index.query(it)}
    assert sharing(keys_of(made)) == wanted


@given(
    values=arrays(
        np.uint32, (6, 12), elements=st.one_of(st.integers(0, 2), st.integers(0, 2**32 - 1))
    ),
    shape=st.sampled_from([(12, 1), (6, 2), (4, 3), (3, 3), (2, 6)]),
)
def test_keys_of_any_values(values: Any, shape: tuple[int, int]) -> None:
    """Whatever the values, keys are equal where bands are, and in no band but the same."""
    keys = band_keys(values, Bands(*shape, num_perm=12, seed=1))
    assert keys.dtype == np.uint64
    index = datasketch.MinHashLSH(num_perm=12, params=shape)
    sketches = [datasketch.MinHash(hashvalues=row, scheme="affine32") for row in values]
    for at, sketch in enumerate(sketches):
        index.insert(at, sketch)
    wanted = {(at, other) for at, it in enumerate(sketches) for other in index.query(it)}
    assert sharing(keys.tolist()) == wanted


def test_keys_are_frozen() -> None:
    """The keys of a text never change, so that an index can be written to disk some day."""
    made = sketch_texts(*lay_out(["One, two: three"]), Settings(lsh="banded").bands)
    assert keys_of(made)[0][:2] == GOLDEN_KEYS


@given(blocks=st.lists(texts(12), max_size=4), seed=st.integers(0, 2**32 - 1))
def test_export_to_datasketch(blocks: list[str], seed: int) -> None:
    """What is exported equals what datasketch makes itself, and can be used on in the same way."""
    made = MinHashes.of(blocks, num_perm=32, seed=seed)
    assert len(made) == len(blocks)
    assert made.values.dtype == np.uint32
    for exported, block in zip(made.to_datasketch(), blocks, strict=True):
        wanted = peer(block, 32, seed)
        assert exported == wanted
        exported.update(b"more")
        wanted.update(b"more")
        assert exported == wanted
        assert exported.jaccard(wanted) == 1


@pytest.mark.parametrize("replacement", [None, type("Old", (), {"MinHash": lambda _: object()})])
def test_export_says_what_to_install(monkeypatch: pytest.MonkeyPatch, replacement: Any) -> None:
    """Without datasketch, or with one of other permutations, the export says what it needs."""
    monkeypatch.setitem(sys.modules, "datasketch", replacement)
    with pytest.raises(SettingsError, match=r"pip install 'datasketch>=2'"):
        MinHashes.of([A]).to_datasketch()


# ---- how many bands ------------------------------------------------------------------------------


@given(threshold=st.floats(0.2, 1), recall=st.floats(0.01, 0.995), num_perm=st.integers(32, 256))
def test_most_rows_that_keep_the_recall(threshold: float, recall: float, num_perm: int) -> None:
    """The bands keep the recall at the threshold; one less would not, nor would more rows fit."""

    def found(bands: int, rows: int) -> float:
        return 1 - float(1 - threshold**rows) ** bands

    bands, rows = choose_bands(threshold, recall, num_perm)
    most = min(MOST_BANDS, num_perm // rows)
    assert bands <= most
    assert found(bands, rows) >= recall - 1e-9
    assert found(bands - 1, rows) < recall + 1e-9
    more = min(MOST_BANDS, num_perm // (rows + 1))
    assert more == 0 or found(more, rows + 1) < recall + 1e-9


@pytest.mark.parametrize(
    ("threshold", "recall", "num_perm", "expected"),
    [
        (0.5, 0.95, 128, (23, 3)),
        (0.5, 0.99, 128, (35, 3)),
        (0.5, 0.95, 256, (47, 4)),
        (0.7, 0.95, 128, (17, 5)),
        (0.5, 0.95, 65536, (95, 5)),
        (1.0, 0.95, 128, (1, 128)),
    ],
)
def test_bands_by_example(
    threshold: float, recall: float, num_perm: int, expected: tuple[int, int]
) -> None:
    """What the defaults and their neighbours come to."""
    settings = Settings(threshold=threshold, lsh="banded", recall=recall, num_perm=num_perm, seed=7)
    assert settings.bands == Bands(*expected, num_perm, 7)


def test_recall_at_the_threshold() -> None:
    """Of pairs whose similarity is just the threshold, the wished share has a key in common."""
    words = [f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"]
    pairs = [" ".join(words[:31]), " ".join(words[:20] + words[31:41])]
    first, second = (set(pairwise(["^", *text.split(" "), "$"])) for text in pairs)
    similarity = len(first & second) / len(first | second)
    assert 0.45 < similarity < 0.5
    wished, seeds = 0.9, 1500
    shared = 0
    for seed in range(seeds):
        settings = Settings(threshold=similarity, lsh="banded", recall=wished, seed=seed)
        made = keys_of(sketch_texts(*lay_out(pairs), settings.bands))
        shared += not set(made[0]).isdisjoint(made[1])
    assert settings.bands
    promised = 1 - (1 - similarity**settings.bands.rows) ** settings.bands.count
    assert promised >= wished
    # Four standard deviations of so many trials.
    assert abs(shared / seeds - promised) < 4 * (promised * (1 - promised) / seeds) ** 0.5


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lsh": "forest"}, "lsh='forest': use one of bottom, banded"),
        ({"num_perm": 64}, "num_perm=64: an option of lsh='banded' alone"),
        ({"seed": 2}, "seed=2: an option of lsh='banded' alone"),
        ({"recall": 0.9}, "recall=0.9: an option of lsh='banded' alone"),
        ({"lsh": "banded", "num_perm": 0}, "num_perm=0: give a number from 1"),
        ({"lsh": "banded", "num_perm": 64.0}, "num_perm=64.0: give a number from 1"),
        ({"lsh": "banded", "seed": -1}, "seed=-1: give a number from 0"),
        ({"lsh": "banded", "seed": True}, "seed=True: give a number from 0"),
        ({"lsh": "banded", "recall": 1}, "recall=1: give a number over 0 and under 1"),
        ({"lsh": "banded", "recall": "all"}, "recall='all': give a number over 0"),
        ({"lsh": "banded", "num_perm": 4}, "takes 5 bands, and there is num_perm=4"),
        (
            {"lsh": "banded", "threshold": 0.01, "num_perm": 1000},
            "takes 299 bands, and there is 128 bands at most",
        ),
    ],
)
def test_settings_that_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    """An option that is wrong, or of the other family, is refused by name and value."""
    with pytest.raises(SettingsError) as caught:
        Deduper(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"lsh": "banded", "num_perm": 64, "seed": 3}])
def test_settings_survive_a_mapping(options: dict[str, Any]) -> None:
    """Settings come back from plain values, which leave out what the family does not have."""
    made = Settings(**options)
    plain = made.to_mapping()
    assert Settings.from_mapping(plain) == made
    assert ("num_perm" in plain) == (made.lsh == "banded")


@pytest.mark.parametrize("url", ["redis://localhost:1/0", "unix:///nowhere"])
def test_only_in_memory(url: str) -> None:
    """A store that makes keys from traces refuses the family before it connects."""
    with pytest.raises(SettingsError, match=r"lsh='banded' works in this process or a file only"):
        Deduper(url, lsh="banded")


# ---- the index -----------------------------------------------------------------------------------


def test_compacting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting, checking anew and compacting work without making any key again."""
    pages = [
        (page_of(*(f"{A} number {n} of {i} {'abcdefgh'[n]}" for n in range(5)), B), f"p{i}")
        for i in range(40)
    ]

    def run() -> tuple[list[Any], Any]:
        deduper = Deduper(threshold=0.9, lsh="banded")
        list(deduper.check_many(pages))
        list(deduper.check_many((content[: len(content) // 2], page) for content, page in pages))
        for _, page in pages[::2]:
            deduper.forget(page)
        list(deduper.check_many(pages[30:]))
        return [facts(deduper.lookup(content)) for content, _ in pages], deduper.stats()

    plain, plain_stats = run()
    monkeypatch.setattr(memory, "WORTH_COMPACTING", 0)
    compacted, compacted_stats = run()
    assert plain == compacted
    assert plain_stats.originals == compacted_stats.originals
    assert compacted_stats.bytes <= plain_stats.bytes


@given(blocks=st.lists(ALIKE.map(" ".join), max_size=5), num_perm=st.integers(8, 64))
def test_verdicts_are_those_of_datasketchs_candidates(blocks: list[str], num_perm: int) -> None:
    """An index finds what judging every candidate of datasketch finds, each key having few."""
    settings = Settings(min_words=1, lsh="banded", num_perm=num_perm, recall=0.9)
    assert settings.bands
    traces = [sketch_texts(*lay_out([block])).trace(0).tolist() for block in blocks]
    index = datasketch.MinHashLSH(
        num_perm=num_perm, params=(settings.bands.count, settings.bands.rows)
    )
    rule, wanted = Rule(*rule_of(settings).tolist()), []
    for at, block in enumerate(blocks):
        minhash, best = peer(block, num_perm, 1), Verdict(VerdictKind.NEW, 0, 0)
        candidates = sorted(index.query(minhash)) if traces[at] else []
        for other in candidates:
            equal = traces[other] == traces[at]
            verdict = judge_pair(rule, traces[at], traces[other])
            if equal:
                verdict = Verdict(VerdictKind.EXACT, 1, 1)
            best = verdict if is_better(verdict, best) else best
        wanted.append(best.kind if traces[at] else VerdictKind.SKIPPED)
        if traces[at] and best.kind in {VerdictKind.NEW, VerdictKind.EXTENSION}:
            index.insert(at, minhash)
    made = sketch_texts(*lay_out(blocks), settings.bands)
    bounds = np.arange(len(blocks) + 1)
    pages = [str(at) for at in range(len(blocks))]
    verdicts = memory.MemoryIndex("memory://", "n", settings).check(made, pages, bounds, 1)
    assert verdicts.kinds.tolist() == wanted


def test_lookup_with_another_threshold() -> None:
    """A lookup has the keys of its index, whatever it asks for."""
    deduper = Deduper(threshold=0.9, lsh="banded")
    deduper.check(A, page="p")
    near = A.replace("Monday", "Friday")
    assert not deduper.lookup(near).repeats
    assert deduper.lookup(near, threshold=0.5).repeats


@needs_native
def test_many_keys_through_both_kernels() -> None:
    """With as many keys as a block may have, and originals of values alone, kernels agree."""
    blocks = [A, B, LONG, TEASER, A.replace("Monday", "Friday"), B + " Twice."]
    chosen = sketch_texts(*lay_out(blocks), Bands(MOST_BANDS, 1, MOST_BANDS, 1))
    known = MinHashes.of([B.replace("green", "blue"), LONG], num_perm=MOST_BANDS)
    keys = band_keys(known.values, Bands(MOST_BANDS, 1, MOST_BANDS, 1))
    results = []
    for module in (native, reference):
        assert module
        state = np.zeros(5, np.int64)
        state[0] = 1
        tags, ids = np.zeros(2048, np.uint32), np.zeros(2048, np.uint32)
        columns = (tags, ids, np.zeros(3000, np.uint64), state)
        entries, page = np.zeros(2, np.uint32), np.array([8], np.uint32)
        module.add_values(columns, known.values, keys, np.array([0, 2]), page, 7, entries)
        results.append([*columns, entries, *check(module, columns, None, chosen, 1, 7)])
    for first, second in zip(*results, strict=True):
        assert np.array_equal(first, second)
    assert results[0][5].tolist() == [1, 6, 6, 3, 3, 6]


# ---- values that somebody brings -----------------------------------------------------------------


NEAR_A = A.replace("Monday", "Friday")


def banded(**options: Any) -> Deduper:
    """A deduper of the family, with few misses."""
    return Deduper(lsh="banded", recall=0.99, **options)


def brought(*blocks: str) -> Any:
    """Values as a user of datasketch has them."""
    return np.stack([peer(block, 128, 1).hashvalues for block in blocks])


def test_values_are_originals() -> None:
    """A block like one that is known by values alone is near it, and said not to be verified."""
    deduper = banded()
    deduper.add_minhashes(brought(A, B, LONG), ["old/1", "old/1", "old/2"])
    assert deduper.stats().originals == 3
    report = deduper.check(page_of(NEAR_A, B, "Something that nobody has read before."), page="new")
    first, second = (block.repeat for block in report.repeats)
    assert first
    assert second
    values = MinHashes.of([A, NEAR_A]).values
    assert first.similarity == float(np.mean(values[0] == values[1]))
    assert (first.kind, first.verified, first.original.page) == ("near", False, "old/1")
    assert (second.kind, second.similarity, second.original.position) == ("near", 1.0, 1)
    assert first.containment == first.similarity
    assert deduper.stats().originals == 4
    assert deduper.stats().repeats == 2
    assert facts(deduper.check(page_of(NEAR_A, B, "x"), page="new")) == facts(report)
    assert not Deduper(lsh="banded").lookup(NEAR_A).repeats


def test_what_is_computed_comes_first() -> None:
    """A verified repeat is preferred to an estimate, however high; an estimate to an extension."""
    deduper = banded()
    deduper.check(NEAR_A, page="text")
    deduper.add_minhashes(brought(A), ["values"])
    repeat = deduper.lookup(A).repeats[0].repeat
    assert repeat
    assert (repeat.original.page, repeat.verified) == ("text", True)
    deduper = banded()
    deduper.check(TEASER, page="teaser")
    assert deduper.lookup(LONG).extensions
    deduper.add_minhashes(brought(LONG), ["values"])
    repeat = deduper.lookup(LONG).repeats[0].repeat
    assert repeat
    assert (repeat.kind, repeat.original.page, repeat.verified) == ("near", "values", False)


def test_the_text_takes_the_place_of_values() -> None:
    """A page that is checked by its text owns that from then on, in place of values."""
    deduper = banded()
    for _ in range(2):
        deduper.add_minhashes(brought(A, B), ["page", "page"])
        assert deduper.stats().originals == 2
    assert not deduper.check(page_of(A, B), page="page").repeats
    assert deduper.stats().originals == 2
    repeat = deduper.lookup(A).repeats[0].repeat
    assert repeat
    assert (repeat.kind, repeat.verified) == ("exact", True)
    deduper.add_minhashes(brought(LONG), ["page"])
    assert deduper.stats().originals == 1
    assert deduper.forget("page")
    assert deduper.stats().originals == 0
    assert not deduper.lookup(LONG).repeats


def test_values_survive_compacting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Originals of both sorts are moved together."""
    monkeypatch.setattr(memory, "WORTH_COMPACTING", 0)
    deduper = banded()
    deduper.check(LONG, page="gone")
    deduper.add_minhashes(brought(B, A, LONG), ["gone too", "kept", "gone as well"])
    deduper.check("Something that nobody has read anywhere before.", page="text")
    before = facts(deduper.lookup(NEAR_A))
    assert before
    for page in ("gone", "gone too", "gone as well"):
        deduper.forget(page)
    assert facts(deduper.lookup(NEAR_A)) == before
    assert not deduper.lookup(page_of(LONG, B)).repeats
    assert deduper.lookup("Something nobody has read anywhere before.").repeats


def test_no_values() -> None:
    """Nothing to take over changes nothing."""
    deduper = banded()
    deduper.add_minhashes(np.zeros((0, 128), np.uint32), [])
    assert deduper.stats().pages == 0


def test_values_are_awaited_alike() -> None:
    """The asynchronous deduper takes the same."""

    async def job() -> None:
        async with AsyncDeduper(lsh="banded", recall=0.99) as deduper:
            await deduper.add_minhashes(brought(A), ["old"])
            report = await deduper.check(NEAR_A, page="new")
            assert [block.repeat.verified for block in report.repeats if block.repeat] == [False]

    asyncio.run(job())


@pytest.mark.parametrize(
    ("options", "values", "pages", "message"),
    [
        ({}, np.zeros((1, 128), np.uint32), ["p"], "go into an index with lsh='banded'"),
        ({"lsh": "banded"}, [[1]], ["p"], "MinHash values as list: give an array of uint32"),
        ({"lsh": "banded"}, np.zeros((1, 128), np.uint64), ["p"], "as uint64: give an array"),
        ({"lsh": "banded"}, np.zeros((1, 64), np.uint32), ["p"], "num_perm=128 ask for (1, 128)"),
        ({"lsh": "banded"}, np.zeros((2, 128), np.uint32), ["p"], "1 page ids"),
        (
            {"lsh": "banded"},
            np.zeros((3, 128), np.uint32),
            ["p", "q", "p"],
            "page 'p' comes 2 times: give the rows of a page together",
        ),
    ],
)
def test_values_that_cannot_be_meant(
    options: dict[str, Any], values: Any, pages: list[str], message: str
) -> None:
    """Values of another family, sort or shape are refused with what was wanted."""
    with pytest.raises(SettingsError) as caught:
        Deduper(**options).add_minhashes(values, pages)
    assert message in str(caught.value)


GOLDEN_KEYS = [10135409024314810731, 13904641487783085242]
