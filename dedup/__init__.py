"""dedup finds repeated text blocks in scraped web pages.

    import dedup

    deduper = dedup.Deduper()
    report = deduper.check(text, page="https://example.org/a")
    for block in report.repeats:
        print(block.text, block.repeat.kind, block.repeat.original.page)

This module is a table of contents. Names are imported when they are first used, so that
`dedup --help` does not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup.async_detector import AsyncDeduper
    from dedup.client import AsyncClient, Client
    from dedup.detector import Deduper
    from dedup.errors import (
        DecodeError,
        DedupError,
        IndexFailure,
        IndexFullError,
        IndexMismatchError,
        IndexWarning,
        InputError,
        KernelError,
        PageError,
        PageTooLargeError,
        ServiceError,
        SettingsError,
    )
    from dedup.evidence import Explanation
    from dedup.explanation import explain
    from dedup.minhash import MinHashes
    from dedup.model import (
        Block,
        BlockEntry,
        Original,
        Page,
        PageEntry,
        PageList,
        PageSummary,
        Repeat,
        Stats,
    )
    from dedup.report import Report
    from dedup.settings import Settings

_HOMES = {
    "dedup.async_detector": ("AsyncDeduper",),
    "dedup.client": ("AsyncClient", "Client"),
    "dedup.detector": ("Deduper",),
    "dedup.errors": (
        "DecodeError",
        "DedupError",
        "IndexFailure",
        "IndexFullError",
        "IndexMismatchError",
        "IndexWarning",
        "InputError",
        "KernelError",
        "PageError",
        "PageTooLargeError",
        "ServiceError",
        "SettingsError",
    ),
    "dedup.evidence": ("Explanation",),
    "dedup.explanation": ("explain",),
    "dedup.minhash": ("MinHashes",),
    "dedup.model": (
        "Block",
        "BlockEntry",
        "Original",
        "Page",
        "PageEntry",
        "PageList",
        "PageSummary",
        "Repeat",
        "Stats",
    ),
    "dedup.report": ("Report",),
    "dedup.settings": ("Settings",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncClient",
    "AsyncDeduper",
    "Block",
    "BlockEntry",
    "Client",
    "DecodeError",
    "DedupError",
    "Deduper",
    "Explanation",
    "IndexFailure",
    "IndexFullError",
    "IndexMismatchError",
    "IndexWarning",
    "InputError",
    "KernelError",
    "MinHashes",
    "Original",
    "Page",
    "PageEntry",
    "PageError",
    "PageList",
    "PageSummary",
    "PageTooLargeError",
    "Repeat",
    "Report",
    "ServiceError",
    "Settings",
    "SettingsError",
    "Stats",
    "explain",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dedup' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
