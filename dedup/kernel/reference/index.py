"""The index in memory: native/index.h in Python, on the same arrays.

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


def record_units(tokens: int) -> int:
    """Arena units of a record, from its field `TOKENS`."""
    return RECORD_UNITS + ((tokens & ~VALUES_FLAG) * 2 + 7) // 8


def key_tag(key: int) -> int:
    """The 32 bits of a key that the posting table keeps."""
    return key & 0xFFFFFFFF or 1


class _Block(NamedTuple):
    fingerprint: tuple[int, int]
    trace: list[int] | None
    keys: list[int]
    values: npt.NDArray[np.uint32]
    position: int


class _Check(NamedTuple):
    page: int
    now: int
    before: int
    lookup: bool


@dataclass
class _Finding:
    verdict: Verdict
    original: int | None = None
    index: _Index | None = None


class _Index:
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

    def is_visible(self, original: int, check: _Check) -> bool:
        """During a check of its page, an original is visible once its block was met."""
        if not self.is_alive(original, check.before):
            return False
        if self.get(original, PAGE) != check.page:
            return True
        return not check.lookup and self.get(original, MARK) == check.page

    def find_exact(self, block: _Block, check: _Check) -> int | None:
        """The original with the block's text, one that awaits recognition included."""
        tokens = len(block.trace or ())
        for original in self.holders(key_tag(block.fingerprint[1])):
            if (
                int(self.arena[original]) == block.fingerprint[0]
                and self.get(original, TOKENS) == tokens
                and (
                    self.is_visible(original, check)
                    if check.lookup
                    else self.is_alive(original, check.before)
                )
            ):
                return original
        return None

    def improve(self, finding: _Finding, block: _Block, check: _Check, rule: Rule) -> None:
        """Improve a finding by the originals that share a key with the block."""
        for original in sorted({o for key in block.keys for o in self.holders(key_tag(key))}):
            if not self.is_visible(original, check):
                continue
            if not self.get(original, TOKENS) & VALUES_FLAG:
                verdict = judge_pair(rule, block.trace or (), self.trace(original))
            elif len(self.values(original)) == len(block.values):
                verdict = estimate_pair(rule, block.values, self.values(original))
            else:
                continue
            if is_better(verdict, finding.verdict):
                finding.verdict, finding.original, finding.index = verdict, original, self

    def add_original(self, block: _Block, check: _Check) -> int:
        """Add an original with its trace, or its values where it has none; the caller made room."""
        original = int(self.state[USED_UNITS])
        trace, values = block.trace, block.values
        tokens = VALUES_FLAG | 2 * len(values) if trace is None else len(trace)
        units = record_units(tokens)
        self.arena[original + units - 1] = 0
        self.arena[original] = block.fingerprint[0]
        fields = (check.page, block.position, check.now, check.now, 0, 1, check.page)
        self.words[2 * original + PAGE : 2 * original + TOKENS + 1] = (*fields, tokens)
        at = original + RECORD_UNITS
        if trace is None:
            self.words[2 * at : 2 * at + len(values)] = values
        else:
            self.arena.view(np.uint16)[4 * at : 4 * at + len(trace)] = trace
            self.add_posting(key_tag(block.fingerprint[1]), original, check.before)
        for key in block.keys:
            self.add_posting(key_tag(key), original, check.before)
        self.state[USED_UNITS] += units
        self.state[ORIGINALS] += 1
        return original

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


def _check_block(
    index: _Index, overlay: _Index | None, block: _Block, check: _Check, rule: Rule
) -> tuple[_Finding, int]:
    """Judge one block, add it where it is new, count it where it repeats."""
    target = overlay or index
    local = check._replace(lookup=False)
    finding = _Finding(Verdict(VerdictKind.NEW, 0.0, 0.0))
    home, exact = index, index.find_exact(block, check)
    if exact is None and overlay:
        home, exact = overlay, overlay.find_exact(block, local)
    if exact is not None:
        owned = home.get(exact, PAGE) == check.page
        if home is target and owned and home.get(exact, MARK) != check.page:
            home.put(exact, MARK, check.page)
            home.put(exact, POSITION, block.position)
            home.put(exact, LAST_SEEN, check.now)
            return finding, exact
        finding = _Finding(Verdict(VerdictKind.EXACT, 1.0, 1.0), exact, home)
    else:
        index.improve(finding, block, check, rule)
        if overlay:
            overlay.improve(finding, block, local, rule)
    original, home_of = finding.original, finding.index
    if original is None or home_of is None or finding.verdict.kind == VerdictKind.EXTENSION:
        return finding, target.add_original(block, check)
    if not check.lookup or home_of.get(original, PAGE) == check.page:
        home_of.put(original, SEEN, home_of.get(original, SEEN) + 1)
        home_of.put(original, LAST_SEEN, check.now)
        target.state[REPEATS] += 1
        if check.page not in (home_of.get(original, PAGE), home_of.get(original, MARK)):
            home_of.put(original, MARK, check.page)
            home_of.put(original, PAGES, home_of.get(original, PAGES) + 1)
    return finding, original | REPEAT_ENTRY


def check_blocks(
    columns: Columns,
    overlay: Columns | None,
    batch: Batch,
    page_bounds: npt.NDArray[np.int64],
    pages: npt.NDArray[np.uint32],
    now: int,
    before: int,
    min_words: int,
    lookup: bool,  # noqa: FBT001 - the C function's positional signature
    rule: npt.NDArray[np.float64],
    kinds: npt.NDArray[np.uint8],
    similarity: npt.NDArray[np.float64],
    containment: npt.NDArray[np.float64],
    details: npt.NDArray[np.uint32],
    entries: npt.NDArray[np.uint32],
) -> None:
    """Judge blocks page by page in order, adding what is new and counting what repeats.

    Args:
        columns: the index; it has room for every block of these pages.
        overlay: an index that takes what is new instead, for a lookup; or None.
        batch: fingerprints, trace_spans, traces, key_spans, keys of `n` blocks, and uint32[n, k],
            their MinHash values, for originals that have nothing else (k = 0: none has).
        page_bounds: int64[p + 1], where each page's blocks start and end.
        pages: uint32[p], the pages' numbers; a page that the index knows was withdrawn before.
        now: seconds since 1970.
        before: originals last seen earlier have expired, as if they were not there (0: none have).
        min_words: blocks with fewer tokens are skipped.
        lookup: the pages' own originals are invisible, and nothing in `columns` changes.
        rule: float64[6], as for `judge`.
        kinds: uint8[n], gets the verdicts.
        similarity: float64[n], gets the similarities.
        containment: float64[n], gets the containments.
        details: uint32[n, 6], gets the original's page, position, first_seen, last_seen, seen and
            pages, where there is one.
        entries: uint32[n], gets the pages' entries: the block's own original, or REPEAT_ENTRY and
            the original that it repeats (0: skipped).
    """
    index, over = _Index(columns), _Index(overlay) if overlay else None
    fingerprints, trace_spans, traces, key_spans, keys, minhashes = batch
    values, rows = Rule(*rule.tolist()), details.reshape(-1, 6)
    bounds = page_bounds.tolist()
    for page, first, last in zip(pages.tolist(), bounds, bounds[1:], strict=False):
        check = _Check(page, now, before, lookup)
        for i in range(first, last):
            trace = traces[slice(*trace_spans.reshape(-1, 2)[i])].tolist()
            kinds[i], similarity[i], containment[i], entries[i] = VerdictKind.SKIPPED, 0, 0, 0
            if not trace or len(trace) < min_words:
                continue
            low, high = fingerprints.reshape(-1, 2)[i].tolist()
            block_keys = keys[slice(*key_spans.reshape(-1, 2)[i])].tolist()
            block = _Block((low, high), trace, block_keys, minhashes[i], i - first)
            finding, entries[i] = _check_block(index, over, block, check, values)
            kinds[i] = finding.verdict.kind
            if finding.original is not None and finding.index is not None:
                similarity[i], containment[i] = finding.verdict[1:]
                at = 2 * finding.original
                rows[i] = finding.index.words[at + PAGE : at + MARK]


def add_values(
    columns: Columns,
    values: npt.NDArray[np.uint32],
    keys: npt.NDArray[np.uint64],
    page_bounds: npt.NDArray[np.int64],
    pages: npt.NDArray[np.uint32],
    now: int,
    entries: npt.NDArray[np.uint32],
) -> None:
    """Add originals that are known by their MinHash values alone, without judging them.

    Args:
        columns: the index; it has room for all of them.
        values: uint32[n, k], the MinHash values, which are kept.
        keys: uint64[n, m], the LSH keys.
        page_bounds: int64[p + 1], where each page's originals start and end.
        pages: uint32[p], the pages' numbers; a page that the index knows was withdrawn before.
        now: seconds since 1970.
        entries: uint32[n], gets the pages' entries.
    """
    index = _Index(columns)
    bounds = page_bounds.tolist()
    for page, first, last in zip(pages.tolist(), bounds, bounds[1:], strict=False):
        for i in range(first, last):
            block = _Block((0, 0), None, keys[i].tolist(), values[i], i - first)
            entries[i] = index.add_original(block, _Check(page, now, 0, lookup=False))


def withdraw_page(columns: Columns, entries: npt.NDArray[np.uint32], page: int) -> None:
    """Take back what a page's repeats counted; what it owns now awaits recognition.

    Args:
        columns: the index.
        entries: uint32, the page's entries.
        page: the page's number.
    """
    index = _Index(columns)
    items = [(entry & ~REPEAT_ENTRY, entry & REPEAT_ENTRY) for entry in entries.tolist()]
    repeated = {original for original, is_repeat in items if is_repeat}
    for original, is_repeat in items:
        index.put(original, MARK, NOBODY)
        if is_repeat:
            index.put(original, SEEN, index.get(original, SEEN) - 1)
            index.state[REPEATS] -= index.get(original, PAGE) != NOBODY
    for original in repeated:
        if index.get(original, PAGE) != page:
            index.put(original, PAGES, index.get(original, PAGES) - 1)


def release_unclaimed(columns: Columns, entries: npt.NDArray[np.uint32], page: int) -> None:
    """Release the originals that a page owns and did not recognise since `withdraw_page`.

    Args:
        columns: the index.
        entries: uint32, the page's entries.
        page: the page's number.
    """
    index = _Index(columns)
    for original in entries.tolist():
        if original & REPEAT_ENTRY or index.get(original, PAGE) != page:
            continue
        if index.get(original, MARK) != page:
            index.release(original)


def release_expired(columns: Columns, before: int, owners: npt.NDArray[np.uint8]) -> None:
    """Release the originals that have expired, and tell which pages own any of the others.

    Args:
        columns: the index.
        before: originals last seen earlier have expired.
        owners: uint8[pages], zeros; gets 1 at the number of every page that owns an original still.
    """
    index = _Index(columns)
    for original in index.records():
        page = index.get(original, PAGE)
        if page == NOBODY:
            continue
        if not index.is_alive(original, before):
            index.release(original)
        elif page < len(owners):
            owners[page] = 1


def move_postings(
    columns: Columns,
    new_tags: npt.NDArray[np.uint32],
    new_ids: npt.NDArray[np.uint32],
    forwarded: bool,  # noqa: FBT001 - the C function's positional signature
) -> None:
    """Move every posting to another table, which has free slots to spare.

    Args:
        columns: the index.
        new_tags: uint32[slots], gets the tags.
        new_ids: uint32[slots], gets the ids.
        forwarded: ids become the marks of their records (see `forward_records`), and those of
            released originals are dropped.
    """
    index = _Index(columns)
    to = _Index((new_tags, new_ids, index.arena, index.state))
    new_tags[:] = 0
    moved = 0
    for at in np.flatnonzero(index.tags).tolist():
        tag, original = int(index.tags[at]), int(index.ids[at])
        original = index.get(original, MARK) if forwarded else original
        if original:
            *_, free = to.slots(tag)
            new_tags[free], new_ids[free] = tag, original
            moved += 1
    index.state[POSTINGS] = moved


def forward_records(columns: Columns) -> None:
    """Write into each record's mark the id it will have once released ones are gone (0 for those).

    Args:
        columns: the index.
    """
    index = _Index(columns)
    to = 1
    for original in index.records():
        alive = index.get(original, PAGE) != NOBODY
        index.put(original, MARK, to if alive else 0)
        to += record_units(index.get(original, TOKENS)) if alive else 0


def slide_records(columns: Columns) -> None:
    """Move each record to its forwarded place and clear the marks.

    Args:
        columns: the index.
    """
    index = _Index(columns)
    used = 1
    for original in index.records():
        to = index.get(original, MARK)
        units = record_units(index.get(original, TOKENS))
        if to:
            index.put(original, MARK, NOBODY)
            index.arena[to : to + units] = index.arena[original : original + units].copy()
            used = to + units
    index.state[USED_UNITS], index.state[DEAD_UNITS] = used, 0
