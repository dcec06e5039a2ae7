"""Files of records to labelled pairs, or to pages: CSV with a header, and JSON Lines.

Nobody agrees on the names of columns, so the usual ones are known; which were taken follows from
the first record. Knows nothing of what pairs are good for.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from dedup.errors import InputError
from dedup.model import Page

CSV_SUFFIXES = {".csv", ".tsv"}
JSON_LINES_SUFFIXES = {".jsonl", ".ndjson"}

FIRST = ("a", "text_a", "text1", "sentence1", "question1", "left", "block")
SECOND = ("b", "text_b", "text2", "sentence2", "question2", "right", "original")
LABEL = ("label", "is_duplicate", "duplicate", "is_repeat", "same", "match", "gold")
"""Names of the fields of a pair, in any case; the first that is there counts."""

TEXT = ("text", "content", "html", "body", "raw_content")
PAGE_ID = ("page", "url", "id", "name")
"""Names of the fields of a page."""

YES = {"1", "true", "yes", "y", "same", "duplicate", "repeat", "match"}
NO = {"0", "false", "no", "n", "different", "distinct", "unique", "new"}

LONGEST_FIELD = 1 << 28


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, and whether a person calls the one a repeat of the other."""

    a: str
    b: str
    same: bool


def has_records(name: str) -> bool:
    """Whether a file of this name holds records, and no page."""
    return PurePath(name.lower().removesuffix(".gz")).suffix in CSV_SUFFIXES | JSON_LINES_SUFFIXES


def read_records(text: str, name: str) -> list[Pair] | list[Page]:
    """The labelled pairs of a file; the pages where it has texts alone.

    Args:
        text: the file's content: JSON Lines where it starts with `{`, else CSV.
        name: how messages call the file.

    Raises:
        InputError: a record is broken, or has neither a pair nor a text; a label says neither yes
            nor no.
    """
    is_json = text.lstrip()[:1] == "{"
    records = list(_json_lines(text, name) if is_json else _csv_rows(text, name))
    if not records:
        raise InputError(f"{name!r} has no records: give a line a pair, or a line a page")
    names = {field.lower(): field for field in records[0][1]}
    found = [
        next((names[f] for f in known if f in names), None) for known in (FIRST, SECOND, LABEL)
    ]
    first, second, label = found
    if first and second and label:
        return [
            Pair(
                _text(record, first, name, line),
                _text(record, second, name, line),
                _is_same(record.get(label), f"{name!r}, line {line}"),
            )
            for line, record in records
        ]
    text_field = next((names[field] for field in TEXT if field in names), None)
    if text_field is None or (first and second):
        missing = "no label (label, is_duplicate, ...)" if first and second else "no pair of texts"
        raise InputError(
            f"{name!r} has {missing} and its fields are {', '.join(names.values())}: name them a, b"
            " and label, or text for a sample without labels"
        )
    id_field = next((names[field] for field in PAGE_ID if field in names), None)
    return [
        Page(
            _text(record, text_field, name, line),
            str(record.get(id_field) if id_field else f"{name}:{line}"),
        )
        for line, record in records
    ]


def _json_lines(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Not splitlines: JSON strings may hold the line ends of Unicode.
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            record = json.loads(written)
        except ValueError as error:
            raise InputError(f"{name!r}, line {line} is no JSON ({error}): correct it") from error
        if not isinstance(record, dict):
            raise InputError(f"{name!r}, line {line} is no JSON object: give an object a line")
        yield line, record


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.lstrip("\ufeff").split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter)
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise InputError(f"{name!r} is no CSV ({error}): correct it, or give JSON Lines") from error
    finally:
        csv.field_size_limit(limit)


def _text(record: Mapping[str, Any], field: str, name: str, line: int) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise InputError(f"{name!r}, line {line}: {field} is {value!r}, and a text is needed")
    return value


def _is_same(value: object, where: str) -> bool:
    """What a label says: a word, a number, a truth value."""
    word = str(value).strip().lower()
    if word in YES | NO:
        return word in YES
    try:
        number = float(word)
    except ValueError:
        number = -1
    if number in (0, 1):
        return bool(number)
    raise InputError(f"{where}: label {value!r} says neither yes nor no: use 1 and 0")
