"""Where originals live: one protocol of whole operations, and the table of stores by URL.

An index gets sketches and page ids, and answers with verdicts; it knows nothing of text, HTML or
reports. Each operation is atomic.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dedup.errors import SettingsError
from dedup.model import Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts


class Index(Protocol):
    """What every store can do. `bounds` is int64[pages + 1]: the blocks of each page, in order."""

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """Judge the pages' blocks in order, add what is new, count what repeats.

        A page that the index knows is checked anew: what it owned is recognised, what it counted
        is counted once, and the originals whose blocks left it are released.
        """
        ...

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """The verdicts that `check` would give under these settings; the index does not change."""
        ...

    def forget(self, page: str) -> bool:
        """Remove what the page owns and counted. False: the index does not know the page."""
        ...

    def stats(self) -> Stats:
        """What the index holds."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def close(self) -> None:
        """Let go of what the index holds open. Nothing else may be called afterwards."""
        ...


def _open_memory(url: str, namespace: str, settings: Settings) -> Index:
    from dedup.index.memory import MemoryIndex  # noqa: PLC0415 - each store is imported when chosen

    if url != "memory://":
        raise SettingsError(f"index {url!r}: an index in memory has no name, use memory://")
    return MemoryIndex(settings, namespace)


def _open_redis(url: str, namespace: str, settings: Settings) -> Index:
    from dedup.index.redis import RedisIndex  # noqa: PLC0415 - each store is imported when chosen

    return RedisIndex(url, namespace, settings)


STORES: dict[str, Callable[[str, str, Settings], Index]] = {
    "memory": _open_memory,
    "redis": _open_redis,
    "redis+cluster": _open_redis,
    "redis+sentinel": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
}
"""How to open an index, by the scheme of its URL."""


def open_index(url: str, namespace: str, settings: Settings) -> Index:
    """The index at a URL.

    Raises:
        SettingsError: the URL names no store that dedup has.
        IndexFailure: the store cannot be opened.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in STORES:
        nearest = difflib.get_close_matches(scheme, STORES, n=1)
        hint = f"did you mean {nearest[0]}://?" if nearest and separator else "known: "
        known = ", ".join(f"{name}://" for name in STORES)
        raise SettingsError(f"index {url!r}: {hint if nearest and separator else hint + known}")
    return STORES[scheme](url, namespace, settings)
