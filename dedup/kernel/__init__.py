"""The kernel: the loops over bytes and hashes, arrays in and arrays out.

Two implementations with the same functions, signatures, docstrings and results, bit for bit: the C
extension `_native`, and its twin in Python and NumPy, `reference`, which runs where there was no
compiler. `DEDUP_KERNEL=native` or `=reference` forces one and never falls back; unset picks the
native one where it is there. Functions hold no policy: sizes, thresholds and schemes are arguments.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

from dedup.errors import KernelError

CHOICES = ("native", "reference")


def _choose(wanted: str) -> tuple[str, ModuleType]:
    if wanted not in ("", *CHOICES):
        raise KernelError(f"DEDUP_KERNEL={wanted!r}: use native or reference, or leave it unset")
    if wanted != "reference":
        try:
            return "native", importlib.import_module("dedup.kernel._native")
        except ImportError as error:
            if wanted == "native":
                raise KernelError(
                    "DEDUP_KERNEL=native, but the extension is not built: install dedup where "
                    "there is a C compiler, or unset DEDUP_KERNEL"
                ) from error
    return "reference", importlib.import_module("dedup.kernel.reference")


NAME, _implementation = _choose(os.environ.get("DEDUP_KERNEL", ""))
"""Which implementation runs: `"native"` or `"reference"`."""

LEVEL: str = getattr(_implementation, "LEVEL", "python")
"""Which instructions it uses: `"baseline"`, `"avx2"`, `"avx512"`, or `"python"`."""

if TYPE_CHECKING:
    from dedup.kernel.reference import (
        add_postings,
        add_values,
        apply_entries,
        check_blocks,
        choose_postings,
        find_postings,
        forward_records,
        join_values,
        judge,
        list_postings,
        locate_bodies,
        locate_postings,
        minhash,
        move_postings,
        normalise,
        pack_bodies,
        pack_records,
        pack_words,
        release_expired,
        release_unclaimed,
        renew_buckets,
        scan_lines,
        screen_blocks,
        sketch,
        slide_records,
        trace_keys,
        withdraw_page,
    )
else:
    add_postings = _implementation.add_postings
    add_values = _implementation.add_values
    apply_entries = _implementation.apply_entries
    check_blocks = _implementation.check_blocks
    choose_postings = _implementation.choose_postings
    find_postings = _implementation.find_postings
    forward_records = _implementation.forward_records
    join_values = _implementation.join_values
    judge = _implementation.judge
    list_postings = _implementation.list_postings
    locate_bodies = _implementation.locate_bodies
    locate_postings = _implementation.locate_postings
    minhash = _implementation.minhash
    move_postings = _implementation.move_postings
    normalise = _implementation.normalise
    pack_bodies = _implementation.pack_bodies
    pack_records = _implementation.pack_records
    pack_words = _implementation.pack_words
    release_expired = _implementation.release_expired
    release_unclaimed = _implementation.release_unclaimed
    renew_buckets = _implementation.renew_buckets
    scan_lines = _implementation.scan_lines
    screen_blocks = _implementation.screen_blocks
    sketch = _implementation.sketch
    slide_records = _implementation.slide_records
    trace_keys = _implementation.trace_keys
    withdraw_page = _implementation.withdraw_page

__all__ = [
    "LEVEL",
    "NAME",
    "add_postings",
    "add_values",
    "apply_entries",
    "check_blocks",
    "choose_postings",
    "find_postings",
    "forward_records",
    "join_values",
    "judge",
    "list_postings",
    "locate_bodies",
    "locate_postings",
    "minhash",
    "move_postings",
    "normalise",
    "pack_bodies",
    "pack_records",
    "pack_words",
    "release_expired",
    "release_unclaimed",
    "renew_buckets",
    "scan_lines",
    "screen_blocks",
    "sketch",
    "slide_records",
    "trace_keys",
    "withdraw_page",
]
