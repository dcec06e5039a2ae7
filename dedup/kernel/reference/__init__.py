"""The kernel's twin in Python and NumPy: the same functions and results, in readable form.

Written to be checked against, and fast enough to work with where there is no compiler.
"""

from dedup.kernel.reference.bodies import list_postings, pack_bodies
from dedup.kernel.reference.buckets import (
    add_postings,
    find_postings,
    locate_postings,
    renew_buckets,
)
from dedup.kernel.reference.index import (
    add_values,
    apply_entries,
    check_blocks,
    forward_records,
    move_postings,
    release_expired,
    release_unclaimed,
    slide_records,
    withdraw_page,
)
from dedup.kernel.reference.judge import judge
from dedup.kernel.reference.lines import scan_lines
from dedup.kernel.reference.minhash import minhash
from dedup.kernel.reference.records import locate_bodies, pack_records
from dedup.kernel.reference.screen import choose_postings, screen_blocks
from dedup.kernel.reference.sketch import normalise, sketch, trace_keys
from dedup.kernel.reference.wire import join_values, pack_words

__all__ = [
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
