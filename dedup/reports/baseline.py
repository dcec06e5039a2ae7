"""Repeats that are known and accepted: a file of texts that may repeat.

    {"version": 1, "repeats": {
      "0f3c…32 hex digits": "The first words of the text, for people",
      …
    }}

A repeat is known when its normalised text, however it was written then, is in the file. The page on
which it stands does not matter: a line that every page of a site has stays known on tomorrow's
pages. Knows nothing of runs or of exit statuses.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dedup.errors import InputError
from dedup.files import write_whole
from dedup.findings import Findings
from dedup.reports.columns import printable
from dedup.reports.json import dump
from dedup.sketch import sketch_texts

VERSION = 1
SHOWN = 80
"""Characters of each text that stand in the file, for people who read its changes."""


class Baseline:
    """Known repeats, and those of this run.

    Attributes:
        left_out: repeats that were left out since they are known.
    """

    def __init__(self, path: str, *, create: bool) -> None:
        """Read the file.

        Args:
            path: the file.
            create: there may be none yet.

        Raises:
            InputError: it is missing, cannot be read, or is no baseline.
        """
        self._path = Path(os.path.realpath(path))
        self._known = {} if create and not self._path.exists() else _read(self._path, path)
        self._found: dict[str, str] = {}
        self.left_out = 0

    def without_known(self, found: Findings) -> Findings:
        """The findings without the repeats that are known; remembers all of them."""
        if not found.repeats:
            return found
        prints = fingerprints([finding.text for finding in found.repeats])
        for name, finding in zip(prints, found.repeats, strict=True):
            self._found.setdefault(name, printable(finding.text[: 4 * SHOWN])[:SHOWN])
        kept = tuple(
            finding
            for name, finding in zip(prints, found.repeats, strict=True)
            if name not in self._known
        )
        self.left_out += len(found.repeats) - len(kept)
        return replace(found, repeats=kept)

    def write(self) -> int:
        """Write the repeats of this run in place of the known ones; returns how many texts."""
        lines = [dump(name) + b": " + dump(text) for name, text in sorted(self._found.items())]
        content = b'{"version": %d, "repeats": {\n' % VERSION + b",\n".join(lines) + b"\n}}\n"
        write_whole(self._path, content)
        return len(lines)


def fingerprints(texts: Sequence[str]) -> list[str]:
    """XXH3-128 of the normalised form of each text, as 32 hex digits: equal for exact repeats."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    halves = sketch_texts(b"".join(encoded), bounds[:-1], bounds[1:]).fingerprints
    return [f"{high:016x}{low:016x}" for low, high in halves.tolist()]


def _read(path: Path, given: str) -> dict[str, str]:
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"no baseline {given!r}: check the path, or make it with --update-baseline"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"baseline {given!r} cannot be read ({reason}): check the path and its permissions"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{given!r} is no baseline ({error}): make a new one with --update-baseline"
        ) from error
    repeats = content.get("repeats") if isinstance(content, dict) else None
    if not isinstance(repeats, dict):
        raise InputError(f"{given!r} is no baseline: make a new one with --update-baseline")
    if content.get("version") != VERSION:
        raise InputError(
            f"baseline {given!r} is of version {content.get('version')!r}, and this dedup reads"
            f" {VERSION}: use the dedup that wrote it, or make a new one with --update-baseline"
        )
    return repeats
