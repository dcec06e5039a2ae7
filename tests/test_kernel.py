"""The kernel and its twin: the same results, bit for bit, on any input."""

from __future__ import annotations

import importlib
import inspect
import os
import random
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xxhash
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st

from dedup import kernel
from dedup.kernel import make_unicode, reference, unicode
from dedup.kernel.kinds import VerdictKind
from dedup.normalise import TABLES
from dedup.sketch import KEY_SCHEME, MAX_KEYS

try:
    native: ModuleType | None = importlib.import_module("dedup.kernel._native")
except ImportError:
    native = None

if native is None and os.environ.get("DEDUP_KERNEL") == "native":
    pytest.fail("the native kernel is required and is not built", pytrace=False)

needs_native = pytest.mark.skipif(native is None, reason="the native kernel is not built")

teasers = st.lists(
    st.sampled_from(
        ["word ", "12 ", "日", " é", " ...", "…", "..", "[…] ", "Read more", "e\u0323\u0301"]
    ),
    max_size=24,
).map("".join)

left_markup = st.lists(
    st.sampled_from(
        ["&", "#", "amp", "a", "1", ";", "<", "/", "b", ">", " ", "x" * 28, "y" * 509, "é"]
    ),
    max_size=8,
).map("".join)

any_bytes = st.lists(
    st.one_of(
        texts().map(lambda t: t.encode("utf-8", "surrogatepass")),
        (teasers | left_markup).map(str.encode),
        st.binary(max_size=80),
    ),
    max_size=8,
)


def run_texts(module: Any, name: str, blocks: list[bytes], *, folded: bool = False) -> list[Any]:
    """One of the functions over texts: the count of hard blocks and all outputs, cut to size."""
    buffer = b"".join(blocks)
    bounds = np.cumsum([0, *map(len, blocks)], dtype=np.int64)
    n, room = len(blocks), len(buffer) + len(blocks)
    head = (buffer, bounds[:-1].copy(), bounds[1:].copy(), folded, TABLES)
    hard = np.zeros(n, dtype=np.uint8)
    if name == "normalise":
        out, ends = np.zeros(3 * len(buffer), np.uint8), np.zeros(n + 1, np.int64)
        return [module.normalise(*head, out, ends, hard), out[: ends[-1]], ends, hard]
    if name == "minhash":
        a = np.arange(1, 140, 2, dtype=np.uint32) * np.uint32(0x9E3779B1) | np.uint32(1)
        minima = np.zeros((n, len(a)), np.uint32)
        outputs: list[Any] = []
        for width, padded in ((3, False), (2, True), (4, True)):
            outputs += [module.minhash(*head, width, padded, a, a >> 3, minima, hard)]
            outputs += [minima[hard == 0], hard.copy()]
        return outputs
    prints, trace_spans = np.zeros((n, 2), np.uint64), np.zeros((n, 2), np.int64)
    traces, key_spans = np.zeros(room, np.uint16), np.zeros((n, 2), np.int64)
    keys = np.zeros(n * MAX_KEYS, np.uint64)
    count = module.sketch(*head, KEY_SCHEME, prints, trace_spans, traces, key_spans, keys, hard)
    cut = [traces[: trace_spans.max(initial=0)], keys[: key_spans.max(initial=0)]]
    return [count, prints, trace_spans, key_spans, hard, *cut]


def same(first: list[Any], second: list[Any]) -> bool:
    """Whether two lists of arrays and numbers are equal."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@needs_native
@pytest.mark.parametrize("name", ["normalise", "sketch", "minhash"])
@given(blocks=any_bytes, folded=st.booleans())
def test_texts_through_both(name: str, blocks: list[bytes], *, folded: bool) -> None:
    """Normalised texts, sketches and MinHash values are equal on any bytes, malformed ones too."""
    assert same(
        run_texts(native, name, blocks, folded=folded),
        run_texts(reference, name, blocks, folded=folded),
    )


@needs_native
@given(
    length=st.sampled_from([0, 6, 30, 48, 49, 50, 63, 64, 200, 700]),
    words=st.sampled_from([1, 3, 50, 20_000]),
    neighbours=st.integers(0, 4),
    spread=st.sampled_from([1, 2, 7, 1000]),
    seed=st.integers(0, 99),
)
def test_keys_through_both(
    length: int, words: int, neighbours: int, spread: int, seed: int
) -> None:
    """Minima are the same ones in blocks of any length, also where windows repeat."""
    rng = random.Random(seed)
    trace = np.array([rng.randrange(2, 2 + words) for _ in range(length)], dtype=np.uint16)
    scheme, spans = KEY_SCHEME.copy(), np.array([[0, length]])
    scheme[1], scheme[9] = neighbours, spread
    results = []
    for module in (native, reference):
        key_spans, keys = np.zeros((1, 2), np.int64), np.zeros(MAX_KEYS, np.uint64)
        module.trace_keys(trace, spans, scheme, key_spans, keys)  # type: ignore[union-attr]
        results.append([key_spans, keys])
    assert same(*results)


@needs_native
def test_long_blocks_through_both() -> None:
    """Blocks around every size at which a hash, a vector or a window changes course are equal."""
    rng = random.Random(5)
    sizes = [
        *range(70),
        127,
        128,
        129,
        239,
        240,
        241,
        511,
        1023,
        1024,
        1025,
        4095,
        4096,
        4097,
        9000,
    ]
    blocks = [bytes(rng.choice(b"abc 12.") for _ in range(size)) for size in sizes]
    blocks += [b"x" * size for size in sizes] + ["é 日本 ".encode() * size for size in sizes]
    for name in ("normalise", "sketch", "minhash"):
        assert same(run_texts(native, name, blocks), run_texts(reference, name, blocks))


@needs_native
def test_hashes_against_xxhash() -> None:
    """The C hashes are those of the xxhash package at every length from 1 to 1,300."""
    blocks = [b"q" * size for size in range(1, 1300)]
    prints = run_texts(native, "sketch", blocks)[1]
    wanted = [xxhash.xxh3_128_intdigest(block) for block in blocks]
    assert [int(high) << 64 | int(low) for low, high in prints.tolist()] == wanted


@st.composite
def related_traces(draw: st.DrawFn) -> list[list[int]]:
    """Traces of few tokens, of words and characters, some a label and the beginning of another.

    Some say that their texts go on.
    """
    token = st.integers(2, 9) | st.integers(0xC000, 0xC003)
    found = draw(st.lists(st.lists(token, max_size=30), min_size=1, max_size=4))
    for _ in range(draw(st.integers(0, 2))):
        whole = draw(st.sampled_from(found))
        found.append(draw(st.lists(token, max_size=6)) + whole[: draw(st.integers(0, 30))])
    return [draw(st.sampled_from([trace, trace, [*trace, 1]])) for trace in found]


@given(
    traces=related_traces(),
    threshold=st.sampled_from([0.1, 0.5, 0.6, 1.0]),
)
@needs_native
def test_verdicts_through_both(traces: list[list[int]], threshold: float) -> None:
    """Verdicts on pairs are equal, and no verdict is below its threshold."""
    ends = np.cumsum([*map(len, traces)], dtype=np.int64)
    spans = np.stack((ends - [*map(len, traces)], ends), axis=1)
    flat = np.array([value for trace in traces for value in trace], dtype=np.uint16)
    n = len(traces)
    own, other = (side.ravel().astype(np.int64) for side in np.indices((n, n)))
    rule = np.array([threshold, 0.8, 0.8, 3.0, 2.0, 0.25])
    results: list[list[Any]] = []
    for module in (native, reference):
        out: Any = (np.zeros(n * n, np.uint8), np.zeros(n * n), np.zeros(n * n))
        module.judge(rule, spans, flat, spans, flat, own, other, *out)  # type: ignore[union-attr]
        results.append(list(out))
    assert same(*results)
    kinds, similarity, containment = results[0]
    assert (similarity[kinds == 3] >= threshold).all()
    for at in np.flatnonzero((kinds >= 4) & (containment < 0.8)).tolist():
        pair = traces[own[at]], traces[other[at]]
        text, whole = pair if kinds[at] == VerdictKind.EXCERPT else pair[::-1]
        half = int(text[-1] == 1)
        text, whole = ([value for value in trace if value != 1] for trace in (text, whole))
        assert any(
            text[label:end] == whole[: end - label]
            for label in range(6)
            for end in range(len(text) - half, len(text) + 1)
        )
    assert (similarity[kinds == 1] == 0).all()


def test_judge_by_hand() -> None:
    """The similarity is the Jaccard similarity of the padded 2-shingles, counted on fingers."""
    # ^a ab bc cd d$ against ^a ab bx xd d$: 3 shared of 7.
    verdict = reference_judge([2, 3, 4, 5], [2, 3, 9, 5], threshold=3 / 7)
    assert verdict[0] == 3
    assert verdict[1] == pytest.approx(3 / 7)
    assert verdict[2] == pytest.approx(1 / 3)  # of ab bc cd only ab stands in the other
    assert reference_judge([2, 3, 4, 5], [2, 3, 9, 5], threshold=0.43)[0] == 1


def test_teasers_by_hand() -> None:
    """A label of some words and the first five or more of a longer text: an excerpt, either way."""
    whole = [*range(10, 30)]
    for label, common in ((0, 5), (1, 5), (2, 5), (3, 5), (4, 8), (5, 10)):
        teaser = [*range(40, 40 + label), *whole[:common]]
        assert reference_judge(teaser, whole, threshold=0.5)[0] == VerdictKind.EXCERPT
        assert reference_judge(whole, teaser, threshold=0.5)[0] == VerdictKind.EXTENSION
    for other in (
        [*range(40, 44), *whole[:7]],  # a longer label
        [*range(40, 46), *whole[:12]],  # a label too long for any
        whole[:4],  # four words
        [*whole[:5], 40],  # something behind them
        [40, *whole[1:6]],  # not the first words
        [40, *range(0xC000, 0xC005)],  # five characters of an unspaced script
    ):
        its = [*range(0xC000, 0xC020)] if other[-1] >= 0xC000 else whole
        assert reference_judge(other, its, threshold=0.5)[0] == VerdictKind.NEW


def test_texts_that_go_on_by_hand() -> None:
    """They are a teaser from four words on, also with half a word behind; and else as they were."""
    whole = [*range(10, 30)]
    for teaser in (whole[:4], [*whole[:4], 40], [*whole[:9], 40], [41, *whole[:5], 40]):
        assert reference_judge([*teaser, 1], whole, threshold=0.5)[0] == VerdictKind.EXCERPT
        assert reference_judge(whole, [*teaser, 1], threshold=0.5)[0] == VerdictKind.EXTENSION
        assert reference_judge([*teaser, 1], [*whole, 1], threshold=0.5)[0] == VerdictKind.EXCERPT
    for other in (whole[:3], [*whole[:3], 40], [41, *whole[:4]], [*whole[:4], 40, 41]):
        assert reference_judge([*other, 1], whole, threshold=0.5)[0] == VerdictKind.NEW
    edited = [*whole[:9], 40, *whole[10:]]
    for marked in ([*edited, 1], whole), (edited, [*whole, 1]), ([*edited, 1], [*whole, 1]):
        assert reference_judge(*marked, 0.5) == reference_judge(edited, whole, 0.5)


def reference_judge(
    block: list[int], original: list[int], threshold: float
) -> tuple[int, float, float]:
    """The running kernel's verdict on one pair."""
    out = (np.zeros(1, np.uint8), np.zeros(1), np.zeros(1))
    zero = np.zeros(1, np.int64)
    kernel.judge(
        np.array([threshold, 0.8, 0.8, 8.0, 4.0, 0.25]),
        np.array([0, len(block)]),
        np.array(block, dtype=np.uint16),
        np.array([0, len(original)]),
        np.array(original, dtype=np.uint16),
        zero,
        zero,
        *out,
    )
    return int(out[0][0]), float(out[1][0]), float(out[2][0])


def test_same_names() -> None:
    """Everything that the kernel offers is in the twin, documented, and in the native one."""
    for name in kernel.__all__:
        if name.islower():
            assert inspect.getdoc(getattr(reference, name))
            assert native is None or callable(getattr(native, name))
    assert set(reference.__all__) == {name for name in kernel.__all__ if name.islower()}


@needs_native
def test_wrong_arrays_are_refused() -> None:
    """Arrays that do not fit together are a ValueError, never a crash."""
    blocks = [b"one two three", b"four"]
    good = run_texts(native, "normalise", blocks)
    assert good[0] == 0
    starts, ends = np.array([0, 13]), np.array([13, 99])
    out, bounds, hard = np.zeros(100, np.uint8), np.zeros(3, np.int64), np.zeros(2, np.uint8)
    for wrong in (
        (b"one two threefour", starts, ends, False, TABLES, out, bounds, hard),
        (b"x" * 99, starts, ends, False, TABLES, out[:5], bounds, hard),
        (b"x" * 99, starts, ends, False, TABLES, out, bounds[:2], hard),
        (b"x" * 99, ends, starts, False, TABLES, out, bounds, hard),
    ):
        with pytest.raises(ValueError, match="fit"):
            native.normalise(*wrong)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [("reference", 0, "reference"), ("gpu", 1, "DEDUP_KERNEL='gpu': use native or reference")],
)
def test_forced_choice(wanted: str, status: int, said: str) -> None:
    """DEDUP_KERNEL forces a kernel, and an unknown one is refused by name."""
    done = subprocess.run(
        [sys.executable, "-c", "from dedup import kernel; print(kernel.NAME)"],
        env=os.environ | {"DEDUP_KERNEL": wanted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert said in done.stdout + done.stderr


def test_unicode_table_matches_the_interpreter() -> None:
    """Where the interpreter has the same Unicode version, the table made again is the same."""
    import unicodedata  # noqa: PLC0415 - only here

    if unicodedata.unidata_version != "14.0.0":
        pytest.skip(f"the table is of Unicode 14.0.0, Python has {unicodedata.unidata_version}")
    entries, expansions, pairs = make_unicode.make_entries()
    assert [unicode.entry(code) for code in range(0, 0x110000, 7)] == entries[::7]
    assert unicode.EXPANSIONS.tolist() == expansions
    assert unicode.PAIRS.tolist() == [first << 32 | second for first, second in pairs]
