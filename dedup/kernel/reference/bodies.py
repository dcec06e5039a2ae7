"""What a shared store is told of new blocks: native/bodies_binding.h in NumPy."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from dedup.kernel.reference.judge import PRIME, shingles
from dedup.kernel.reference.tokens import PAD_END, PAD_START, tokens_of

REPETITIVE = 0x80000000
SIGNATURE_BITS = 256


def list_postings(
    fingerprints: npt.NDArray[np.uint64],
    keys: npt.NDArray[np.uint64],
    key_spans: npt.NDArray[np.int64],
    judged: npt.NDArray[np.bool_],
    fields: npt.NDArray[np.uint64],
    bounds: npt.NDArray[np.int64],
) -> None:
    """What the postings of each judged block are made of: its fingerprint's low half, its keys.

    Args:
        fingerprints: uint64[n, 2], low and high half.
        keys: uint64, keys of blocks.
        key_spans: int64[n, 2], where each block's keys start and end in `keys`.
        judged: bool[n], which blocks are.
        fields: uint64, gets them; room for all keys, and for the fingerprints.
        bounds: int64[n + 1], gets where each block starts in `fields`, and the last one ends.
    """
    bounds[0] = 0
    rows = zip(judged.tolist(), key_spans.reshape(-1, 2).tolist(), strict=True)
    for i, (is_judged, (start, stop)) in enumerate(rows):
        at = int(bounds[i])
        bounds[i + 1] = at + is_judged * (1 + stop - start)
        if is_judged:
            fields[at] = fingerprints.reshape(-1, 2)[i, 0]
            fields[at + 1 : bounds[i + 1]] = keys[start:stop]


def pack_bodies(
    traces: npt.NDArray[np.uint16],
    spans: npt.NDArray[np.int64],
    fingerprints: npt.NDArray[np.uint64],
    judged: npt.NDArray[np.bool_],
    positions: npt.NDArray[np.int64],
    varied: float,
    out: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
) -> None:
    """What is stored of each judged block, little-endian.

    Its position (u32; the top bit marks few distinct 2-shingles, or a text that goes on), its
    fingerprint's low half (u64), the bits set in its signature (u16), the signature, and the trace.
    The signature is a set of 256 bits, one for each plain 2-shingle by its hash: a bit that one
    text has and another lacks stands for at least one shingle that the other lacks.

    Args:
        traces: uint16, traces of blocks.
        spans: int64[n, 2], where each block's trace starts and ends in `traces`.
        fingerprints: uint64[n, 2], low and high half.
        judged: bool[n], which blocks are.
        positions: int64[n], of each block on its page, below 2 ** 31.
        varied: the share of distinct ones among a block's 2-shingles below which it is marked.
        out: uint8, gets the bodies back to back; room for 46 bytes a block, and the traces.
        bounds: int64[n + 1], gets where each body starts in `out`, and the last one ends.
    """
    bodies = []
    prints = fingerprints.reshape(-1, 2)[:, 0].tolist()
    for i, (start, stop) in enumerate(spans.reshape(-1, 2).tolist()):
        if not judged[i]:
            bodies.append(b"")
            continue
        trace = traces[start:stop].tolist()
        distinct = len(shingles([PAD_START, *trace, PAD_END]))
        tokens = tokens_of(trace)
        is_marked = tokens != trace or distinct - 2 < varied * (len(trace) - 1)
        mark = REPETITIVE if is_marked else 0
        signature = 0
        for left, right in shingles(tokens):
            signature |= 1 << (((left << 16 | right) * PRIME & 0xFFFFFFFF) >> 24)
        lead = struct.pack("<IQH", int(positions[i]) | mark, prints[i], signature.bit_count())
        rest = traces[start:stop].astype("<u2").tobytes()
        bodies.append(lead + signature.to_bytes(SIGNATURE_BITS // 8, "little") + rest)
    done = b"".join(bodies)
    out[: len(done)] = np.frombuffer(done, dtype=np.uint8)
    bounds[0] = 0
    np.cumsum(list(map(len, bodies)), out=bounds[1:])
