"""Bodies of requests, read within limits and decoded strictly.

A body that is too large is refused by its declared length, or as soon as more has come than may.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from dedup.blocks import split_texts
from dedup.errors import PageError
from dedup.html import split_html
from dedup.model import Format, Page
from dedup.pages import read_page
from dedup.service.limits import Budget, Limits
from dedup.service.problems import Problem
from dedup.service.shapes import PageIn

T = TypeVar("T")

BLOCK_ENDS = "\n\r\x0b\x0c\x85\u2028\u2029<"
"""Characters before which, or behind which, a block of text or HTML may end."""

JSON, JSON_LINES = "application/json", "application/x-ndjson"
PAGES: dict[str, Format] = {
    "text/plain": "text",
    "text/html": "html",
    "application/xhtml+xml": "html",
}
"""Media types of bodies that are a page themselves, and its format."""

WORTH_A_THREAD = 1 << 16
"""Bytes from which decoding would hold the event loop up."""


def media_type(request: Request, *allowed: str) -> str:
    """The media type of a body.

    Raises:
        Problem: there is none, it is none of these, or the body is compressed.
    """
    if (coding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise Problem(
            "media-type", f"Content-Encoding {coding[:40]!r}: send the body as it is",
            {"accept-encoding": "identity"},
        )  # fmt: skip
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in allowed:
        raise Problem(
            "media-type", f"Content-Type {found[:80]!r}: send {' or '.join(allowed)}",
            {"accept-post": ", ".join(allowed)},
        )  # fmt: skip
    return found


def charset(request: Request) -> str | None:
    """The charset that a body's media type declares."""
    for part in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'")[:100] or None
    return None


def declared_length(request: Request) -> int:
    """The length that a body is said to have; 0 where that is not said."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


@asynccontextmanager
async def body_of(request: Request, limits: Limits, budget: Budget) -> AsyncIterator[bytes]:
    """The whole body; while it is used, its bytes count as held.

    Raises:
        Problem: it is too large, comes too slowly, or there is no memory for it.
    """
    declared = declared_length(request)
    if declared > limits.body_bytes:
        raise too_large(declared, limits.body_bytes)
    held = 0
    try:
        budget.take(declared)
        held = declared
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limits.body_bytes:
                        raise too_large(None, limits.body_bytes)
                    if size > held:
                        budget.take(size - held)
                        held = size
                    chunks.append(chunk)
        except TimeoutError:
            raise Problem(
                "too-slow",
                f"{size:,} bytes came in {limits.body_seconds:g} s: send less at once",
                {"connection": "close"},
            ) from None
        yield b"".join(chunks)
    finally:
        budget.give_back(held)


def too_large(declared: int | None, most: int) -> Problem:
    """What is answered to a body, or a line, of more than `most` bytes."""
    size = "more" if declared is None else f"{declared:,} bytes, more"
    return Problem(
        "too-large",
        f"the body has {size} than the {most:,} allowed: send fewer pages at once",
        {"connection": "close"},
    )


async def in_thread(size: int, job: Any, *arguments: Any) -> Any:
    """Run a job at once, or in a thread where so many bytes would hold the event loop up."""
    if size < WORTH_A_THREAD:
        return job(*arguments)
    return await asyncio.to_thread(job, *arguments)


def decode(body: bytes, shape: type[T]) -> T:
    """A body as a value.

    Raises:
        Problem: it is no JSON, or something else stands in it.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise Problem("invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("malformed", f"the body is no JSON: {error}") from None
    except RecursionError:
        raise Problem("malformed", "the body is nested too deeply") from None


def from_query(request: Request, shape: type[T]) -> T:
    """The query as a value: `true` and `false` for flags; each name at most once.

    Raises:
        Problem: there is a name that does not exist, or a value that it cannot take.
    """
    pairs = request.query_params.multi_items()
    found: dict[str, Any] = dict(pairs)
    if len(found) < len(pairs):
        raise Problem("invalid", "the query has a name twice: give each once")
    try:
        asked = msgspec.convert(found, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Problem("invalid", f"the query: {error}") from None
    for name, value in found.items():
        if getattr(asked, name) is None:  # it reads so, where a value may be left out
            raise Problem("invalid", f"the query: {name}={value} is no value: leave it out")
    return asked


def fields_of(body: bytes) -> set[str]:
    """The names of a JSON object's members.

    Raises:
        Problem: it is no JSON object.
    """
    return set(decode(body, dict[str, msgspec.Raw]))


def to_pages(given: list[PageIn], limits: Limits, *, need_ids: bool) -> list[Page]:
    """Pages as the library takes them, within limits.

    Raises:
        Problem: there are too many pages or blocks, or one has no id, no content or too much.
    """
    if len(given) > limits.pages:
        raise Problem(
            "too-much",
            f"{len(given):,} pages are more than the {limits.pages:,} of a request: send several,"
            " or JSON Lines",
        )
    pages = [page.to_page() for page in given]
    for at, page in enumerate(pages):
        if need_ids and not page.page:
            raise Problem("invalid", f"page {at} has no id: give page, or lookup: true")
        check_size(page, limits)
    check_blocks(pages, limits)
    return pages


def check_size(page: Page, limits: Limits) -> None:
    """Refuse a page that is too large.

    Raises:
        Problem: page-too-large.
    """
    if len(page.content) > limits.page_characters:
        raise Problem(
            "page-too-large",
            f"page {page.page[:200]!r} has {len(page.content):,} characters, more than the "
            f"{limits.page_characters:,} of a page: split it",
        )


def check_blocks(pages: list[Page], limits: Limits) -> None:
    """Refuse more blocks than a request may have. They are counted only where there can be so many.

    Raises:
        Problem: too-much.
    """
    if sum(map(_most_blocks, pages)) <= limits.blocks:
        return
    count = 0
    for page in pages:
        try:
            content, is_html = read_page(page)
            count += len(split_html(content)) if is_html else len(split_texts([content])[0])
        except PageError:
            continue  # it will be reported in its place
        if count > limits.blocks:
            raise Problem(
                "too-much",
                f"there are more blocks than the {limits.blocks:,} of a request: send fewer pages"
                " at once",
            )


def _most_blocks(page: Page) -> int:
    """No page has more blocks: each but the first begins behind the end of a line or a tag."""
    content = page.content
    if isinstance(content, bytes):  # in whatever charset
        return len(content) // 2 + 1
    return 1 + sum(map(content.count, BLOCK_ENDS))
