"""The index in memory: native/index.h in Python, on the same arrays.

`index_tables.py` has what is done with single records; here are the operations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.index_tables import (
    DEAD_UNITS,
    MARK,
    NOBODY,
    PAGE,
    PAGES,
    POSTINGS,
    RECORD_UNITS,
    REPEAT_ENTRY,
    REPEATS,
    SEEN,
    TOKENS,
    USED_UNITS,
    VALUES_FLAG,
    Added,
    Batch,
    Block,
    Columns,
    Finding,
    Index,
    PageCheck,
    key_tag,
    record_units,
)
from dedup.kernel.reference.judge import Rule, Verdict


def _check_block(
    index: Index, overlay: Index | None, block: Block, check: PageCheck, rule: Rule
) -> tuple[Finding, int]:
    """Judge one block, add it where it is new, count it where it repeats."""
    target = overlay or index
    local = check._replace(lookup=False, held=0)
    finding = Finding(Verdict(VerdictKind.NEW, 0.0, 0.0))
    home, exact = index, index.find_exact(block, check)
    if exact is None and overlay:
        home, exact = overlay, overlay.find_exact(block, local)
    if exact is not None:
        owned = home.get(exact, PAGE) == check.page
        if home is target and owned and home.get(exact, MARK) != check.page:
            home.recognise(exact, check, block.position)
            return finding, exact
        finding = Finding(Verdict(VerdictKind.EXACT, 1.0, 1.0), exact, home)
    else:
        index.improve(finding, block, check, rule)
        if overlay:
            overlay.improve(finding, block, local, rule)
    original, home_of = finding.original, finding.index
    if original is None or home_of is None or finding.verdict.kind == VerdictKind.EXTENSION:
        return finding, target.add_original(block, check)
    if not check.lookup or home_of.get(original, PAGE) == check.page:
        home_of.count_repeat(original, check, target.state)
    return finding, original | REPEAT_ENTRY


def check_blocks(
    columns: Columns,
    overlay: Columns | None,
    batch: Batch,
    page_bounds: npt.NDArray[np.int64],
    pages: npt.NDArray[np.uint32],
    held: npt.NDArray[np.uint32],
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
    candidates: npt.NDArray[np.uint16],
) -> None:
    """Judge blocks page by page in order, adding what is new and counting what repeats.

    Args:
        columns: the index; it has room for every block of these pages.
        overlay: an index that takes what is new instead, for a lookup; or None.
        batch: fingerprints, trace_spans, traces, key_spans, keys of `n` blocks, and uint32[n, k],
            their MinHash values, for originals that have nothing else (k = 0: none has).
        page_bounds: int64[p + 1], where each page's blocks start and end.
        pages: uint32[p], the pages' numbers; a page that the index knows was withdrawn before.
        held: uint32, the entries that the page (one alone) had before, of its judged blocks in
            order. A block repeats the one that its place repeated, if it does, even where something
            more similar has come since.
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
        candidates: uint16[n], gets with how many originals each block was compared: those that
            share a key with it and that its page sees (0: its text was found, or it was skipped).
    """
    index, over = Index(columns), Index(overlay) if overlay else None
    fingerprints, trace_spans, traces, key_spans, keys, minhashes = batch
    values, rows = Rule(*rule.tolist()), details.reshape(-1, 6)
    bounds = page_bounds.tolist()
    for page, first, last in zip(pages.tolist(), bounds, bounds[1:], strict=False):
        before_this = iter(held.tolist())
        for i in range(first, last):
            trace = traces[slice(*trace_spans.reshape(-1, 2)[i])].tolist()
            kinds[i], similarity[i], containment[i] = VerdictKind.SKIPPED, 0, 0
            entries[i] = candidates[i] = 0
            if not trace or len(trace) < min_words:
                continue
            entry = next(before_this, 0)
            its = entry & ~REPEAT_ENTRY if entry & REPEAT_ENTRY else 0
            check = PageCheck(page, now, before, lookup, its)
            low, high = fingerprints.reshape(-1, 2)[i].tolist()
            block_keys = keys[slice(*key_spans.reshape(-1, 2)[i])].tolist()
            block = Block((low, high), trace, block_keys, minhashes[i], i - first)
            finding, entries[i] = _check_block(index, over, block, check, values)
            kinds[i], candidates[i] = finding.verdict.kind, finding.candidates
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
    index = Index(columns)
    bounds = page_bounds.tolist()
    for page, first, last in zip(pages.tolist(), bounds, bounds[1:], strict=False):
        for i in range(first, last):
            block = Block((0, 0), None, keys[i].tolist(), values[i], i - first)
            entries[i] = index.add_original(block, PageCheck(page, now, 0, lookup=False))


def apply_entries(
    columns: Columns,
    added: Added,
    page_bounds: npt.NDArray[np.int64],
    pages: npt.NDArray[np.uint32],
    entries: npt.NDArray[np.uint32],
    now: int,
    before: int,
) -> None:
    """Do again what `check_blocks` or `add_values` did to an index, by the entries that it gave.

    Args:
        columns: the index as it was then; it has room for what was added.
        added: fingerprints, tokens, bodies, tag_counts and tags of the originals, in order.
        page_bounds: int64[p + 1], where each page's entries start and end.
        pages: uint32[p], the pages' numbers; a page that the index knows was withdrawn before.
        entries: uint32[n], 0 for a block that was skipped.
        now: seconds since 1970, as it was then.
        before: as it was then.

    Raises:
        ValueError: the entries or the originals are not those of this index. It is undefined then.
    """
    index = Index(columns)
    fingerprints, lengths, bodies, tag_counts, tags = (part.tolist() for part in added)
    bounds, all_entries = page_bounds.tolist(), entries.tolist()
    done = body = tag = 0
    for page, first, last in zip(pages.tolist(), bounds[:-1], bounds[1:], strict=True):
        check = PageCheck(page, now, before, lookup=False)
        for position, entry in enumerate(all_entries[first:last]):
            original = entry & ~REPEAT_ENTRY
            used = int(index.state[USED_UNITS])
            if not original:
                continue
            if original + RECORD_UNITS <= used:
                if entry & REPEAT_ENTRY:
                    index.count_repeat(original, check, index.state)
                else:
                    index.recognise(original, check, position)
                continue
            if entry != used or done == len(fingerprints):
                raise ValueError("an entry does not fit the other arrays")
            length = lengths[done] & ~VALUES_FLAG
            content = added[2][body : body + length]
            index.add_record(fingerprints[done], lengths[done], content, position, check)
            for each in tags[tag : tag + tag_counts[done]]:
                index.add_posting(key_tag(each), original, before)
            body, tag, done = body + length, tag + tag_counts[done], done + 1
    if (done, body, tag) != (len(fingerprints), len(bodies), len(tags)):
        raise ValueError("an entry does not fit the other arrays")


def withdraw_page(columns: Columns, entries: npt.NDArray[np.uint32], page: int) -> None:
    """Take back what a page's repeats counted; what it owns now awaits recognition.

    Args:
        columns: the index.
        entries: uint32, the page's entries.
        page: the page's number.
    """
    index = Index(columns)
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
    index = Index(columns)
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
    index = Index(columns)
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
    index = Index(columns)
    to = Index((new_tags, new_ids, index.arena, index.state))
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
    index = Index(columns)
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
    index = Index(columns)
    used = 1
    for original in index.records():
        to = index.get(original, MARK)
        units = record_units(index.get(original, TOKENS))
        if to:
            index.put(original, MARK, NOBODY)
            index.arena[to : to + units] = index.arena[original : original + units].copy()
            used = to + units
    index.state[USED_UNITS], index.state[DEAD_UNITS] = used, 0
