"""The index operations of the kernel and its twin leave the same arrays behind, bit for bit."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_index import LONG, TEASER, A, B
from test_kernel import native, needs_native
from test_sketch import sketch

from dedup.bands import Bands
from dedup.index.changes import Originals, added_originals, added_values
from dedup.index.job import NOTHING_HELD
from dedup.index.tables import REPEAT_ENTRY
from dedup.kernel import reference
from dedup.minhash import MinHashes, band_keys
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import rule_of

BLOCKS = [A, B, LONG, TEASER, A.replace("Monday", "Friday"), "too short", B + " Twice."]


BANDS = Bands(4, 3, 12, 1)


def sketch_some(blocks: list[int], bands: Bands | None) -> Sketches:
    """Sketches of some of the blocks."""
    return sketch(*(BLOCKS[block] for block in blocks), bands=bands)


DURATION = 3
"""Seconds after which an original that was not seen has expired."""


def empty_columns() -> tuple[Any, ...]:
    """An index with room enough for a test, small enough that probes collide."""
    state = np.zeros(5, np.int64)
    state[0] = 1
    return (
        np.zeros(512, np.uint32),
        np.zeros(512, np.uint32),
        np.zeros(20_000, np.uint64),
        state,
    )


def check(
    module: Any,
    columns: Any,
    overlay: Any,
    chosen: Sketches,
    page: int,
    now: int,
    held: Any = NOTHING_HELD,
) -> list[Any]:
    """check_blocks of one page; all outputs."""
    n = len(chosen)
    out = [
        np.zeros(n, np.uint8),
        np.zeros(n),
        np.zeros(n),
        np.zeros((n, 6), np.uint32),
        np.zeros(n, np.uint32),
        np.zeros(n, np.uint16),
    ]
    batch = (
        chosen.fingerprints,
        chosen.trace_spans,
        chosen.traces,
        chosen.key_spans,
        chosen.keys,
        chosen.minhashes,
    )
    place = (np.array([0, n]), np.array([page], np.uint32))
    arguments = (now, now - DURATION, 5, overlay is not None, rule_of(Settings()))
    held = np.unique(held & ~REPEAT_ENTRY)
    module.check_blocks(columns, overlay, batch, *place, held, *arguments, *out)
    return out


class Twins(RuleBasedStateMachine):
    """Any sequence of operations on two indexes, one by each kernel, and done again on two more."""

    bands: Bands | None = None

    def __init__(self) -> None:
        super().__init__()
        modules: tuple[ModuleType | None, ModuleType] = (native, reference)
        self.modules: list[Any] = list(modules) * 2
        self.columns = [empty_columns() for _ in self.modules]
        self.log: dict[int, np.ndarray[Any, np.dtype[np.uint32]]] = {}
        self.now = 100

    @rule(page=st.integers(0, 3), blocks=st.lists(st.integers(0, len(BLOCKS) - 1), max_size=5))
    def check_page(self, page: int, blocks: list[int]) -> None:
        """Check a page, anew where it is known."""
        results: list[Any] = []
        old = self.log.get(page)
        chosen = sketch_some(blocks, self.bands)
        first_free = int(self.columns[0][3][0])
        for turn, (module, columns) in enumerate(zip(self.modules, self.columns, strict=True)):
            if old is not None:
                module.withdraw_page(columns, old, page)
            if turn < 2:
                held = NOTHING_HELD if old is None else old
                results.append(check(module, columns, None, chosen, page, self.now, held))
            else:
                entries = results[0][4]
                rows = np.flatnonzero((entries >= first_free) & (entries < 0x80000000))
                self.apply(module, columns, added_originals(chosen, rows), page, entries)
            if old is not None:
                module.release_unclaimed(columns, old, page)
        for first, second in zip(*results, strict=True):
            assert np.array_equal(first, second)
        self.log[page] = results[0][4][results[0][0] > 0]

    def apply(self, module: Any, columns: Any, added: Originals, page: int, entries: Any) -> None:
        """Do a check of one page again."""
        place = (np.array([0, len(entries)]), np.array([page], np.uint32))
        module.apply_entries(columns, added, *place, entries, self.now, self.now - DURATION)

    @rule(blocks=st.lists(st.integers(0, len(BLOCKS) - 1), min_size=1, max_size=4))
    def look_up(self, blocks: list[int]) -> None:
        """Look blocks up over an overlay."""
        overlays = [empty_columns(), empty_columns()]
        results = [
            check(module, columns, overlay, sketch_some(blocks, self.bands), 99, self.now)
            for module, columns, overlay in zip(
                self.modules[:2], self.columns[:2], overlays, strict=True
            )
        ]
        for first, second in zip(
            results[0] + list(overlays[0]), results[1] + list(overlays[1]), strict=True
        ):
            assert np.array_equal(first, second)

    @rule(seconds=st.integers(1, DURATION + 1))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(pages=st.integers(0, 4))
    def sweep(self, pages: int) -> None:
        """Release what has expired."""
        owners = [np.zeros(pages, np.uint8) for _ in self.modules]
        for module, columns, owns in zip(self.modules, self.columns, owners, strict=True):
            module.release_expired(columns, self.now - DURATION, owns)
        assert all(np.array_equal(owners[0], other) for other in owners[1:])

    @rule()
    def compact(self) -> None:
        """Squeeze out what was released."""
        fresh = []
        for module, columns in zip(self.modules, self.columns, strict=True):
            module.forward_records(columns)
            tags, ids = np.zeros(512, np.uint32), np.zeros(512, np.uint32)
            module.move_postings(columns, tags, ids, True)
            marks = columns[2].view(np.uint32)
            log = {
                page: np.where(
                    (new := marks[2 * (old & 0x7FFFFFFF).astype(np.int64) + 8]) > 0,
                    new | (old & np.uint32(0x80000000)),
                    0,
                )
                for page, old in self.log.items()
            }
            module.slide_records(columns)
            fresh.append((tags, ids, *columns[2:]))
        self.columns = fresh
        self.log = {page: new[new > 0].astype(np.uint32) for page, new in log.items()}

    @invariant()
    def equal(self) -> None:
        """The arrays are equal, up to what lies beyond the last record."""
        tags, ids, arena, state = self.columns[0]
        used = int(state[0])
        for other_tags, other_ids, other_arena, other_state in self.columns[1:]:
            assert np.array_equal(state, other_state)
            assert np.array_equal(tags, other_tags)
            assert np.array_equal(ids[tags > 0], other_ids[tags > 0])
            assert np.array_equal(arena[:used], other_arena[:used])


class BandedTwins(Twins):
    """The same with the keys of the other family, and originals that are known by values alone."""

    bands = BANDS

    @rule(page=st.integers(0, 3), blocks=st.lists(st.integers(0, len(BLOCKS) - 1), max_size=2))
    def bring_values(self, page: int, blocks: list[int]) -> None:
        """Add values in place of what the page had."""
        values = MinHashes.of([BLOCKS[block] for block in blocks], num_perm=12).values
        if not blocks:
            return
        bounds, pages = np.array([0, len(blocks)]), np.array([page], np.uint32)
        old = self.log.get(page)
        results: list[Any] = []
        keys = band_keys(values, BANDS)
        for turn, (module, columns) in enumerate(zip(self.modules, self.columns, strict=True)):
            entries = np.zeros(len(blocks), np.uint32)
            if old is not None:
                module.withdraw_page(columns, old, page)
            if turn < 2:
                module.add_values(columns, values, keys, bounds, pages, 7, entries)
            else:
                entries = results[0]
                added = added_values(values, keys)
                module.apply_entries(columns, added, bounds, pages, entries, 7, 0)
            if old is not None:
                module.release_unclaimed(columns, old, page)
            results.append(entries)
        assert np.array_equal(results[0], results[1])
        self.log[page] = results[0]


@needs_native
class TestTwins(Twins.TestCase):  # type: ignore[misc,valid-type]
    """Runs the machine."""

    settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@needs_native
class TestBandedTwins(BandedTwins.TestCase):  # type: ignore[misc,valid-type]
    """Runs the other machine."""

    settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
