"""Normalised text: what is equal after it, what is not, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import texts
from hypothesis import given
from hypothesis import strategies as st

from dedup.kernel import normalise as kernel_normalise
from dedup.normalise import TABLES, hard_texts, normalise


@given(st.one_of(texts(), st.text()))
def test_idempotent(text: str) -> None:
    """Normalising a normalised text changes nothing."""
    once = normalise(text)
    assert normalise(once) == once


@given(st.one_of(texts(), st.text()))
def test_fast_path_equals_the_full_normaliser(text: str) -> None:
    """What the kernel folds by its table equals what the full normaliser makes of it."""
    assert normalise(text) == normalise_fully(text)


def normalise_fully(text: str) -> str:
    """The normalised text with every block taken for hard."""
    raw = text.encode("utf-8", "surrogatepass")
    folded = hard_texts(raw, np.array([0]), np.array([len(raw)]), np.array([0]))
    out, bounds = np.empty(3 * len(folded[0]), np.uint8), np.empty(2, np.int64)
    kernel_normalise(*folded, True, TABLES, out, bounds, np.zeros(1, np.uint8))
    return out[: bounds[1]].tobytes().decode()


@pytest.mark.parametrize("before", ["a", "é", "か", " ", "ᄒ"])
@pytest.mark.parametrize("after", ["b", "\u0316", "\u0301", ""])
def test_every_code_point_in_context(before: str, after: str) -> None:
    """The fast path agrees with the full normaliser for a spread of all code points, in context."""
    step = 211  # a prime: every class of character is met over the contexts
    for code in range(len(before + after) % step, 0x110000, step):
        text = before + chr(code) + after
        assert normalise(text) == normalise_fully(text), hex(code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\n", ""),
        ("— * ! … ©", ""),
        ("Hello,  World!", "hello world"),
        ("don’t / don't", "don t don t"),
        ("Tom&#39;s&nbsp;caf&eacute; &amp; &#x62;ar", "tom s café bar"),
        ("co&shy;operation &amp;nbsp;", "cooperation nbsp"),
        ("AT&T; R&D; a & b; &nosuch; &;", "at t r d a b nosuch"),
        ("<b>W</b>ord<br/>and <A HREF='x'>this</a>", "word and this"),
        ("a <bold> b</bold> <3 if a<b then c>d", "a bold b bold 3 if a b then c d"),
        ("CO\u00adOP\u200bER\u2060ATION", "cooperation"),
        ("\ufeffStart \u202bbidi\u202c", "start bidi"),
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁne ＡＢＣ ½", "fine abc 1 2"),
        ("e\u0301 é", "é é"),
        ("Ἀθῆναι ΑΘΗΝΑΙ", "ἀθῆναι αθηναι"),
        ("日本語のABCテスト", "日 本 語 の abc テ ス ト"),
        ("กรุงเทพ", "ก รุ ง เ ท พ"),
        ("ｶﾞｷﾞ", "ガ ギ"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("3.14 № 5", "3 14 no 5"),
        ("a\x00b\x0cc\u2028d", "a b c d"),
        ("x\ud800y", "x y"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    """Case, width, invisible characters, punctuation, unspaced scripts and broken input."""
    assert normalise(text) == expected
