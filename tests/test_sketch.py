"""Sketches: golden vectors, laws of keys, and blocks that need the full normaliser."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st

from dedup.bands import Bands
from dedup.kernel.reference.judge import shingles
from dedup.kernel.reference.tokens import TRACE_GOES_ON, tokens_of
from dedup.normalise import normalise
from dedup.sketch import MAX_KEYS, Sketches, keys_of_traces, sketch_texts


def sketch(*blocks: str, bands: Bands | None = None) -> Sketches:
    """Sketches of some texts."""
    encoded = [block.encode("utf-8", "surrogatepass") for block in blocks]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return sketch_texts(b"".join(encoded), bounds[:-1], bounds[1:], bands)


def keys(sketches: Sketches, block: int = 0) -> list[int]:
    """The keys of one block."""
    values: list[int] = sketches.keys[slice(*sketches.key_spans[block])].tolist()
    return values


GOLDEN_TEXT = (
    "The harbour council met on 24 November to talk about the three new cranes, which had been due "
    "since spring; “nobody knows”, said Ms. Löfström, why they are late."
)


def test_golden_vectors() -> None:
    """Fingerprint, trace and keys never change: a change is a new format of every stored index."""
    made = sketch(GOLDEN_TEXT, "短い日本語の文章です。", "हिन्दी में एक छोटा वाक्य e\u0323\u0301")
    assert made.fingerprints.tolist() == GOLDEN["fingerprints"]
    assert made.trace(0).tolist()[:12] == GOLDEN["trace"]
    assert [keys(made, block) for block in range(3)] == GOLDEN["keys"]


@given(st.lists(texts(), max_size=6))
def test_batch_equals_one_by_one(blocks: list[str]) -> None:
    """A block's sketch does not depend on the blocks beside it, hard ones included."""
    together = sketch(*blocks)
    for at, block in enumerate(blocks):
        alone = sketch(block)
        assert alone.fingerprints[0].tolist() == together.fingerprints[at].tolist()
        assert alone.trace(0).tolist() == together.trace(at).tolist()
        assert keys(alone) == keys(together, at)


@given(texts())
def test_sketch_depends_on_normalised_text_alone(text: str) -> None:
    """Normalising first changes nothing, but that it leaves no ellipsis to tell a label by."""
    first, second = sketch(text), sketch(normalise(text))
    assert first.fingerprints.tolist() == second.fingerprints.tolist()
    trace = list(tokens_of(first.trace(0).tolist()))
    assert trace == second.trace(0).tolist()[: len(trace)]
    if len(trace) == second.tokens[0]:
        assert keys(first) == keys(second)
    if trace != second.trace(0).tolist() or len(trace) < first.tokens[0]:
        assert "..." in text or "…" in text
        assert first.tokens[0] >= 5


FIVE = "The harbour council met on"


@pytest.mark.parametrize(
    ("text", "label", "goes_on"),
    [
        (f"{FIVE} Monday ... Read more", 2, False),
        (f"{FIVE} Monday… Lire la suite »", 3, True),  # or is it "Mondays" there?
        (f"{FIVE}[…] Weiterlesen", 1, False),
        (f"{FIVE}.... More...", 0, True),  # nothing behind the last one
        (f"{FIVE} Mon… day…more", 1, True),
        (f"{FIVE} … that is four words", 0, False),
        ("Only four words here … Read more", 2, True),  # too short but for saying so
        ("Only four words here …", 0, False),
        ("Only four words here…", 0, False),
        ("Not four words … Read more", 0, False),
        (f"{FIVE}…", 0, True),
        (f"{FIVE} café…", 0, True),
        (f"{FIVE} 12½…", 0, True),
        (f"{FIVE}, …", 0, False),
        (f"{FIVE}”...", 0, False),
        (f"{FIVE} Monday. Read more", 0, False),
        (f"{FIVE} … {'x' * 60} yes", 0, False),  # the ellipsis is too far from the end
        ("港の協議会は月曜日に会合を開き……続きを読む", 5, False),
        ("港の協議会は月曜日に会合を開き…続きを読む", 5, False),  # no character is half a word
        ("港の協議会は月曜日に会合を開き……続きを読もう", 0, False),
        ("港の協議会は月…もっと", 3, True),  # seven characters, as much as four words
        ("港の協議会は…もっと", 0, False),
        (f"{FIVE} cafe\u0323\u0301 … Read more", 2, False),  # for the full normaliser
        (f"{FIVE} cafe\u0323\u0301… Read more", 2, True),
    ],
)
def test_label_behind_an_ellipsis_is_not_compared(text: str, label: int, goes_on: bool) -> None:  # noqa: FBT001
    """Up to three words, or five characters, behind the last ellipsis; where enough is before.

    The trace says that the text goes on where the last word may be half of one.
    """
    tokens = normalise(text).split(" ")
    made = sketch(text, " ".join(tokens[: len(tokens) - label]))
    assert made.trace(0).tolist() == [*made.trace(1).tolist(), *[TRACE_GOES_ON] * goes_on]
    assert keys(made) == keys(made, 1)
    assert (made.fingerprints[0] == made.fingerprints[1]).all() == (label == 0)


@given(st.lists(texts(30), max_size=4))
def test_keys_follow_from_the_trace(blocks: list[str]) -> None:
    """An index that stores traces can make the keys again."""
    made = sketch(*blocks)
    spans, again = keys_of_traces(made.traces, made.trace_spans)
    for block in range(len(blocks)):
        assert again[slice(*spans[block])].tolist() == keys(made, block)


@given(texts(80))
def test_keys_are_few_and_distinct(text: str) -> None:
    """A block of two tokens or more has keys, never more than the scheme's maximum, none twice."""
    made = sketch(text)
    found = keys(made)
    assert len(found) <= MAX_KEYS
    assert len(set(found)) == len(found)
    assert found or made.tokens[0] < 2


def test_trace_tells_what_a_token_is() -> None:
    """Words, tokens with digits and unspaced characters have ranges of their own; none is a pad."""
    trace = sketch("word 1999 b2b ٣ 日").trace(0)
    assert (trace[0] >= 2) & (trace[0] < 0x8000)
    assert ((trace[1:4] >= 0x8000) & (trace[1:4] < 0xC000)).all()
    assert trace[4] >= 0xC000


def test_quotes_of_middling_blocks_share_a_key() -> None:
    """Blocks of 24 to 40 words, which have few local minima, are filled up with lesser ones."""
    chance = random.Random(4)
    shared = 0
    for _ in range(400):
        length = chance.randrange(24, 41)
        words = ["".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(length)]
        start = chance.randrange(1, len(words) - 10)
        made = sketch(" ".join(words), " ".join(words[start : start + 10]))
        shared += bool(set(keys(made)) & set(keys(made, 1)))
    assert shared >= 0.96 * 400  # .945 with local minima alone


def test_quotes_of_long_blocks_share_a_key() -> None:
    """In longer blocks local minima are lowest among more, so that none is far from the next."""
    chance = random.Random(6)
    shared = keys_of_wholes = 0
    for _ in range(400):
        length = chance.randrange(80, 201)
        words = ["".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(length)]
        start = chance.randrange(20, length - 30)
        made = sketch(" ".join(words), " ".join(words[start : start + 30]))
        shared += bool(set(keys(made)) & set(keys(made, 1)))
        keys_of_wholes += len(keys(made))
    assert shared >= 0.91 * 400  # .843 with the smallest of all minima
    assert keys_of_wholes < 10 * 400


def test_changed_number_keeps_long_keys() -> None:
    """Digits are masked in the keys of long windows, and not in the trace."""
    words = " ".join(f"word{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{'xyz'[i % 3]}" for i in range(40))
    first, second = sketch(f"{words} on 12 May"), sketch(f"{words} on 13 May")
    assert keys(first) == keys(second)
    assert first.trace(0).tolist() != second.trace(0).tolist()


@pytest.mark.parametrize("cut", [5, 8, 12, 20, 30])
def test_truncation_shares_a_key(cut: int) -> None:
    """A text cut after some words shares a key with the whole: that of its first window."""
    words = [f"{a}{b}" for a in "bcdfghjk" for b in "aeiouy"]
    whole, teaser = sketch(" ".join(words)), sketch(" ".join(words[:cut]) + " … Read more")
    assert set(keys(whole)) & set(keys(teaser))
    assert shingles(teaser.trace(0).tolist()) < shingles(whole.trace(0).tolist())


def test_quotes_share_a_key() -> None:
    """Of quotes of 20 words from the middle of 60, 98 % share a key: local minima stand apart."""
    rng = random.Random(3)
    found = 0
    for _ in range(300):
        words = ["".join(rng.choices("bcdfghaeiou", k=7)) for _ in range(60)]
        start = rng.randrange(1, 39)
        made = sketch(" ".join(words), " ".join(words[start : start + 20]))
        found += not set(keys(made)).isdisjoint(keys(made, 1))
    assert found >= 0.98 * 300


GOLDEN: dict[str, Any] = {
    "fingerprints": [
        [750614913356972331, 13734720930054051185],
        [15746312613140351388, 4004813191711695035],
        [10895283878822913113, 7983674145915208151],
    ],
    "trace": [14779, 16984, 8022, 18116, 29292, 45374, 11142, 20634, 30436, 4928, 14779, 24645],
    "keys": [
        [
            84993548439588464,
            774390392741576601,
            901971162580650207,
            1674240461209019095,
            3759882535347246238,
            4291511091429675973,
            10929913653246384462,
        ],
        [
            3378333557025089775,
            4383251597695255761,
            582811520002050045,
            835755578028581147,
            5492035145795268073,
            7280833629470400008,
            15491647687575016078,
            16972180152770431172,
        ],
        [
            2345200183220841645,
            15068766038774441206,
            782989121901860282,
            3290109491542153519,
            5436653269112142609,
            9493317065791784501,
            18414622161875242070,
            18420857902934144044,
        ],
    ],
}
