"""Normalised text: what comparisons see.

NFKC, case folded, invisible characters removed, every run of white space, punctuation, symbols and
controls a boundary; the tokens, joined by one space. In scripts without spaces every character is a
token. Entities that were left in the text ("&nbsp;") are the characters that they stand for, and
common tags that were ("</b>") are nothing. Knows nothing of shingles or verdicts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.kernel import unicode

_MARKUP = re.compile(
    r"""(?P<entity>&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,24});)
    | </?(?:(?P<inline>a|abbr|b|code|em|font|i|mark|s|small|span|strong|sub|sup|u)
    | blockquote|br|div|h[1-6]|hr|img|li|ol|p|td|th|tr|ul)
    (?:\s[^<>=]{0,40}=[^<>]{0,440})?\s?/?>""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is left of markup in a text: nothing that may be meant has this form."""

TABLES = (unicode.INDEX, unicode.ENTRIES, unicode.EXPANSIONS, unicode.PAIRS)


def normalise(text: str) -> str:
    """The normalised text (idempotent)."""
    buffer = text.encode("utf-8", "surrogatepass")
    starts, ends = np.array([0]), np.array([len(buffer)])
    normalised, hard = _run_kernel(buffer, starts, ends, folded=False)
    if hard:
        normalised, _ = _run_kernel(*hard_texts(buffer, starts, ends, np.array([0])), folded=True)
    return normalised.decode("utf-8")


def hard_texts(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    places: npt.NDArray[np.intp],
) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The blocks at `places`, folded by the full normaliser: a buffer, starts and ends."""
    folded = [
        unicode.fold(
            _without_markup(buffer[starts[i] : ends[i]].decode("utf-8", "surrogatepass"))
        ).encode("utf-8", "surrogatepass")
        for i in places
    ]
    stops = np.cumsum([len(text) for text in folded], dtype=np.int64)
    return b"".join(folded), np.concatenate(([0], stops[:-1])), stops


def left_markup(text: str) -> Iterator[tuple[int, int, str]]:
    """Where markup was left in a text: start, end, and what stands for it."""
    for match in _MARKUP.finditer(text):
        stands = "" if match["inline"] else " "
        yield *match.span(), html.unescape(match[0]) if match["entity"] else stands


def _without_markup(text: str) -> str:
    parts, at = [], 0
    for start, end, stands in left_markup(text):
        parts += [text[at:start], stands]
        at = end
    return "".join([*parts, text[at:]])


def _run_kernel(
    buffer: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], *, folded: bool
) -> tuple[bytes, bool]:
    out = np.empty(3 * len(buffer), dtype=np.uint8)
    bounds, hard = np.empty(2, dtype=np.int64), np.zeros(1, dtype=np.uint8)
    kernel.normalise(buffer, starts, ends, folded, TABLES, out, bounds, hard)
    return out[: bounds[1]].tobytes(), bool(hard[0])
