"""A record (JSON object, table row) to a page: which fields are its text, its id and its site.

What is guessed is said here and nowhere else. Knows nothing of files and formats.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from dedup.errors import InputError
from dedup.inputs.model import Fields, Reading, UnreadPage
from dedup.model import Format, Page

TEXT_FIELDS: dict[str, Format] = {
    "text": "auto",
    "content": "auto",
    "html": "html",
    "body": "auto",
    "raw_content": "auto",
    "markdown": "text",
}
"""Fields that are taken for a page's text, the first that a record has, and what stands in them."""

ID_FIELDS = (
    "url",
    "page_url",
    "uri",
    "target_uri",
    "warc_target_uri",
    "WARC-Target-URI",
    "warc-target-uri",
    "warc_headers.warc-target-uri",
    "metadata.url",
    "meta.url",
    "id",
    "page",
    "page_id",
    "doc_id",
    "_id",
    "path",
)
"""Fields that are taken for a page's id, the first that a record has: URLs before other ids."""

_SHOWN = 12
"""Fields of a record that an error names."""

_MISSING = object()


class Records:
    """The fields of one file's records, and what makes pages of these.

    Attributes:
        name: of the file; record N without an id is `NAME#N`.
    """

    def __init__(self, name: str, reading: Reading) -> None:
        """Read records of a file.

        Args:
            name: of the file.
            reading: which fields are what, and how large a page may be.
        """
        self.name = name
        self._reading = reading
        self._fields = reading.fields
        self._texts = [self._fields.text] if self._fields.text else list(TEXT_FIELDS)
        self._ids = [self._fields.id] if self._fields.id else list(ID_FIELDS)

    def page(self, record: Any, number: int) -> Page | UnreadPage:
        """The page that a record is.

        Args:
            record: its fields by name; objects may be nested.
            number: of the record, or of its line, from 1 on.
        """
        own_name = f"{self.name}#{number}"
        if not isinstance(record, Mapping):
            return self.unread(number, "is no object with fields: a record is {...}")
        try:
            field, text = self._text(record)
            page_id = self._id(record)
            site = self._site(record)
        except InputError as error:
            return self.unread(number, str(error))
        if page_id is None:
            page_id = own_name
        if site and "://" not in page_id:
            page_id = f"{site.rstrip('/')}/{page_id.lstrip('/')}"
        if len(text) > self._reading.max_bytes:
            return self.too_large(number)
        return Page(text, page_id, TEXT_FIELDS.get(field, "auto"))

    def unread(self, number: int, what: str) -> UnreadPage:
        """A record that cannot be read: `what` ends the sentence."""
        name = f"{self.name}#{number}"
        return UnreadPage(name, InputError(f"{name!r} {what}"))

    def too_large(self, number: int) -> UnreadPage:
        """A record over the limit."""
        name = f"{self.name}#{number}"
        return UnreadPage(name, self._reading.too_large(repr(name)))

    def columns(self, there: Iterable[str]) -> list[str]:
        """The columns of a table that are wanted, of those that are there.

        Raises:
            InputError: no column is the text, or one that was asked for is not there.
        """
        fields = self._fields
        named = dict.fromkeys(there)
        texts = [field for field in self._texts if field in named]
        if not texts:
            raise InputError(f"{self.name!r} {_no_text(fields, named)}")
        for option, field in (("--id-field", fields.id), ("--site-field", fields.site)):
            if field and field not in named:
                raise InputError(f"{self.name!r} {_no_field(option, field, named)}")
        others = [*self._ids, *([fields.site] if fields.site else [])]
        return list(dict.fromkeys([*texts, *(field for field in others if field in named)]))

    def _text(self, record: Mapping[str, Any]) -> tuple[str, str | bytes]:
        for field in self._texts:
            value = _value(record, field)
            if isinstance(value, (str, bytes)):
                return field, value
            if value is not _MISSING and value is not None:
                raise InputError(
                    f"has a {type(value).__name__} in its field {field!r}, and no text: name the"
                    " field of the text with --text-field"
                )
        raise InputError(_no_text(self._fields, record))

    def _id(self, record: Mapping[str, Any]) -> str | None:
        for field in self._ids:
            value = _as_text(_value(record, field))
            if value is _MISSING and self._fields.id:
                raise InputError(_no_field("--id-field", field, record))
            if isinstance(value, str) and value:
                return value
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            if self._fields.id and value is not None and value != "":
                raise InputError(
                    f"has a {type(value).__name__} in its field {field!r}, and no id: name another"
                    " with --id-field"
                )
        return None

    def _site(self, record: Mapping[str, Any]) -> str | None:
        field = self._fields.site
        if field is None:
            return None
        value = _as_text(_value(record, field))
        if value is _MISSING:
            raise InputError(_no_field("--site-field", field, record))
        return None if value is None else str(value)


def undecoded(text: str) -> str | bytes:
    """The text; as bytes, whose charset will be found, where it was not in UTF-8.

    Args:
        text: decoded with the error handler `surrogateescape`.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate that a JSON escape made
            return text.encode("utf-8", "surrogateescape")
    return text


def _value(record: Mapping[str, Any], field: str) -> Any:
    """A field's value; `a.b` is the field b of the object a, where no field has that name."""
    value = record.get(field, _MISSING)
    if value is not _MISSING or "." not in field:
        return value
    inner: Any = record
    for part in field.split("."):
        inner = inner.get(part, _MISSING) if isinstance(inner, Mapping) else _MISSING
    return inner


def _as_text(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _no_text(fields: Fields, record: Mapping[str, Any]) -> str:
    if fields.text:
        return _no_field("--text-field", fields.text, record)
    return (
        f"has none of the fields {', '.join(TEXT_FIELDS)}, but {_shown(record)}: name the field of"
        " the text with --text-field"
    )


def _no_field(option: str, field: str, record: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(field, [str(name) for name in record], 1)
    meant = f", did you mean {near[0]!r}?" if near else ""
    return f"has no field {field!r}, but {_shown(record)}: change {option}{meant}"


def _shown(record: Mapping[str, Any]) -> str:
    names = [repr(str(name)[:40]) for name in list(record)[:_SHOWN]]
    more = f" and {len(record) - _SHOWN:,} more" if len(record) > _SHOWN else ""
    return ", ".join(names) + more if names else "none at all"
