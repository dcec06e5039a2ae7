"""What a verdict can be, as the number that the kernel writes: native/judge.h has the same."""

from __future__ import annotations

from enum import IntEnum


class VerdictKind(IntEnum):
    """What the kernel says of a block."""

    SKIPPED = 0
    NEW = 1
    EXACT = 2
    NEAR = 3
    EXCERPT = 4
    EXTENSION = 5
    ESTIMATED = 6
    """Near, by the estimate of MinHash values: the original is known by nothing else."""
