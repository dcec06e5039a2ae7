"""The settings that shape keys or verdicts, checked once, where they enter.

An index remembers them: whoever opens it with others is told so. Knows nothing of where settings
come from (keywords, a file, the environment) or what uses them.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from dedup.bands import Bands, check_permutations, choose_bands
from dedup.errors import SettingsError

Lsh: TypeAlias = Literal["bottom", "banded"]
Keep: TypeAlias = Literal["traces", "text", "keys"]

_BANDED_ONLY = ("num_perm", "seed", "recall")
"""Options that mean something with `lsh="banded"` only."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a verdict depends on besides the text.

    Attributes:
        threshold: a block is `near` an original from this Jaccard similarity of their padded word
            2-shingles on (over 0, up to 1). At .5 a block of five words may differ in one, and
            longer ones in a tenth; .6 asks for more.
        min_words: blocks with fewer tokens are not judged (1 or more).
        excerpt_containment: a block is an `excerpt` of a longer original when at least this share
            of its word 2-shingles stands there (over 0, up to 1), or when the original begins with
            it, but for a label before it: up to three words, or up to five where twice as many
            follow. The last word of a text that ends with an ellipsis may be half of one.
        excerpt_shingles: 2-shingles that an excerpt and its original share at least (1 or more);
            half as many are enough where their similarity is a quarter, or for a beginning (of a
            text that ends with an ellipsis, one less).
        excerpt_ratio: an excerpt has fewer 2-shingles than this share of the longer block's
            (over 0, up to 1).
        keep: what an index in a store keeps of an original: `"traces"`, from which similarity is
            computed; `"text"`, traces and the text itself; or `"keys"`, the leanest: then verdicts
            are estimated from shared keys, and not verified: of those that say `near`, one
            in five is less alike than the threshold asks for.
        expire_after: an original that was not seen for so long is no longer there: seconds (over 0;
            times are kept in whole seconds), or a `datetime.timedelta`, which becomes seconds. To
            be seen is to be new, to be repeated, or to be met again on its own page. None: it stays
            for good.
        lsh: how a block's keys are made, by which an index finds candidates. `"bottom"`: the
            smallest hashes of its shingles (about 9 keys, and truncated teasers are found).
            `"banded"`: bands of k-permutation MinHash values over its padded word 2-shingles, bit
            for bit datasketch's; for those who come from there. Verdicts are verified alike.
        num_perm: banded: permutations, the most values that the bands may have.
        seed: banded: of the permutations.
        recall: banded: the share of pairs with a similarity of just `threshold` that have a key in
            common (over 0, under 1). It sets how many bands of how many values there are: see
            `dedup.bands.choose_bands`. More similar pairs are found more often. It is exact for
            shingles that hash like random ones, and holds for a pair: where more than four
            originals have the same key, an index keeps the first four.
    """

    threshold: float = 0.5
    min_words: int = 5
    excerpt_containment: float = 0.8
    excerpt_shingles: int = 8
    excerpt_ratio: float = 0.8
    keep: Keep = "traces"
    expire_after: float | None = None
    lsh: Lsh = "bottom"
    num_perm: int = 128
    seed: int = 1
    recall: float = 0.95

    def __post_init__(self) -> None:
        """Refuse a value that cannot be meant.

        Raises:
            SettingsError: names the option, the value and what it takes.
        """
        for name in ("threshold", "excerpt_containment", "excerpt_ratio"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
                raise SettingsError(f"{name}={value!r}: give a number over 0 and up to 1")
        for name in ("min_words", "excerpt_shingles"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
                raise SettingsError(f"{name}={value!r}: give a whole number from 1 on")
        if self.keep not in get_args(Keep):
            raise SettingsError(f"keep={self.keep!r}: use one of {', '.join(get_args(Keep))}")
        if self.expire_after is not None:
            # The one way to set a field of a frozen dataclass: plain seconds, for `to_mapping`.
            object.__setattr__(self, "expire_after", _seconds(self.expire_after))
        self._check_family()

    def _check_family(self) -> None:
        """Refuse an LSH family that does not exist, cannot be built, or has no such option."""
        if self.lsh not in get_args(Lsh):
            raise SettingsError(f"lsh={self.lsh!r}: use one of {', '.join(get_args(Lsh))}")
        if self.lsh == "banded":
            check_permutations(self.num_perm, self.seed)
            value = self.recall
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise SettingsError(f"recall={value!r}: give a number over 0 and under 1")
            choose_bands(self.threshold, self.recall, self.num_perm)
            return
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _BANDED_ONLY and value != field.default:
                raise SettingsError(
                    f"{field.name}={value!r}: an option of lsh='banded' alone, and lsh is "
                    f"{self.lsh!r}"
                )

    @property
    def bands(self) -> Bands | None:
        """The bands of `lsh="banded"`; None for the other family."""
        if self.lsh != "banded":
            return None
        chosen = choose_bands(self.threshold, self.recall, self.num_perm)
        return Bands(*chosen, self.num_perm, self.seed)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Settings:
        """Settings from a mapping of option names to values.

        Raises:
            SettingsError: an option is unknown (the message names the nearest), or a value is bad.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
                hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
                raise SettingsError(f"unknown option {name!r}: {hint}")
        return cls(**options)

    def to_mapping(self) -> dict[str, Any]:
        """The settings as plain values, for an index header or a report.

        Options of the other LSH family are left out: they mean nothing there.
        """
        left_out = _BANDED_ONLY if self.lsh != "banded" else ()
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def _seconds(duration: Any) -> float:
    """A duration as seconds."""
    value = duration.total_seconds() if isinstance(duration, timedelta) else duration
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < value <= sys.float_info.max:
        return float(value)
    raise SettingsError(
        f"expire_after={duration!r}: give a timedelta or a number of seconds over 0, or None "
        "to keep originals for good"
    )
