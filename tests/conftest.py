"""What the whole suite shares: Hypothesis profiles, real text where it is there, texts to draw."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from server_groups import redis_servers

__all__ = ["redis_servers"]

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
"""Real text that nobody on this project wrote; it is not part of the project."""

settings.register_profile(
    "dedup",
    deadline=None,  # the first call of a kernel may be slow, and machines are shared
    max_examples=int(os.environ.get("DEDUP_TEST_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dedup")

WORDS = (
    "the harbour council said on Monday that new cranes would 12 2024 not be ready before spring"
)

TRICKY = (
    "é ß İ ŉ ﬁ ½ ™ … “x” don’t ﷺ e\u0301 e\u0323\u0301 ᾳ\u0345 ΐ か\u3099 ｶﾞ 한국 ᄒ\u1161\u11ab"
    " 日本語"
    " ไทย กำ \u0e48 हिन्दी ड\u093c बाো عربى \u200b\u00ad\u2060\ufe0f 😀 \ud800 \x00 \x0c \u2028 ٣ 𝟘"
)


def real_text(name: str) -> Path:
    """Path of a file of real text; the test skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{name}")
    return path


def texts(max_words: int = 40) -> st.SearchStrategy[str]:
    """Texts like a page's: common words, so that shingles repeat, and anything that Unicode has."""
    word = st.one_of(
        st.sampled_from(WORDS.split()),
        st.sampled_from(TRICKY.split(" ")),
        st.text(max_size=6),
        st.text(alphabet=st.characters(), max_size=4),
    )
    return st.lists(word, max_size=max_words).map(" ".join)
