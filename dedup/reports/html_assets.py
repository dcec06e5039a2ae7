"""What HTML is made of: scripts, styles and templates, from `assets/` here or in the service.

Scripts are parts of one scope; whoever shows something bundles those that he needs. There is no
other build step. Knows nothing of what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

SHARED = ("dom.js", "diff.js", "marks.js", "picture.js", "theme.js", "keys.js")
"""The scripts that every page has, in the order of use."""


@lru_cache
def asset(name: str, package: str = "dedup.reports", folder: str = "assets") -> str:
    """The content of a file."""
    return files(package).joinpath(folder, name).read_text("utf-8")


def bundle(scripts: Iterable[str]) -> str:
    """Scripts in one scope of their own."""
    return f'"use strict";(() => {{\n{"".join(scripts)}}})();\n'


def filled(template: str, values: Mapping[str, str]) -> bytes:
    """The template with its values, none of which is looked at for names of others."""
    parts = template.split("{{")
    text = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition("}}")
        text += values[name] + rest
    return text.encode("utf-8", "replace")
