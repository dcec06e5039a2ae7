"""One index on its four arrays: what can be done with a record or a posting.

`native/index.h` describes the posting table, the arena and a page's entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule, Verdict, estimate_pair, is_better, judge_pair

POSTINGS_PER_KEY = 4
NOBODY = 0xFFFFFFFF
REPEAT_ENTRY = VALUES_FLAG = 0x80000000
USED_UNITS, DEAD_UNITS, POSTINGS, ORIGINALS, REPEATS, STATE_SIZE = range(6)
"""Columns of the state array, and how many there are."""

PAGE, POSITION, FIRST_SEEN, LAST_SEEN, SEEN, PAGES, MARK, TOKENS = range(2, 10)
"""32-bit words of a record, after the fingerprint."""
RECORD_UNITS = 5

Columns: TypeAlias = tuple[
    npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint64], npt.NDArray[np.int64]
]
"""tags uint32[slots], ids uint32[slots], arena uint64[units], state int64[STATE_SIZE]."""

Batch: TypeAlias = tuple[
    npt.NDArray[np.uint64],
    npt.NDArray[np.int64],
    npt.NDArray[np.uint16],
    npt.NDArray[np.int64],
    npt.NDArray[np.uint64],
    npt.NDArray[np.uint32],
]
"""fingerprints, trace_spans, traces, key_spans, keys, as `sketch` fills them, and uint32[n, k],
the MinHash values that originals without a trace are compared with (k = 0: none are)."""


Added: TypeAlias = tuple[
    npt.NDArray[np.uint64],
    npt.NDArray[np.uint32],
    npt.NDArray[np.uint16],
    npt.NDArray[np.uint8],
    npt.NDArray[np.uint32],
]
"""Originals as they were added: low halves of the fingerprints uint64[m]; the field `TOKENS`
uint32[m]; bodies uint16 (traces, or values as pairs), back to back; how many tags each has
uint8[m]; tags uint32, of every key that was tried, the fingerprint's included, back to back."""


def record_units(tokens: int) -> int:
    """Arena units of a record, from its field `TOKENS`."""
    return RECORD_UNITS + ((tokens & ~VALUES_FLAG) * 2 + 7) // 8


def key_tag(key: int) -> int:
    """The 32 bits of a key that the posting table keeps."""
    return key & 0xFFFFFFFF or 1


class Block(NamedTuple):
    """A block to judge or to add."""

    fingerprint: tuple[int, int]
    trace: list[int] | None
    keys: list[int]
    values: npt.NDArray[np.uint32]
    position: int


class PageCheck(NamedTuple):
    """Which page is checked, and when."""

    page: int
    now: int
    before: int
    lookup: bool
    held: int = 0


@dataclass
class Finding:
    """The best verdict so far, and the original and the index that it is about.

    `candidates` is with how many originals the block was compared.
    """

    verdict: Verdict
    original: int | None = None
    index: Index | None = None
    held: bool = False
    candidates: int = 0


class Index:
    """The four arrays, with the operations of native/index.h."""

    def __init__(self, columns: Columns) -> None:
        self.tags, self.ids, self.arena, self.state = columns
        self.words = self.arena.view(np.uint32)

    def get(self, original: int, field: int) -> int:
        """A field of a record."""
        return int(self.words[2 * original + field])

    def put(self, original: int, field: int, value: int) -> None:
        """Set a field of a record."""
        self.words[2 * original + field] = value

    def trace(self, original: int) -> list[int]:
        """A record's trace."""
        at = 4 * (original + RECORD_UNITS)
        values: list[int] = self.arena.view(np.uint16)[
            at : at + self.get(original, TOKENS)
        ].tolist()
        return values

    def values(self, original: int) -> npt.NDArray[np.uint32]:
        """A record's MinHash values, which it has instead of a trace."""
        at = 2 * (original + RECORD_UNITS)
        return self.words[at : at + (self.get(original, TOKENS) & ~VALUES_FLAG) // 2]

    def slots(self, tag: int) -> Iterator[int]:
        """The slots that a probe for the tag visits, the free one that ends it last."""
        at = tag * len(self.tags) >> 32
        while self.tags[at]:
            yield at
            at = (at + 1) % len(self.tags)
        yield at

    def holders(self, tag: int) -> Iterator[int]:
        """The originals under a tag."""
        for at in self.slots(tag):
            if int(self.tags[at]) == tag:
                yield int(self.ids[at])

    def is_alive(self, original: int, before: int) -> bool:
        """Neither released nor, where originals expire, last seen earlier than `before`."""
        return self.get(original, PAGE) != NOBODY and self.get(original, LAST_SEEN) >= before

    def add_posting(self, tag: int, original: int, before: int) -> None:
        """Add a posting unless the key is full; an original not alive gives up its slot."""
        held, reusable = 0, None
        for at in self.slots(tag):
            if int(self.tags[at]) != tag:
                continue
            if reusable is None and not self.is_alive(int(self.ids[at]), before):
                reusable = at
            else:
                held += 1
                if held == POSTINGS_PER_KEY:
                    return
        if reusable is None:
            reusable = at
            self.tags[at] = tag
            self.state[POSTINGS] += 1
        self.ids[reusable] = original

    def is_visible(self, original: int, check: PageCheck) -> bool:
        """During a check of its page, an original is visible once its block was met."""
        if not self.is_alive(original, check.before):
            return False
        if self.get(original, PAGE) != check.page:
            return True
        return not check.lookup and self.get(original, MARK) == check.page

    def find_exact(self, block: Block, check: PageCheck) -> int | None:
        """The original with the block's text, one that awaits recognition included."""
        for original in self.holders(key_tag(block.fingerprint[1])):
            if (
                int(self.arena[original]) == block.fingerprint[0]
                and not self.get(original, TOKENS) & VALUES_FLAG
                and (
                    self.is_visible(original, check)
                    if check.lookup
                    else self.is_alive(original, check.before)
                )
            ):
                return original
        return None

    def improve(self, finding: Finding, block: Block, check: PageCheck, rule: Rule) -> None:
        """Improve a finding by the originals that share a key with the block.

        A page that is checked again repeats what it repeated, even where something more similar has
        come since.
        """
        for original in sorted({o for key in block.keys for o in self.holders(key_tag(key))}):
            if not self.is_visible(original, check):
                continue
            finding.candidates += 1
            if not self.get(original, TOKENS) & VALUES_FLAG:
                verdict = judge_pair(rule, block.trace or (), self.trace(original))
            elif len(self.values(original)) == len(block.values):
                verdict = estimate_pair(rule, block.values, self.values(original))
            else:
                continue
            is_repeat = verdict.kind not in {VerdictKind.NEW, VerdictKind.EXTENSION}
            held = is_repeat and original == check.held
            is_first = held == finding.held and is_better(verdict, finding.verdict)
            if held > finding.held or is_first:
                finding.verdict, finding.original, finding.index = verdict, original, self
                finding.held = held

    def add_original(self, block: Block, check: PageCheck) -> int:
        """Add an original with its trace, or its values where it has none; the caller made room."""
        values = block.values
        if block.trace is None:
            tokens, body = VALUES_FLAG | 2 * len(values), values.view(np.uint16)
        else:
            tokens, body = len(block.trace), np.array(block.trace, dtype=np.uint16)
        original = self.add_record(block.fingerprint[0], tokens, body, block.position, check)
        own = [] if block.trace is None else [block.fingerprint[1]]
        for key in (*own, *block.keys):
            self.add_posting(key_tag(key), original, check.before)
        return original

    def add_record(
        self,
        fingerprint: int,
        tokens: int,
        body: npt.NDArray[np.uint16],
        position: int,
        check: PageCheck,
    ) -> int:
        """Add a record with what verifies it; the caller adds its postings."""
        original = int(self.state[USED_UNITS])
        units = record_units(tokens)
        self.arena[original + units - 1] = 0
        self.arena[original] = fingerprint
        fields = (check.page, position, check.now, check.now, 0, 1, check.page)
        self.words[2 * original + PAGE : 2 * original + TOKENS + 1] = (*fields, tokens)
        at = 4 * (original + RECORD_UNITS)
        self.arena.view(np.uint16)[at : at + len(body)] = body
        self.state[USED_UNITS] += units
        self.state[ORIGINALS] += 1
        return original

    def recognise(self, original: int, check: PageCheck, position: int) -> None:
        """A page's own original is met again."""
        self.put(original, MARK, check.page)
        self.put(original, POSITION, position)
        self.put(original, LAST_SEEN, check.now)

    def count_repeat(self, original: int, check: PageCheck, state: npt.NDArray[np.int64]) -> None:
        """An original is repeated once more; `state` has the number of all repeats."""
        self.put(original, SEEN, self.get(original, SEEN) + 1)
        self.put(original, LAST_SEEN, check.now)
        state[REPEATS] += 1
        if check.page not in (self.get(original, PAGE), self.get(original, MARK)):
            self.put(original, MARK, check.page)
            self.put(original, PAGES, self.get(original, PAGES) + 1)

    def release(self, original: int) -> None:
        """Make an original nobody's."""
        self.put(original, PAGE, NOBODY)
        self.state[ORIGINALS] -= 1
        self.state[REPEATS] -= self.get(original, SEEN)
        self.state[DEAD_UNITS] += record_units(self.get(original, TOKENS))

    def records(self) -> Iterator[int]:
        """Every record, released ones included, in order of arrival."""
        at = 1
        while at < int(self.state[USED_UNITS]):
            units = record_units(self.get(at, TOKENS))
            yield at
            at += units
