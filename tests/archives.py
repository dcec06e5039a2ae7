"""Web archives that tests make: records of any type, one gzip member each or all in one."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WARCINFO = "warcinfo"


def response(
    body: bytes,
    content_type: str | None = "text/html; charset=utf-8",
    status: int = 200,
    **more: str,
) -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status} Status", "Server: test"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class WarcRecord:
    """What a record holds."""

    block: bytes
    uri: str | None = "https://example.org/a"
    type: str = "response"
    content_type: str = "application/http; msgtype=response"
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None

    def __bytes__(self) -> bytes:
        """The record as WARC 1.0 has it."""
        length = len(self.block) if self.length is None else self.length
        head = {
            "WARC-Type": self.type,
            "WARC-Record-ID": "<urn:uuid:7adedc5e-e82b-47a3-a4b3-f0ae61478392>",
            "WARC-Date": "2026-01-02T03:04:05Z",
            **({} if self.uri is None else {"WARC-Target-URI": self.uri}),
            "Content-Type": self.content_type,
            **self.headers,
            "Content-Length": str(length),
        }
        lines = ["WARC/1.0", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        return "\r\n".join(lines).encode() + self.block + b"\r\n\r\n"


def arc_record(
    uri: str, block: bytes, content_type: str = "text/html", length: int | None = None
) -> bytes:
    """A record as ARC 1 has it."""
    length = len(block) if length is None else length
    return f"{uri} 192.0.2.1 20080430204825 {content_type} {length}\n".encode() + block + b"\n"


ARC_HEAD = arc_record(
    "filedesc://test.arc",
    b"1 0 test\nURL IP-address Archive-date Content-type Archive-length\n",
    "text/plain",
)


def members(records: Iterable[bytes | WarcRecord]) -> bytes:
    """Each record in a gzip member of its own."""
    return b"".join(gzip.compress(bytes(record), mtime=0) for record in records)
