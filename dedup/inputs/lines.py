"""A stream to its lines, each held only as far as the limit allows."""

from __future__ import annotations

from collections.abc import Iterator

from dedup.inputs.unpack import Readable, Stream

STEP = 1 << 20


def lines(stream: Stream, limit: int) -> Iterator[bytes | None]:
    """The lines of a stream with their ends; None for one with more bytes than the limit."""
    while line := stream.readline(limit + 2):
        if len(line) > limit and not line.endswith(b"\n"):
            skip_line(stream)
            yield None
        else:
            yield line


def skip_line(stream: Stream) -> None:
    """Read the rest of a line without keeping it."""
    while (part := stream.readline(STEP)) and not part.endswith(b"\n"):
        pass


def read_up_to(stream: Readable, size: int) -> bytes:
    """As many bytes as there are, at most `size`: memory is taken as bytes come, not before."""
    parts = []
    while size > 0 and (part := stream.read(min(size, STEP))):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def skip(stream: Stream, size: int) -> int:
    """Read so many bytes without keeping them; how many there were."""
    left = size
    while left > 0 and (part := stream.read(min(left, STEP))):
        left -= len(part)
    return size - left
