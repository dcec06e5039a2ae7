"""The header of an index that outlives its process: what it was made with, and whether that fits.

Knows nothing of where it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dedup.errors import IndexMismatchError
from dedup.settings import Settings
from dedup.sketch import KEY_SCHEME


def header_of(settings: Settings) -> dict[str, Any]:
    """What is written into an index when it is made."""
    return settings.to_mapping() | {"key_scheme": KEY_SCHEME.tolist()}


def settings_in(header: str | bytes) -> Settings:
    """The settings in a header, as JSON."""
    stored, known = (
        json.loads(header),
        Settings().to_mapping().keys() | {"num_perm", "seed", "recall"},
    )
    return Settings.from_mapping({name: stored[name] for name in known & stored.keys()})


def refuse_version(where: str, its: int, mine: int, instead: str) -> None:
    """Refuse an index of another format.

    Args:
        where: which index.
        its: the version of its format.
        mine: the one that this dedup writes.
        instead: what else to use.

    Raises:
        IndexMismatchError: they differ.
    """
    if its != mine:
        raise IndexMismatchError(
            f"{where} has format {its}, this dedup writes {mine}: use the dedup that made it, or "
            f"{instead}"
        )


def refuse_others(where: str, its: Mapping[str, Any], settings: Settings, instead: str) -> None:
    """Refuse settings that an index was not made with.

    Args:
        where: which index.
        its: its header.
        settings: those that it is opened with.
        instead: what else to use.

    Raises:
        IndexMismatchError: names what differs, with both values.
    """
    mine = header_of(settings)
    for name in [*mine, *its]:
        if mine.get(name) != its.get(name):
            raise IndexMismatchError(
                f"{where} was made with {name}={its.get(name)}, and is opened with "
                f"{name}={mine.get(name)}: open it as it was made, or use {instead}"
            )
