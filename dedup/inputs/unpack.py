"""Compressed streams to bytes, and the truth about how they end.

gzip, bzip2, xz and zstd, each of any number of members (or frames), with memory for one buffer
whatever they unpack to. The readers that Python and the archive libraries bring stop quietly or
raise in the middle of what they still hold; here everything before the damage is read first, then
the stream ends, and `damage` says why. Knows nothing of what is in a stream.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from dedup.errors import InputError
from dedup.inputs.zstd import FRAME, SKIPPED, ZstdFrames

CHUNK = 1 << 16
"""Packed bytes that are read at a time."""

BUFFER = 1 << 18
"""Unpacked bytes that are held at a time."""

XZ_MEMORY = 1 << 28
"""Bytes that an xz stream may ask for: its strongest setting takes a quarter of that."""


class Readable(Protocol):
    """Anything that gives bytes."""

    def read(self, size: int, /) -> bytes | None:
        """At most so many bytes; none at the end."""


Stream: TypeAlias = "io.BufferedReader[Any]"
"""An unpacked stream as readers take it."""


class Member(Protocol):
    """A decompressor of one member, as `bz2` and `lzma` have it."""

    @property
    def eof(self) -> bool:
        """The member ended."""

    @property
    def needs_input(self) -> bool:
        """It gives nothing more without more input."""

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack, up to so many bytes; it keeps what is over for the next call."""


class GzipMember:
    """zlib's decompressor in that form, which gives every byte before a damaged place."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._started = False
        self._error: zlib.error | None = None
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """The member ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack, up to so many bytes."""
        if self._error:
            raise self._error
        kept = self._inner.unconsumed_tail
        packed = kept + data if kept else data
        # A copy costs a hundredth of what a chunk does; members of one chunk need none.
        before = self._inner.copy() if self._started else None
        self._started = True
        try:
            part = self._inner.decompress(packed, max_length)
        except zlib.error as error:
            self._error = error
            self.needs_input = False
            return _before_damage(before or zlib.decompressobj(wbits=31), packed)
        self.needs_input = len(part) < max_length and not self._inner.unconsumed_tail
        return part


def _before_damage(inner: Any, packed: bytes) -> bytes:
    """What a damaged chunk gives byte by byte; zlib drops the whole call's output."""
    parts = []
    with contextlib.suppress(zlib.error):
        for at in range(len(packed)):
            parts.append(inner.decompress(packed[at : at + 1]))  # noqa: PERF401 - it may raise
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression.

    Attributes:
        name: as people call it.
        suffix: of files.
        magics: how a member may begin.
        members: makes, for one stream, what makes the decompressors of its members in turn.
    """

    name: str
    suffix: str
    magics: tuple[bytes, ...]
    members: Callable[[], Callable[[], Member]]


CODECS = (
    Codec("gzip", ".gz", (b"\x1f\x8b\x08",), lambda: GzipMember),
    Codec("bzip2", ".bz2", (b"BZh",), lambda: bz2.BZ2Decompressor),
    Codec(
        "xz",
        ".xz",
        (b"\xfd7zXZ\0",),
        lambda: partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
    ),
    Codec("zstd", ".zst", (FRAME, *SKIPPED), ZstdFrames),
)
MAGIC = max(len(magic) for codec in CODECS for magic in codec.magics)
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)


def codec_of(start: bytes, name: str) -> Codec | None:
    """How a file is packed, by its first bytes whatever its name; None: it is not.

    Raises:
        InputError: its name says that it is packed, and it is not.
    """
    for codec in CODECS:
        if start.startswith(codec.magics):
            return codec
    for codec in CODECS:
        if name.lower().endswith(codec.suffix):
            raise InputError(
                f"{name!r} is named {codec.suffix} and is no {codec.name} file: fetch it again, or"
                " rename it"
            )
    return None


class Unpacked(io.RawIOBase):
    """A stream, unpacked.

    Attributes:
        name: of the file.
        damage: why the stream ended before its time, once it has; None: it is whole so far.
        packed_bytes: what was read of the packed stream.
        corrupt: the damage is wrong bytes in a member that has given some, which may be wrong too.
    """

    def __init__(self, raw: Readable, start: bytes, codec: Codec | None, name: str) -> None:
        """Unpack a stream.

        Args:
            raw: the packed bytes.
            start: those of them that were read before.
            codec: how they are packed; None: not at all.
            name: of the file, for errors.

        Raises:
            InputError: a library is missing.
        """
        super().__init__()
        self.damage: InputError | None = None
        self.corrupt = False
        self.name = name
        self._raw, self._waiting, self._codec = raw, start, codec
        self._next_member = codec.members() if codec else None
        self._member = self._next_member() if self._next_member else None
        self.packed_bytes = len(start)
        self._member_at = 0  # where the member begins that is being unpacked
        self._given = False  # it has given bytes

    def is_whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return self.damage is None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one step goes; 0 at the end, or where the damage is."""
        part = self._next(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def _next(self, size: int) -> bytes:
        if self._member is None:
            part, self._waiting = self._waiting[:size], self._waiting[size:]
            return part or self._read(size)
        while self.damage is None:
            if self._member.eof and not self._begin_member():
                break
            packed, self._waiting = self._waiting, b""
            if not packed and self._member.needs_input:
                packed = self._read(CHUNK)
                if not packed:
                    self._ends_early()
                    break
            try:
                part = self._member.decompress(packed, size)
            except _DAMAGE as error:
                self._damaged(str(error))
                break
            if self._member.eof:
                self._waiting = self._member.unused_data
            if part:
                self._given = True
                return part
        return b""

    def _begin_member(self) -> bool:
        """Whether there is another member after the one that ended; zeros are padding."""
        assert self._codec is not None  # noqa: S101 - for the type checker
        assert self._next_member is not None  # noqa: S101 - same
        while True:
            self._waiting = self._waiting.lstrip(b"\0")
            if len(self._waiting) >= MAGIC or not (part := self._read(CHUNK)):
                break
            self._waiting += part
        if not self._waiting or self.damage:
            return False
        self._member_at = self.packed_bytes - len(self._waiting)
        self._given = False
        if not self._waiting.startswith(self._codec.magics):
            if any(magic.startswith(self._waiting) for magic in self._codec.magics):
                self._ends_early()
            else:
                self._damaged("other bytes after the end of a member")
                self.corrupt = False  # that member was checked
            return False
        self._member = self._next_member()
        return True

    def _read(self, size: int) -> bytes:
        """The next packed bytes; what keeps them from being read is damage too."""
        try:
            part = self._raw.read(size) or b""
        except InputError as error:
            self.damage = self.damage or error
            return b""
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self.damage = InputError(
                f"{self.name!r} cannot be read to its end ({reason}): check the disk or the"
                " network, and read it again"
            )
            return b""
        self.packed_bytes += len(part)
        return part

    def _ends_early(self) -> None:
        if self.damage is None:
            article = "an" if self._kind == "xz" else "a"
            self.damage = InputError(
                f"{self.name!r} is {article} {self._kind} file that ends too early, after"
                f" {self.packed_bytes:,} bytes, in the middle of the member that begins at byte"
                f" {self._member_at:,}: fetch it again"
            )

    def _damaged(self, reason: str) -> None:
        self.corrupt = self._given
        self.damage = InputError(
            f"{self.name!r} is a damaged {self._kind} file ({reason}; the member begins at byte"
            f" {self._member_at:,}): fetch it again"
        )

    @property
    def _kind(self) -> str:
        return self._codec.name if self._codec else "plain"
