"""JSON Lines, and JSON files, to pages, a record at a time.

A bad line costs that line. A `.json` file is read as the sequence of its values (objects, and the
elements of arrays, also of one array after another, as appended exports leave them); what follows a
bad value there cannot be found again, and the error says so. msgspec decodes where it is installed,
and Python's own decoder what that refuses, so the records are the same without it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from dedup.inputs.lines import lines
from dedup.inputs.model import Reading, UnreadPage
from dedup.inputs.records import Records, undecoded
from dedup.inputs.unpack import Stream
from dedup.model import Page

STEP = 1 << 18
"""Bytes of a JSON file that are read at a time."""

ESCAPED = 8
"""JSON may write a byte of text with six (`\\u0041`), and fields stand beside the text."""


def read_json_lines(
    stream: Stream, records: Records, reading: Reading, whole: Callable[[], bool]
) -> Iterator[Page | UnreadPage]:
    """The pages of JSON Lines; `NAME#N` is line N.

    Args:
        stream: unpacked.
        records: makes pages.
        reading: the limit.
        whole: whether the stream is whole so far: a last line that was cut is not reported twice.
    """
    decode = decoder()
    for number, line in enumerate(lines(stream, reading.max_bytes), 1):
        if line is None:
            yield records.too_large(number)
            continue
        if line.isspace():
            continue
        try:
            record = decode(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
        except ValueError as error:
            if line.endswith(b"\n") or whole():
                yield records.unread(number, f"is no JSON ({_reason(error)}): correct that line")
            continue
        yield records.page(record, number)


@cache
def decoder() -> Callable[[bytes], Any]:
    """Decodes a JSON value; raises `ValueError`."""
    try:
        import msgspec  # noqa: PLC0415 - an extra
    except ImportError:
        return _decode
    fast = msgspec.json.decode

    def decode(line: bytes) -> Any:
        try:
            return fast(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _decode(line)

    return decode


def _decode(line: bytes) -> Any:
    try:
        return json.loads(line.decode().rstrip())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1:,} is no UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower().removesuffix(' at')} at character {error.pos + 1:,}"
    return str(error)


_SPACE = re.compile(r"[ \t\r\n]*")
_NEAR = 16  # characters that a number, a literal or an escape may have before its end is seen


def read_json(
    stream: Stream, records: Records, reading: Reading, whole: Callable[[], bool]
) -> Iterator[Page | UnreadPage]:
    """The pages of a JSON file: an array of records, one record, or several of either.

    Args:
        stream: unpacked.
        records: makes pages.
        reading: the limit.
        whole: whether the stream is whole so far.
    """
    number = 0
    try:
        for value in _values(_Text(stream), reading.max_bytes):
            number += 1
            page = records.page(value, number)
            if isinstance(page, Page) and isinstance(page.content, str):
                page = replace(page, content=undecoded(page.content))
            yield page
    except (ValueError, RecursionError) as error:
        if whole():
            reason = _reason(error) if isinstance(error, ValueError) else "nested too deeply"
            yield records.unread(
                number + 1,
                f"is no JSON ({reason}), and what follows it in the file was not read: correct it,"
                " or write JSON Lines, where a bad line costs that line",
            )


def _values(text: _Text, limit: int) -> Iterator[Any]:
    """The values of a text, and the elements of the arrays in their places.

    Raises:
        ValueError: what comes next is none.
    """
    inside = after = False  # an array; a value in it, so that a comma or its end comes next
    while mark := text.peek():
        if not inside and mark == "[":
            text.take()
            inside, after = True, False
        elif inside and mark == "]":
            text.take()
            inside = False
        elif inside and after:
            if mark != ",":
                raise ValueError(f"{mark!r} where a comma or the end of the array must be")
            text.take()
            after = False
        else:
            after = True
            yield text.value(limit)
    if inside:
        raise ValueError("the file ends in the middle of the array")


class _Text:
    """A window on a long JSON text."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is no space; none at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(STEP)

    def take(self) -> None:
        """Go past that character."""
        self._at += 1

    def value(self, limit: int) -> Any:
        """The value that begins here.

        Raises:
            ValueError: it is none, or is longer than the limit.
        """
        while True:
            held = len(self._text) - self._at
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR
                if self._ended or not cut:
                    at = error.pos - self._at
                    raise json.JSONDecodeError(
                        error.msg, self._text[self._at :][: at + 1], at
                    ) from None
            else:
                # A number may go on behind the window.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            if held > limit:
                raise ValueError("longer than --max-page-mb allows")
            self._more(max(STEP, held))  # twice as much each time: no work is done often

    def _more(self, size: int) -> None:
        part = self._stream.read(size)
        self._ended = not part
        self._text = self._text[self._at :] + self._decode(part, final=not part)
        self._at = 0
