"""What an index in Redis keeps of an original, packed: its body.

A body is the position on the page (u32; its top bit marks a repetitive text, or one that goes on),
the low half of the fingerprint (8 bytes), and then what the settings ask for: a signature and the
token trace; the trace and the text; or no more than the fields of the postings. Knows nothing of
verdicts or of who sends it.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index.redis_layout import FIELD_BYTES, pack_fields
from dedup.index.redis_wire import join_values
from dedup.settings import Settings
from dedup.sketch import Sketches, keys_of_traces

HEAD_BYTES, SIGNATURE_BYTES = 12, 34
REPETITIVE = 0x80000000
NO_TRACE = np.zeros(0, np.uint16)
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


class PackedBodies(NamedTuple):
    """Bodies of the blocks of a batch, back to back.

    Attributes:
        data: all of them.
        bounds: int64[n + 1], where each starts in it, and the last one ends.
    """

    data: bytes
    bounds: npt.NDArray[np.int64]

    def of(self, row: int) -> bytes:
        """That of one block."""
        return self.data[self.bounds[row] : self.bounds[row + 1]]


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
    ) -> PackedBodies:
        """The body of each block; empty for those that are not judged."""
        if self.are_signed:
            return self._pack_signed(sketches, judged, positions)
        prints = sketches.fingerprints[:, 0].tolist()
        traces = sketches.traces.astype("<u2", copy=False).tobytes()
        bodies: list[bytes | None] = [b""] * len(sketches)
        for row in np.flatnonzero(judged).tolist():
            head = struct.pack("<IQ", positions[row], prints[row])
            if self._keep == "keys":
                rest = pack_fields(fields[field_bounds[row] : field_bounds[row + 1]])
            else:
                start, stop = sketches.trace_spans[row].tolist()
                text = zlib.compress(sketches.text(row), 6)
                rest = struct.pack("<I", stop - start) + traces[2 * start : 2 * stop] + text
            bodies[row] = head + rest
        return PackedBodies(*join_values(bodies))

    def _pack_signed(
        self,
        sketches: Sketches,
        judged: npt.NDArray[np.bool_],
        positions: npt.NDArray[np.int64],
    ) -> PackedBodies:
        """Bodies with a signature and a trace."""
        n = len(sketches)
        room = (HEAD_BYTES + SIGNATURE_BYTES) * n + 2 * int(sketches.tokens.sum())
        packed, bounds = np.empty(room, dtype=np.uint8), np.empty(n + 1, dtype=np.int64)
        kernel.pack_bodies(
            sketches.traces,
            sketches.trace_spans,
            sketches.fingerprints,
            judged,
            positions,
            self.varied,
            packed,
            bounds,
        )
        return PackedBodies(packed[: bounds[-1]].tobytes(), bounds)

    def read(self, body: bytes) -> Body:
        """A body, taken apart."""
        position, fingerprint = struct.unpack_from("<IQ", body)
        trace, fields, text = NO_TRACE, None, None
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

    def trace_spans(self, data: bytes, spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """int64[n, 2], where in some data the traces of bodies with these spans start and end."""
        found = spans.copy()
        if self._keep == "text":
            starts = spans[:, 0] + HEAD_BYTES
            sizes = [struct.unpack_from("<I", data, start)[0] for start in starts.tolist()]
            found[:, 0] = starts + 4
            found[:, 1] = found[:, 0] + 2 * np.array(sizes, dtype=np.int64)
        else:
            found[:, 0] += HEAD_BYTES + SIGNATURE_BYTES
        return found

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
