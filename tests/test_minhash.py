"""MinHash values: the same as datasketch's, for any text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import SettingsError
from dedup.minhash import minhash_texts, permutations
from dedup.normalise import normalise

datasketch = pytest.importorskip("datasketch")

# Words that make tokens, some of them only after folding; and whatever else there is.
WORDS = st.sampled_from(
    [
        "the",
        "War",
        "of",
        "1839",
        "\ufb01sh",
        "Stra\u00dfe",
        "e\u0301tude",
        "\u6771\u4eac",
        "\u0e44\u0e17\u0e22",
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=40).map(" ".join), st.text(max_size=200))


def lay_out(texts: list[str]) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One buffer with the texts, where they start and where they end."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    stops = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return b"".join(encoded), stops[:-1], stops[1:]


def peer_values(
    text: str, num_perm: int, seed: int, width: int, *, padded: bool = False
) -> npt.NDArray[np.uint32]:
    """The values that datasketch gives to the same shingles."""
    minhash = datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)
    tokens = normalise(text).split(" ") if normalise(text) else []
    if padded and tokens:
        tokens = ["^", *tokens, "$"]
    for first in range(max(1, len(tokens) - width + 1) if tokens else 0):
        minhash.update(" ".join(tokens[first : first + width]).encode())
    values: npt.NDArray[np.uint32] = minhash.hashvalues
    return values


@pytest.mark.parametrize(("num_perm", "seed"), [(1, 0), (128, 1), (200, 4294967295)])
def test_permutations_are_datasketchs(num_perm: int, seed: int) -> None:
    """They are drawn as datasketch draws them, and nobody can change what is shared."""
    a, b = permutations(num_perm, seed)
    expected = datasketch.MinHash(num_perm, seed).permutations
    assert np.array_equal(a, expected[0])
    assert np.array_equal(b, expected[1])
    assert not a.flags.writeable
    assert not b.flags.writeable
    assert permutations(num_perm, seed)[0] is a


@given(
    st.lists(TEXTS, max_size=4),
    st.sampled_from([1, 63, 64, 128, 130]),
    st.integers(1, 5),
    st.booleans(),
    st.data(),
)
def test_values_are_datasketchs(
    texts: list[str],
    num_perm: int,
    width: int,
    padded: bool,  # noqa: FBT001 - drawn by Hypothesis
    data: st.DataObject,
) -> None:
    """For any texts, hard ones beside easy ones, the values equal datasketch's bit for bit."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    shape: dict[str, Any] = {"num_perm": num_perm, "seed": seed, "width": width, "padded": padded}
    values = minhash_texts(*lay_out(texts), **shape)
    assert values.dtype == np.uint32
    assert values.shape == (len(texts), num_perm)
    for row, text in zip(values, texts, strict=True):
        assert np.array_equal(row, peer_values(text, **shape))


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and then it jumps again.",
        "\u0415\u0434\u0438\u043d\u044b\u0439 \u0437\u0430\u043a\u043e\u043d: \u0447. 1, \u0447. 2",
        "\u4eba\u4eba\u751f\u800c\u81ea\u7531\uff0c\u5728\u5c0a\u4e25\u548c\u6743\u5229\u4e0a\u4e00\u5f8b\u5e73\u7b49\u3002",
        "\u1112\u1161\u11ab\u1100\u1173\u11af decomposed Hangul and a\u0323\u0302 stacked marks",
        "one",
        "two words",
        "",
        " \u200b\u00ad...",
    ],
)
def test_values_of_real_scripts(text: str) -> None:
    """Spaced and unspaced scripts, hard text, short text and no text: datasketch's values."""
    values = minhash_texts(*lay_out([text]))
    assert np.array_equal(values[0], peer_values(text, 128, 1, 3))


def test_no_blocks() -> None:
    """No blocks give no rows."""
    assert minhash_texts(*lay_out([]), num_perm=16).shape == (0, 16)


@pytest.mark.parametrize(
    ("name", "value"), [("num_perm", 0), ("num_perm", 10**6), ("seed", -1), ("width", 0)]
)
def test_settings_that_cannot_be_meant(name: str, value: int) -> None:
    """A setting out of range is refused by name and value."""
    settings: dict[str, Any] = {"num_perm": 16, "seed": 1, "width": 3} | {name: value}
    buffer, starts, ends = lay_out(["a b c"])
    with pytest.raises(SettingsError, match=f"{name}={value}"):
        minhash_texts(buffer, starts, ends, **settings)
