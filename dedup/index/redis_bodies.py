"""What an index in Redis keeps of an original, packed: its body.

A body is the position on the page (u32; its top bit marks a repetitive text), the low half of the
fingerprint (8 bytes), and then what the settings ask for: a signature and the token trace; the
trace and the text; or no more than the fields of the postings. Knows nothing of verdicts or of who
sends it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index.redis_layout import FIELD_BYTES, pack_fields
from dedup.settings import Settings
from dedup.sketch import Sketches, keys_of_traces

HEAD_BYTES, SIGNATURE_BYTES = 12, 34
REPETITIVE = 0x80000000
BITS_IN = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
VARIED = 0.85
"""The less may repeat in a text that is not marked, the more candidates its signature refutes."""


class Body(NamedTuple):
    """A body, taken apart.

    Attributes:
        position: 0-based order of the block on its page.
        fingerprint: the low half of the text's fingerprint.
        trace: the token trace; empty where the index keeps keys only.
        fields: what the postings are made of, where the body has them, else None.
        text: the text where the index keeps texts, else None.
    """

    position: int
    fingerprint: int
    trace: npt.NDArray[np.uint16]
    fields: npt.NDArray[np.uint64] | None
    text: str | None


class Bodies:
    """How bodies are packed under some settings.

    Attributes:
        are_signed: bodies have signatures, which the scripts can compare.
        varied: share of different pairs of tokens that texts have which are not marked.
        are_verified: bodies have traces, so similarity can be computed.
    """

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.keep
        self.varied = max(settings.excerpt_ratio, VARIED)
        self.are_signed = settings.keep == "traces"
        self.are_verified = settings.keep != "keys"

    def pack(
        self,
        sketches: Sketches,
        judged: npt.NDArray[np.bool_],
        positions: npt.NDArray[np.int64],
        fields: npt.NDArray[np.uint64],
        field_bounds: npt.NDArray[np.int64],
    ) -> list[bytes]:
        """The body of each block; empty for those that are not judged."""
        heads = self._heads(sketches, positions)
        size, packed = heads.itemsize, heads.tobytes()
        traces = sketches.traces.astype("<u2", copy=False).tobytes()
        bodies = [b""] * len(sketches)
        rows = np.flatnonzero(judged)
        spans = (2 * sketches.trace_spans[rows]).tolist()
        for row, (start, stop) in zip(rows.tolist(), spans, strict=True):
            if self._keep == "keys":
                rest = pack_fields(fields[field_bounds[row] : field_bounds[row + 1]])
            else:
                rest = traces[start:stop]
                if self._keep == "text":
                    text = zlib.compress(sketches.text(row), 6)
                    rest = struct.pack("<I", len(rest) // 2) + rest + text
            bodies[row] = packed[size * row : size * row + size] + rest
        return bodies

    def read(self, body: bytes) -> Body:
        """A body, taken apart."""
        position, fingerprint = struct.unpack_from("<IQ", body)
        trace, fields, text = np.zeros(0, np.uint16), None, None
        if self._keep == "keys":
            packed = np.frombuffer(body, dtype=np.uint8, offset=HEAD_BYTES)
            wide = np.zeros((len(packed) // FIELD_BYTES, 8), dtype=np.uint8)
            wide[:, :FIELD_BYTES] = packed.reshape(-1, FIELD_BYTES)
            fields = wide.view("<u8").ravel().astype(np.uint64)
        elif self._keep == "text" and len(body) > HEAD_BYTES:
            (tokens,) = struct.unpack_from("<I", body, HEAD_BYTES)
            trace = np.frombuffer(body, "<u2", tokens, HEAD_BYTES + 4)
            packed_text = body[HEAD_BYTES + 4 + 2 * tokens :]
            text = zlib.decompress(packed_text).decode("utf-8", "surrogatepass")
        else:
            trace = np.frombuffer(body[HEAD_BYTES + SIGNATURE_BYTES :], "<u2")
        return Body(position & ~REPETITIVE, fingerprint, trace, fields, text)

    def traces(
        self, bodies: Sequence[bytes]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
        """The traces in some bodies: spans and values, back to back."""
        if self._keep == "text":
            start = HEAD_BYTES + 4
            sizes = [struct.unpack_from("<I", body, HEAD_BYTES)[0] for body in bodies]
            parts = [
                body[start : start + 2 * size] for body, size in zip(bodies, sizes, strict=True)
            ]
        else:
            parts = [body[HEAD_BYTES + SIGNATURE_BYTES :] for body in bodies]
        bounds = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum(list(map(len, parts)), out=bounds[1:])
        bounds //= 2
        values = np.frombuffer(b"".join(parts), dtype="<u2")
        return np.stack((bounds[:-1], bounds[1:]), axis=1), values.astype(np.uint16, copy=False)

    def fields(self, bodies: list[Body]) -> list[npt.NDArray[np.uint64]]:
        """What the postings of originals are made of, from their bodies: the fingerprint first."""
        if not self.are_verified:
            return [body.fields for body in bodies if body.fields is not None]
        lengths = np.array([len(body.trace) for body in bodies], dtype=np.int64)
        ends = np.cumsum(lengths)
        spans = np.stack((ends - lengths, ends), axis=1)
        traces = np.concatenate([np.zeros(0, np.uint16), *(body.trace for body in bodies)])
        key_spans, keys = keys_of_traces(traces.astype(np.uint16), spans)
        prints = np.array([body.fingerprint for body in bodies], dtype=np.uint64)
        return [
            np.concatenate((prints[at : at + 1], keys[slice(*key_spans[at])]))
            for at in range(len(bodies))
        ]

    def _heads(self, sketches: Sketches, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        """Position, mark and fingerprint of each block."""
        shape = [("position", "<u4"), ("fingerprint", "<u8")]
        if self.are_signed:
            shape += [("bits", "<u2"), ("signature", "V32")]
        heads = np.empty(len(sketches), dtype=shape)
        heads["position"] = positions
        heads["fingerprint"] = sketches.fingerprints[:, 0]
        if self.are_signed:
            distinct = np.empty(len(sketches), dtype=np.int64)
            signatures = np.empty((len(sketches), 32), dtype=np.uint8)
            kernel.sign(sketches.traces, sketches.trace_spans, signatures, distinct)
            heads["bits"] = BITS_IN[signatures].sum(axis=1)
            heads["signature"] = signatures.view("V32").ravel()
            # So few distinct pairs of tokens that the block may be the shorter one of a pair whose
            # other has no more tokens.
            repetitive = distinct - 2 < self.varied * (sketches.tokens - 1)
            heads["position"][repetitive] |= np.uint32(REPETITIVE)
        return heads
