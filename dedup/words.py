"""The tokens of a text, and where each of them stands in it.

Comparisons see normalised tokens; people see the text. This leads from one to the other: the tokens
are those of `normalise`, each with the span of the characters that it was made of. Knows nothing of
shingles, verdicts or how a text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from dedup.kernel import unicode
from dedup.kernel.unicode import CharClass
from dedup.normalise import left_markup, normalise

_FOLLOWS = (CharClass.MARK, CharClass.COMPOSING_MARK, CharClass.INVISIBLE)
"""What belongs to the character before it."""

_LAST_SPACE = re.compile(r".*\s", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Words:
    """A text and its `n` tokens.

    Attributes:
        text: the text.
        tokens: the tokens, in order; joined by one space they are the normalised text.
        spans: `(start, end)` of each token in `text`, ascending. Characters that expand to several
            tokens ("½") are the span of each of them.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def cuts(self) -> list[int]:
        """n + 1 offsets that cut the text into one part a token, its punctuation with it.

        Punctuation goes with the word before it, an opening bracket or quote with the word after.
        """
        cuts = [0]
        for (_, end), (start, _) in pairwise(self.spans):
            gap = _LAST_SPACE.match(self.text, end, max(start, end))
            cuts.append(max(cuts[-1], gap.end() if gap else max(start, end)))
        return [*cuts, len(self.text)] if self.spans else cuts


def split_words(text: str) -> Words:
    """The text's tokens with their places.

    Normalising is a matter of code points and their neighbours, so a text is first cut where no
    neighbour matters: at separators that fold to themselves. What that leaves is folded piece by
    piece, and a piece of several tokens by its characters. Should the pieces ever not make up the
    normalised text, that text stands in for the one that was given.
    """
    tokens: list[str] = []
    spans: list[tuple[int, int]] = []
    plain, starts, ends = _without_markup(text)
    for token, (start, end) in _tokens(plain, _Folded()):
        tokens.append(token)
        spans.append((starts[start], ends[end - 1]))
    whole = normalise(text)
    if " ".join(tokens) == whole:
        return Words(text, tuple(tokens), tuple(spans))
    return Words(
        whole, tuple(whole.split()), tuple(match.span() for match in re.finditer("[^ ]+", whole))
    )


def _without_markup(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The text without what was left of markup in it, and where each of its characters stands."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end, stands in [*left_markup(text), (len(text), len(text), "")]:
        parts += [text[at:start], stands]
        starts += [*range(at, start), *[start] * len(stands)]
        ends += [*range(at + 1, start + 1), *[end] * len(stands)]
        at = end
    return "".join(parts), starts, ends


class _Folded(dict[str, str]):
    """Normalised texts of pieces and characters: the same ones come again and again."""

    def __missing__(self, piece: str) -> str:
        self[piece] = normalise(piece)
        return self[piece]


def _tokens(text: str, folded: _Folded) -> Iterator[tuple[str, tuple[int, int]]]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    pages = unicode.INDEX[codes >> unicode.PAGE_BITS].astype(np.int64)
    entries = unicode.ENTRIES[pages << unicode.PAGE_BITS | codes & ((1 << unicode.PAGE_BITS) - 1)]
    kinds = entries >> unicode.CLASS_SHIFT & 7
    special = entries & (unicode.EXPANDS | unicode.HARD) != 0
    inside = np.zeros(len(text) + 2, dtype=bool)
    inside[1:-1] = special | (kinds != CharClass.SEPARATOR)
    edges = np.flatnonzero(inside[1:] != inside[:-1]).tolist()
    follows = np.isin(kinds, _FOLLOWS)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        tokens = folded[text[start:end]].split()
        if len(tokens) == 1 and not special[start:end].any():
            yield tokens[0], (start, end)
        elif tokens:
            firsts = [start, *(start + 1 + np.flatnonzero(~follows[start + 1 : end])).tolist()]
            yield from zip(tokens, _spans(text, tokens, [*firsts, end], folded), strict=True)


def _spans(
    text: str, tokens: list[str], bounds: list[int], folded: _Folded
) -> list[tuple[int, int]]:
    """Where the tokens of one piece stand, whose characters lie between the bounds."""
    parts = [folded[text[start:end]].replace(" ", "") for start, end in pairwise(bounds)]
    if "".join(parts) != "".join(tokens):  # they compose with one another: conjoining jamo
        return [(bounds[0], bounds[-1])] * len(tokens)
    owners = [number for number, part in enumerate(parts) for _ in part]
    stops = list(accumulate(map(len, tokens), initial=0))
    return [(bounds[owners[a]], bounds[owners[b - 1] + 1]) for a, b in pairwise(stops)]
