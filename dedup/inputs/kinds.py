"""What a file holds: by the suffixes of its name, and by its first bytes where the name is silent.

The tables here are all that decides which files of a folder are read. Knows nothing of readers.
"""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias, get_args

from dedup.model import Format

Kind: TypeAlias = Literal["page", "text", "html", "jsonl", "json", "csv", "tsv", "parquet", "warc"]
"""A reader. `page` is a file that is one page, text or HTML by its name or content; `text` and
`html` are such pages by decree; `warc` reads WARC, WET and ARC files."""

KINDS: tuple[Kind, ...] = get_args(Kind)
PAGES = ("page", "text", "html")
"""The kinds that give one page a file."""

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".md": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
"""Suffixes of files that are one page, and what stands in them."""

RECORDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".warc": "warc",
    ".wet": "warc",
    ".arc": "warc",
}
"""Suffixes of files of many pages."""

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes that may come after any of these."""

_ARCHIVE = re.compile(rb"WARC/\d|filedesc://")


def suffix_of(name: str) -> str:
    """The suffix that tells what a file holds, in lower case, without that of its compression."""
    # Not pathlib: this is asked of every file of a folder, several times.
    name = name.lower().removesuffix("/").rpartition("/")[2]
    name = name.lstrip(".")
    for packed in PACKED:
        if name.endswith(packed):
            name = name.removesuffix(packed)
            break
    _, dot, suffix = name.rpartition(".")
    return dot + suffix if dot else ""


def format_of(name: str) -> Format:
    """What a page file of this name holds; `"auto"` where the name does not say."""
    return FORMATS.get(suffix_of(name), "auto")


def kind_of(name: str) -> Kind | None:
    """What reads a file of this name; None where the name does not say: no input in a folder."""
    suffix = suffix_of(name)
    return "page" if suffix in FORMATS else RECORDS.get(suffix)


def is_input(name: str, kind: str | None = None) -> bool:
    """Whether a file of this name, met in a folder, is read.

    Args:
        name: of the file.
        kind: what it would be read as whatever its name says. Then a file is read whose name says
            the same; and, for records, one without a suffix (`part-00000`, `part-00001.gz`).
    """
    if kind is None:
        return kind_of(name) is not None
    if kind in PAGES:
        return kind_of(name) == "page"
    suffix = suffix_of(name)
    return not suffix or RECORDS.get(suffix) == kind


def kind_of_content(start: bytes) -> Kind:
    """What a file is that begins so, unpacked, where its name says nothing."""
    if _ARCHIVE.match(start):
        return "warc"
    if start.startswith(b"PAR1"):
        return "parquet"
    begins = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if is_json_line(begins):
        return "jsonl"
    # Brackets open many texts; an array of records has an object in it.
    return "json" if re.match(rb'\[\s*\{\s*"|\{\s*"', begins) else "page"


def is_json_line(start: bytes) -> bool:
    """Whether the first line is a JSON object, as far as it can be seen."""
    if not start.startswith(b"{"):
        return False
    line, ended, _ = start.partition(b"\n")
    if not ended and len(start) >= LOOK:  # one long line, with more of them after it, or none
        return re.match(rb'\{\s*"', line) is not None
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


LOOK = 65536
"""Bytes of a file that are looked at."""
