"""The teaser benchmark: the same in every run, and what it says of its cases is true."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

for needed in ("datasketch", "gaoya", "rensa", "scipy"):
    pytest.importorskip(needed)

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))  # scripts, not a package

import accuracy_peers  # noqa: E402 - found in BENCH
import accuracy_sets  # noqa: E402
import accuracy_short  # noqa: E402
import accuracy_teasers  # noqa: E402
import numpy as np  # noqa: E402
import teaser_changes  # noqa: E402
import teasers  # noqa: E402
import truth  # noqa: E402

from dedup.normalise import normalise  # noqa: E402

NOWHERE = Path("no such folder")
TEXT = (
    "The harbour office, which opened in 1912, closed its doors on Friday. Nobody in Norland had "
    "asked for that. Its keeper Anna Brandt will stay for another three years."
)
WORDS = TEXT.split()
AROUND = teaser_changes.Surroundings(
    ["boat", "river", "seven", "quickly"], ["Olsen"], ["A short one. Then another short one."]
)


@pytest.fixture(scope="module")
def made() -> teasers.Teasers:
    """A small benchmark from invented text."""
    return teasers.make_teasers(NOWHERE, a_class=6, others=60)


def test_is_the_same_in_every_run(made: teasers.Teasers) -> None:
    """The same seed gives the same blocks and cases; another one, others."""
    again = teasers.make_teasers(NOWHERE, a_class=6, others=60)
    assert (made.texts, made.cases) == (again.texts, again.cases)
    assert teasers.make_teasers(NOWHERE, a_class=6, others=60, seed=1).cases != made.cases


def test_halves_have_nothing_in_common(made: teasers.Teasers) -> None:
    """No block that settings are chosen on is one that figures are reported on."""
    others = teasers.make_teasers(NOWHERE, a_class=6, others=60, half=teasers.CHOSEN_ON)
    templates = 12 * 10  # rows of tables, from the same templates
    mine, its = ({*some.texts[:-templates]} for some in (made, others))
    assert mine
    assert mine.isdisjoint(its)


def test_blocks_of_the_index_are_unlike(made: teasers.Teasers) -> None:
    """No two blocks that cases are made from are like one another: there is one right answer."""
    texts = [normalise(text) for text in made.texts[:90]]
    assert not len(truth.similar_pairs(texts, 0.5))


def test_cases_are_what_they_say(made: teasers.Teasers) -> None:
    """Sources are blocks of the index, cases have words enough, negatives have no source."""
    assert {case.kind for case in made.cases} >= {
        "cut, clean",
        teasers.MERGED,
        teasers.FACTS,
        teasers.ROWS,
        teasers.UNRELATED,
    }
    negatives = {
        teasers.FACTS,
        teasers.HEADLINES,
        teasers.ROWS,
        teasers.UNRELATED,
        teasers.INVENTED,
        teasers.UNKNOWN,
    }
    for case in made.cases:
        assert all(0 <= number < len(made.texts) for number in case.sources)
        assert (not case.sources) == (case.kind in negatives)
        assert normalise(case.text).count(" ") >= 4


@pytest.mark.parametrize("kind", teaser_changes.CHANGES)
def test_every_change_changes(kind: str) -> None:
    """A change gives another text, and the same one from the same seed; None where nothing fits."""
    change = teaser_changes.CHANGES[kind]
    changed = {change(random.Random(seed), WORDS, AROUND) for seed in range(20)}
    assert changed - {None, TEXT}
    assert change(random.Random(3), WORDS, AROUND) == change(random.Random(3), WORDS, AROUND)
    change(random.Random(0), ["Five", "words", "and", "no", "more"], AROUND)  # must not fail


def test_form_changes_leave_the_normalised_text() -> None:
    """Case and invisible characters are no change to a reader, nor to the normalised text."""
    expected = normalise(TEXT)
    for kind in ("case", "invisible characters"):
        changed = teaser_changes.CHANGES[kind](random.Random(1), WORDS, AROUND)
        assert changed
        assert normalise(changed) == expected


def test_other_facts_are_most_of_it() -> None:
    """The same template with other facts keeps its beginning and less than 55 % of its words."""
    for seed in range(20):
        text = teaser_changes.other_facts(random.Random(seed), WORDS, AROUND)
        if text is None:
            continue
        same = sum(a == b for a, b in zip(text.split(), WORDS, strict=False))
        assert text.split()[0] == WORDS[0]
        assert same <= 0.55 * len(WORDS)


def test_joins_are_exact() -> None:
    """The sparse joins find what comparing every pair finds."""
    texts = ["a b c d e", "a b c d f", "x y z", "a b c d e g h", "b c d e"]
    found = {(int(a), int(b)): j for a, b, j in truth.similar_pairs(texts, 0.3).tolist()}
    expected = {
        (a, b): truth.similarity(texts[a], texts[b])
        for a in range(len(texts))
        for b in range(a)
        if truth.similarity(texts[a], texts[b]) >= 0.3
    }
    assert found == pytest.approx(expected)
    inside = truth.contained_pairs(texts, texts, 0.9, 2)
    pairs = {(int(a), int(b)) for a, b, *_ in inside.tolist() if a != b}
    assert pairs == {(0, 3), (3, 0), (4, 0), (0, 4), (3, 4), (4, 3)}


def test_joins_of_nothing() -> None:
    """Nothing is like nothing."""
    assert truth.similar_pairs(["a b c", "d e f"], 0.5).shape == (0, 3)
    assert truth.containment("a", "a") == 0.0


@pytest.mark.parametrize("name", accuracy_peers.PEERS)
def test_peers_match_what_they_hold(name: str) -> None:
    """Every setting of every peer matches a block with itself, and not with an unrelated one."""
    texts = [f"{'abcdefgh'[i]} " * 3 + f"word{i} other{i} more{i} end{i}" for i in range(8)]
    for setting in (accuracy_peers.PEERS[name].documented, *accuracy_peers.PEERS[name].sweep):
        matcher = setting.make()
        matcher.add(texts[:4])
        scored = matcher.score(texts)
        least = max([matcher.threshold, *setting.thresholds])
        matched = [{number for number, score in some if score >= least} for some in scored]
        assert matched == [{0}, {1}, {2}, {3}, set(), set(), set(), set()]
        assert matcher.keys_a_block() > 0
        assert matcher.bytes_a_block() > 0


def test_streams_keep_what_is_new() -> None:
    """A stream matches with kept blocks only, by their places."""
    matcher = accuracy_peers.SharedGrams(2, 0.5)
    assert matcher.stream(["a b c", "d e f", "a b c", "a b c"]) == [[], [], [0], [0]]
    assert matcher.kept == 2


def test_f1_counts_what_it_should(made: teasers.Teasers) -> None:
    """Everything right is 1; a negative flagged, or nothing found, is less."""
    benchmark = accuracy_teasers.Benchmark(made)
    right = benchmark.outcome([case.sources for case in made.cases])
    assert benchmark.overall(right) == 1.0
    everything = benchmark.outcome([case.sources or [0] for case in made.cases])
    assert benchmark.overall(everything) == pytest.approx(2 / 3)
    assert benchmark.overall(benchmark.outcome([[] for _ in made.cases])) == 0.0
    wrong = benchmark.outcome([[len(made.texts)] for _ in made.cases])
    assert not wrong.found.any()
    assert wrong.flagged.all()


def test_dedup_on_the_benchmark(made: teasers.Teasers) -> None:
    """dedup finds what changes nothing that counts, and flags no unrelated block."""
    benchmark = accuracy_teasers.Benchmark(made)
    rows = benchmark.rows(accuracy_teasers.measure_dedup(benchmark, accuracy_peers.Dedup()))
    assert rows["recall"]["case | all"] == 1.0
    assert rows["false"][teasers.UNRELATED] <= 0.02


def test_recall_over_originals() -> None:
    """A pair whose earlier block was not kept does not count."""
    pairs = np.array([[1, 0, 0.65], [2, 1, 0.95]])
    flagged, kept = np.array([False, True, False]), np.array([True, False, True])
    found = accuracy_sets.recall_over(pairs, flagged, kept)
    assert found["bins"]["0.6"] == {"blocks": 1, "found": 1.0}
    assert found["bins"]["0.9"] == {"blocks": 0, "found": None}
    assert found["from"]["0.5"] == {"blocks": 1, "found": 1.0}


def test_variants_of_headlines() -> None:
    """One word makes a variant, two do not, unless one headline is inside the other."""
    assert accuracy_short.is_variant("a b c d e", "a b x d e")
    assert accuracy_short.is_variant("a b c d e", "live a b c d e today")
    assert not accuracy_short.is_variant("a b c d e", "a x y d e")
    assert accuracy_short.edit_distance(list("kitten"), list("sitting")) == 3


def test_headlines_are_the_same_in_every_run() -> None:
    """So many distinct headlines of five to nine words, from a seed."""
    texts, sources = accuracy_short.headlines(NOWHERE, 200)
    assert texts == accuracy_short.headlines(NOWHERE, 200)[0]
    assert len(set(texts)) == 200
    assert sources == {"invented": 200}
    assert {len(text.split(" ")) for text in texts} <= set(range(5, 10))
