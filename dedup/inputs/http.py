"""The HTTP response in an archive's record to the page in it: status, type, charset, bytes.

RFC 9110 and 9112, as far as archives have them: crawlers often store bodies that are decoded
already under headers that say otherwise, so a coding that the bytes are not in is passed over.
Knows nothing of archives.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dedup.errors import InputError
from dedup.inputs.unpack import CODECS
from dedup.model import Format

FORMATS: dict[str, Format] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/vnd.wap.xhtml+xml": "html",
    "text/plain": "text",
    "text/markdown": "text",
}
"""Content types that are pages, and what stands in them. Without a type, the content decides."""

GOOD = 200
"""The status of a page. Error pages are the same on every site, and redirects say nothing; 206 is a
piece of a page."""

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_HEADER = re.compile(rb"^([!-9;-~]+)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE)
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}")


def split_head(block: bytes) -> tuple[int | None, dict[bytes, str], int]:
    """Status, headers (names in lower case, the first of each) and where the body begins.

    The status is None where the block is no HTTP response.
    """
    status = _STATUS.match(block)
    if not status:
        return None, {}, 0
    end = _END.search(block)
    head = block[: end.start()] if end else block
    return int(status[1]), headers(head[status.end() :]), end.end() if end else len(block)


def headers(head: bytes) -> dict[bytes, str]:
    """Header lines by name in lower case, folded ones joined, the first of several."""
    if b"\n " in head or b"\n\t" in head:
        head = _FOLD.sub(b" ", head)
    found = _HEADER.findall(head)
    found.reverse()
    return {name.lower(): value.rstrip().decode("utf-8", "replace") for name, value in found}


@lru_cache(1024)
def content_type(value: str) -> tuple[str, str | None]:
    """The type in lower case and the charset that it declares, if any."""
    kind = value.partition(";")[0].strip().lower()
    if "charset" not in value.lower():
        return kind, None
    from email.message import Message  # noqa: PLC0415 - late: for archives alone

    message = Message()
    message["Content-Type"] = value.replace("\r", " ").replace("\n", " ")
    charset = message.get_param("charset")
    return kind, charset.strip() or None if isinstance(charset, str) else None


def decode_body(body: bytes, head: Mapping[bytes, str], limit: int, *, cut: bool) -> bytes:
    """A body without its transfer and content codings.

    Args:
        body: as it is stored.
        head: the headers.
        limit: bytes that it may have; one more is given where it has more.
        cut: the record says that its crawler cut the body: it is decoded as far as it goes.

    Raises:
        InputError: a coding that nothing here decodes, or damage.
    """
    if "chunked" in head.get(b"transfer-encoding", "").lower():
        body = _unchunk(body, cut=cut)
    codings = [coding.strip().lower() for coding in head.get(b"content-encoding", "").split(",")]
    for coding in reversed(codings):
        if coding in {"", "identity", "none", "utf-8"}:
            continue
        if coding not in _DECODERS:
            raise InputError(f"has Content-Encoding {coding!r}, which nothing here decodes")
        body = _DECODERS[coding](body, limit + 1, cut)
    return body


def _unchunk(body: bytes, *, cut: bool) -> bytes:
    """A body without the sizes of its chunks; as it is where it does not begin with one."""
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        end = body.find(b"\n", at, at + 1024)
        size = _CHUNK.match(body, at)
        after = body[size.end() : end].strip() if size and end > 0 else b"x"
        if not size or (after and not after.startswith(b";")):
            if not parts:
                return body  # stored decoded
            break
        length = int(size[0], 16)
        if length == 0:
            return b"".join(parts)
        part = body[end + 1 : end + 1 + length]
        if not parts and len(part) < length and not cut:
            return body  # a text that begins with a number
        parts.append(part)
        at = end + 1 + length
        while body[at : at + 1] in {b"\r", b"\n"}:
            at += 1
    if cut or not parts:
        return b"".join(parts)
    raise InputError("has a chunked body without its end: fetch the page again")


def _inflate(body: bytes, limit: int, cut: bool) -> bytes:  # noqa: FBT001 - as the table has it
    """Bytes of zlib, or of raw deflate, which servers send under the same name."""
    for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        inner = zlib.decompressobj(bits)
        try:
            plain = inner.decompress(body, limit)
        except zlib.error:
            continue
        if not inner.eof and len(plain) < limit and not cut:
            raise InputError("has a deflated body without its end: fetch the page again")
        return plain
    return body


def _unpacker(number: int) -> Callable[[bytes, int, bool], bytes]:
    codec = CODECS[number]

    def unpack(body: bytes, limit: int, cut: bool) -> bytes:  # noqa: FBT001
        if not body.startswith(codec.magics):
            return body  # stored decoded
        member = codec.members()()
        parts: list[bytes] = []
        size = 0
        try:
            while size < limit and not member.eof:
                parts.append(member.decompress(body, limit - size))
                size += len(parts[-1])
                body = b""
                if member.needs_input and not parts[-1]:
                    break
        except (zlib.error, ValueError) as error:
            raise InputError(
                f"has a damaged {codec.name} body ({error}): fetch the page again"
            ) from error
        if not member.eof and size < limit and not cut:
            raise InputError(f"has a {codec.name} body without its end: fetch the page again")
        return b"".join(parts)

    return unpack


def _unbrotli(body: bytes, limit: int, cut: bool) -> bytes:  # noqa: FBT001
    try:
        import brotli  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("has a Brotli body: pip install 'dedup[warc]'") from error
    inner: Any = brotli.Decompressor()
    packed, parts, size = body, [b""], 0
    try:
        while size < limit and not inner.is_finished():
            parts.append(inner.process(packed, output_buffer_limit=limit - size))
            size += len(parts[-1])
            packed = b""
            if not parts[-1] and inner.can_accept_more_data():
                break
        damaged = not inner.is_finished() and size < limit and not cut
    except brotli.error:
        damaged = True
    if not damaged:
        return b"".join(parts)
    try:
        body.decode()  # Brotli has no mark, but bytes of it are hardly ever UTF-8
    except UnicodeDecodeError:
        raise InputError("has a damaged Brotli body: fetch the page again") from None
    return body  # stored decoded


_DECODERS: dict[str, Callable[[bytes, int, bool], bytes]] = {
    "gzip": _unpacker(0),
    "x-gzip": _unpacker(0),
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unpacker(3),
}
