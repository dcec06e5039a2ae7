"""An item's text, and what is done to an item once it is judged.

Works on whatever ItemAdapter knows: dicts, scrapy.Item, dataclasses, attrs, pydantic. Knows nothing
of crawls or of indexes.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

from itemadapter import ItemAdapter

from dedup.errors import PageError
from dedup.model import Content
from dedup.report import Report

REPORT_FIELD = "dedup"
"""Where `flag` puts the report."""


class ItemText(NamedTuple):
    """The judged fields of an item.

    Attributes:
        fields: their names, and how many texts each has; None: its value is one text.
        content: all texts, as a page.
    """

    fields: list[tuple[str, int | None]]
    content: Content


def text_of(item: Any, fields: Sequence[str]) -> ItemText | None:
    """The text in these fields; None: there is none.

    Raises:
        PageError: a field holds something else.
    """
    if not isinstance(item, dict) and not ItemAdapter.is_item(item):
        raise PageError(f"a {type(item).__name__} is no item: its text cannot be judged")
    adapter = _fields_of(item)
    found: list[tuple[str, int | None]] = []
    texts: list[str] = []
    for name in fields:
        value = adapter.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            found.append((name, None))
            texts.append(value)
        elif isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
            found.append((name, len(value)))
            texts += value
        else:
            kind = type(value).__name__
            raise PageError(f"field {name!r} holds a {kind}: give text, or a list of texts")
    if not any(texts):
        return None
    return ItemText(found, texts[0] if len(texts) == 1 else tuple(texts))


def trim(item: Any, text: ItemText, report: Report) -> None:
    """Leave in the fields what is not repeated; of a list, texts of which nothing is left go.

    Raises:
        PageError: the item cannot be changed.
    """
    adapter = _fields_of(item)
    left = iter(report.unique_parts)
    try:
        for name, count in text.fields:
            if count is None:
                adapter[name] = next(left)
            else:
                texts = [next(left) for _ in range(count)]
                kind = type(adapter[name])
                adapter[name] = kind(part for part in texts if part.strip())
    except (AttributeError, TypeError, ValueError) as error:  # frozen, in the words of each library
        kind_of_item = type(item).__name__
        raise PageError(f"a {kind_of_item} cannot be trimmed: its fields are fixed") from error


def flag(item: Any, report: Report) -> bool:
    """Put the report into the item, as plain values. False: it has no field for it."""
    from dedup.findings import repeats_of  # noqa: PLC0415 - late: other actions make no report
    from dedup.page_object import page_object  # noqa: PLC0415 - same

    adapter = _fields_of(item)
    try:
        adapter[REPORT_FIELD] = page_object(repeats_of(report))
    except (KeyError, AttributeError, TypeError, ValueError):  # no such field, or a frozen item
        return False
    return True


def _fields_of(item: Any) -> MutableMapping[str, Any]:
    """An item's fields by name. A dict, the commonest item, is that by itself."""
    return item if isinstance(item, dict) else ItemAdapter(item)


def is_repeat(report: Report) -> bool:
    """Whether everything that was judged is a repeat, and something was."""
    judged = len(report.blocks) - report.skipped
    return judged > 0 and len(report.repeats) == judged
