"""zstd, one frame at a time, with the dictionary that a WARC file may begin with.

"Zstandard Compression for WARC Files 1.0" (IIPC) puts it into a first frame that others skip, plain
or packed with zstd itself. Knows nothing of files.
"""

from __future__ import annotations

from typing import Any

from dedup.errors import InputError

FRAME = b"\x28\xb5\x2f\xfd"
SKIPPED = tuple(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16))
"""How frames begin that hold no content."""

_DICTIONARY_FRAME = SKIPPED[0xD]
_DICTIONARY = b"\x37\xa4\x30\xec"
_HEAD = 8
"""Bytes of such a frame before its data: four that say what it is, four of its length."""

LARGEST_DICTIONARY = 1 << 24
"""Bytes: dozens of times what dictionaries have."""


class ZstdFrames:
    """Makes the decompressors of a stream's frames, one after another.

    Raises:
        InputError: a library is missing.
    """

    def __init__(self) -> None:
        try:
            from compression import zstd  # type: ignore[import-not-found]  # noqa: PLC0415 - 3.14 on
        except ImportError:
            try:
                from backports import zstd  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise InputError("zstd needs a library: pip install 'dedup[zstd]'") from error
        self._zstd: Any = zstd
        self._dictionary: Any = None
        self._is_first = True

    def __call__(self) -> ZstdFrame:
        """The decompressor of the next frame."""
        is_first, self._is_first = self._is_first, False
        return ZstdFrame(self, is_first=is_first)

    def decompressor(self) -> Any:
        """The library's own."""
        return self._zstd.ZstdDecompressor(zstd_dict=self._dictionary)

    @property
    def error(self) -> Any:
        """What the library raises."""
        return self._zstd.ZstdError

    def take_dictionary(self, data: bytes) -> None:
        """Unpack the following frames with the dictionary in a frame, if there is one in it.

        Raises:
            ValueError: there is, and it is damaged or too large.
        """
        try:
            if data.startswith(FRAME):
                inner = self._zstd.ZstdDecompressor()
                data = inner.decompress(data, LARGEST_DICTIONARY)
                if not inner.eof:
                    data = _DICTIONARY  # cut off or too large, and refused
            if data.startswith(_DICTIONARY):
                self._dictionary = self._zstd.ZstdDict(data)
                self.decompressor()  # which looks at it
        except (self.error, ValueError) as error:
            raise ValueError(f"its dictionary is damaged: {error}") from error


class ZstdFrame:
    """zstd's decompressor with the errors of the others (see `dedup.inputs.unpack.Member`)."""

    def __init__(self, frames: ZstdFrames, *, is_first: bool) -> None:
        self._frames = frames
        self._inner: Any = frames.decompressor()
        # Bytes of the first frame, until it is known whether it has a dictionary.
        self._held: bytes | None = b"" if is_first else None
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack, up to so many bytes."""
        if self._held is not None:
            data = self._held = self._held + data
            if self._may_have_dictionary(data):
                return b""
            self._held = None
        try:
            part = bytes(self._inner.decompress(data, max_length))
        except self._frames.error as error:
            raise ValueError(_said(error)) from error
        self.eof, self.needs_input = self._inner.eof, self._inner.needs_input
        self.unused_data = self._inner.unused_data
        return part

    def _may_have_dictionary(self, held: bytes) -> bool:
        """Whether these bytes begin a frame with a dictionary; it is taken once it is there."""
        if len(held) < len(_DICTIONARY_FRAME):
            return _DICTIONARY_FRAME.startswith(held)
        if not held.startswith(_DICTIONARY_FRAME):
            return False
        if len(held) < _HEAD:
            return True
        end = _HEAD + int.from_bytes(held[4:_HEAD], "little")
        if end > LARGEST_DICTIONARY:
            return False  # it is something else, and is skipped
        if len(held) >= end:
            self._frames.take_dictionary(held[_HEAD:end])
            self.eof, self.needs_input, self.unused_data = True, False, held[end:]
        return True


def _said(error: Exception) -> str:
    if "ictionary" in str(error):
        return "it needs a dictionary that is not at its beginning"
    return str(error)
