"""The benchmarks: they compare the same job, on sound text. Nothing is timed here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for peer in ("datasketch", "gaoya", "rensa"):
    pytest.importorskip(peer)

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))  # scripts, not a package

import common  # noqa: E402 - found in BENCH
import corpora  # noqa: E402
import inprocess  # noqa: E402
import peers  # noqa: E402
import sketch  # noqa: E402

NOWHERE = Path("no such folder")


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """Invented blocks with some exact repeats."""
    return corpora.stream(NOWHERE, 300).blocks


def test_text_is_the_same_in_every_run() -> None:
    """Invented text depends on its stream alone, and has the blocks that were asked for."""
    text = corpora.Invented()
    pages = list(text.pages(3, 20))
    assert pages == list(corpora.Invented().pages(3, 20))
    assert pages != list(corpora.Invented(stream=1).pages(3, 20))
    assert [len(page.split("\n\n")) for page in pages] == [20, 20, 20]
    words = [len(block.split()) for block in text.blocks(2000)]
    assert 60 < sum(words) / len(words) < 70


def test_other_text_is_what_it_says() -> None:
    """Without the real text, the English row is ASCII and the other row is not, in their sizes."""
    english = corpora.english(NOWHERE, 50)
    other = corpora.other_scripts(NOWHERE, 50)
    assert all(block.isascii() for block in english.blocks)
    assert not any(block.isascii() for block in other.blocks)
    assert english.describe()["blocks"] == 50


@pytest.mark.parametrize("name", peers.FINDERS)
def test_finders_do_the_same_job(name: str, blocks: list[str]) -> None:
    """Every peer flags exactly the blocks that it has seen, whatever the calls they come in."""
    expected = [block in blocks[:at] for at, block in enumerate(blocks)]
    find = peers.FINDERS[name]()
    assert find(blocks[:100]) + find(blocks[100:]) == expected
    assert sum(expected) > 10


def test_dedup_finds_the_same(blocks: list[str]) -> None:
    """Through pages of any size dedup sees the same blocks and flags as many."""
    repeats = len(blocks) - len(set(blocks))
    for size in (1, 20):
        assert inprocess.check_and_count(inprocess.pages_of(blocks, size)) == (300, repeats)


@pytest.mark.parametrize("name", peers.SKETCHERS)
def test_sketchers_run(name: str, blocks: list[str]) -> None:
    """Every peer sketches every block."""
    assert peers.SKETCHERS[name](blocks[:5]) is not None


def test_shingles() -> None:
    """The quick shingles are the plain ones."""
    assert peers.shingles("A b c d") == ["a b c", "b c d"]
    assert peers.shingles("A b c", 2) == ["a b", "b c"]
    assert peers.shingles("A b") == ["a b"]


def test_minhash_values_are_identical(blocks: list[str]) -> None:
    """The benchmark's own check against datasketch's values passes, also beyond ASCII."""
    assert sketch.assert_identical(blocks[:20]) == 20
    assert sketch.assert_identical(corpora.other_scripts(NOWHERE, 20).blocks) == 20


def test_rounds_compare_neighbours() -> None:
    """A ratio is a peer's time over the time of ours just before it."""
    ours = iter([9.0, 1.0, 2.0, 4.0])
    theirs = iter([9.0, 10.0, 10.0, 20.0])
    rates, ratios = common.compare(
        {"ours": lambda: next(ours)}, {"theirs": lambda: next(theirs)}, 3
    )
    assert ratios == {"theirs": {"ours": {"median": 5.0, "min": 5.0, "max": 10.0}}}
    assert rates["ours"] == {"median": 0.5, "min": 0.25, "max": 1.0}


def test_growth_and_memory() -> None:
    """Small indexes are filled and measured: every figure is there and positive."""
    growth = inprocess.measure_growth([200, 400], 2, 100)
    assert set(growth["blocks_per_second"]) == {"200", "400"}
    assert growth["time_against_smallest"]["200"]["median"] == 1.0
    alone = inprocess.measure_alone("dedup", 400)
    assert alone["counted_bytes_a_block"] > 0
