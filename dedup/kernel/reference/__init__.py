"""The kernel's twin in Python and NumPy: the same functions and results, in readable form.

Written to be checked against, and fast enough to work with where there is no compiler.
"""

from dedup.kernel.reference.buckets import append_postings, find_postings, pack_words
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
from dedup.kernel.reference.judge import judge, sign
from dedup.kernel.reference.lines import scan_lines
from dedup.kernel.reference.minhash import minhash
from dedup.kernel.reference.sketch import normalise, sketch, trace_keys

__all__ = [
    "add_values",
    "append_postings",
    "apply_entries",
    "check_blocks",
    "find_postings",
    "forward_records",
    "judge",
    "minhash",
    "move_postings",
    "normalise",
    "pack_words",
    "release_expired",
    "release_unclaimed",
    "scan_lines",
    "sign",
    "sketch",
    "slide_records",
    "trace_keys",
    "withdraw_page",
]
