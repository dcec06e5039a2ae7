"""Blocks to fingerprints, traces and keys: native/sketch.h in Python and NumPy."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt
import xxhash

from dedup.kernel.reference.tokens import (
    PAD_END,
    PAD_START,
    TRACE_DIGITS,
    TRACE_UNSPACED,
    WORD_WEIGHT,
    Tables,
    end_trace,
    token_weight,
    tokenise,
    tokens_of,
)

POLYNOMIAL = 0xD6E8FEB86659FD93
SHORT_SALT = 0x9E6C63D0876A9A47
MASK64 = (1 << 64) - 1
WIDEST = 256
"""Neighbours on either side among which a local minimum is lowest, at most."""


def normalise(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    folded: bool,  # noqa: FBT001 - the C function's positional signature
    tables: Tables,
    out: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    hard: npt.NDArray[np.uint8],
) -> int:
    """Normalised texts (UTF-8, tokens joined by one space) of `n` blocks.

    Args:
        buffer: UTF-8, lone surrogates passed through.
        starts: int64[n], byte offset of each block in the buffer.
        ends: int64[n], offset after it.
        folded: the texts went through the full normaliser, so none is hard.
        tables: INDEX, ENTRIES, EXPANSIONS, PAIRS of `dedup.kernel.unicode`.
        out: uint8, gets the texts back to back; 3 bytes of room for a byte of input.
        bounds: int64[n + 1], gets where each text starts and ends in `out`.
        hard: uint8[n], gets 1 where only the full normaliser can fold the block (its text is empty
            then).

    Returns:
        How many blocks are hard.
    """
    at = 0
    bounds[0] = 0
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        tokens = tokenise(bytes(buffer[start:end]), tables, folded=folded)
        hard[i] = tokens is None
        text = b" ".join(token.text for token in tokens or ())
        out[at : at + len(text)] = np.frombuffer(text, dtype=np.uint8)
        at += len(text)
        bounds[i + 1] = at
    return int(hard.sum())


def sketch(
    buffer: bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    folded: bool,  # noqa: FBT001 - the C function's positional signature
    tables: Tables,
    scheme: npt.NDArray[np.int64],
    fingerprints: npt.NDArray[np.uint64],
    trace_spans: npt.NDArray[np.int64],
    traces: npt.NDArray[np.uint16],
    key_spans: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    hard: npt.NDArray[np.uint8],
) -> int:
    """Fingerprint, token trace and LSH keys of `n` blocks.

    Args:
        buffer: UTF-8, lone surrogates passed through.
        starts: int64[n], byte offset of each block in the buffer.
        ends: int64[n], offset after it.
        folded: the texts went through the full normaliser, so none is hard.
        tables: INDEX, ENTRIES, EXPANSIONS, PAIRS of `dedup.kernel.unicode`.
        scheme: int64[10]: weight of a long window, neighbours on either side among which a local
            minimum is lowest, keys of all local minima, keys of the start (the first long window,
            then local minima), weight of a short window, weight below which a block has short
            keys, how many; the number of long keys up to which minima among direct neighbours fill
            up; the number of keys up to which short ones do; and about how many local minima a
            long block has: they are lowest among more neighbours there.
        fingerprints: uint64[n, 2], gets the low and high half of XXH3-128 of the normalised text.
        trace_spans: int64[n, 2], gets where each trace starts and ends.
        traces: uint16, gets the traces, without labels behind an ellipsis, and with a 1 at the end
            where the text says that it goes on (`end_trace`); room for a value a byte of input,
            and one a block.
        key_spans: int64[n, 2], gets where each block's keys start and end.
        keys: uint64, gets the keys; room for the scheme's maximum a block.
        hard: uint8[n], gets 1 where only the full normaliser can fold the block (no tokens then).

    Returns:
        How many blocks are hard.
    """
    trace_at = key_at = 0
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        tokens = tokenise(bytes(buffer[start:end]), tables, folded=folded)
        hard[i] = tokens is None
        tokens = tokens or []
        digest = xxhash.xxh3_128_intdigest(b" ".join(token.text for token in tokens))
        fingerprints.reshape(-1, 2)[i] = digest & MASK64, digest >> 64
        trace = [token.trace for token in tokens]
        trace = end_trace(bytes(buffer[start:end]), tables, trace, folded=folded)
        block_keys = keys_of_trace(trace, scheme.tolist())
        traces[trace_at : trace_at + len(trace)] = trace
        keys[key_at : key_at + len(block_keys)] = block_keys
        trace_spans.reshape(-1, 2)[i] = trace_at, trace_at + len(trace)
        key_spans.reshape(-1, 2)[i] = key_at, key_at + len(block_keys)
        trace_at += len(trace)
        key_at += len(block_keys)
    return int(hard.sum())


def trace_keys(
    traces: npt.NDArray[np.uint16],
    spans: npt.NDArray[np.int64],
    scheme: npt.NDArray[np.int64],
    key_spans: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
) -> None:
    """LSH keys of stored traces: those that `sketch` gave their blocks.

    Args:
        traces: uint16, the traces.
        spans: int64[n, 2], where each trace starts and ends.
        scheme: int64[10], as for `sketch`.
        key_spans: int64[n, 2], gets where each trace's keys start and end.
        keys: uint64, gets the keys; room for the scheme's maximum a trace.
    """
    at = 0
    for i, (start, end) in enumerate(spans.reshape(-1, 2).tolist()):
        found = keys_of_trace(traces[start:end].tolist(), scheme.tolist())
        keys[at : at + len(found)] = found
        key_spans.reshape(-1, 2)[i] = at, at + len(found)
        at += len(found)


def keys_of_trace(trace: list[int], scheme: list[int]) -> list[int]:
    """The keys of a trace: long windows' (digits masked; ascending, distinct), then short ones'."""
    long_weight, neighbours, long_keys, head_keys = scheme[:4]
    short_weight, short_below, short_keys, least_long, most_short, spread = scheme[4:]
    trace = [*tokens_of(trace)]
    symbols = [TRACE_DIGITS if TRACE_DIGITS <= v < TRACE_UNSPACED else v for v in trace]
    weights = [token_weight(value) for value in trace]
    windows = window_hashes(symbols, weights, long_weight, 0)
    minima = local_minima(windows, neighbours)
    head = [*windows[:1], *(value for value in minima if value != windows[0])][:head_keys]
    wide = min(WIDEST, (len(windows) // spread - 1) // 2)
    if 0 < neighbours < wide:
        minima = local_minima(windows, wide)
    chosen = {*smallest(minima, long_keys), *head}
    if len(chosen) < least_long and neighbours > 1:
        others = [value for value in local_minima(windows, 1) if value not in chosen]
        chosen.update(smallest(others, least_long - len(chosen)))
    keys = sorted(chosen)
    if trace and sum(weights) < short_below:
        padded = [PAD_START, *trace, PAD_END]
        windows = window_hashes(
            padded, [WORD_WEIGHT, *weights, WORD_WEIGHT], short_weight, SHORT_SALT
        )
        keys += smallest(windows, min(short_keys, max(0, most_short - len(keys))))
    return keys


def smallest(hashes: list[int], limit: int) -> list[int]:
    """The `limit` smallest distinct hashes, ascending."""
    return sorted(set(hashes))[:limit]


def local_minima(hashes: list[int], neighbours: int) -> list[int]:
    """The hashes that are lowest among so many neighbours on either side; of equals the last."""
    return [
        value
        for at, value in enumerate(hashes)
        if value <= min(hashes[max(0, at - neighbours) : at], default=value)
        and value < min(hashes[at + 1 : at + 1 + neighbours], default=value + 1)
    ]


def window_hashes(symbols: list[int], weights: list[int], weight: int, salt: int) -> list[int]:
    """Hash of every window that weighs just enough: a polynomial over its symbols, mixed."""
    prefix = list(accumulate(symbols, lambda s, v: (s * POLYNOMIAL + v) & MASK64, initial=0))
    hashes = []
    stop = held = 0
    for start in range(len(symbols)):
        while held < weight and stop < len(symbols):
            held += weights[stop]
            stop += 1
        if held < weight:
            break
        value = prefix[stop] - prefix[start] * pow(POLYNOMIAL, stop - start, 1 << 64)
        hashes.append(_mix(value & MASK64 ^ salt))
        held -= weights[start]
    return hashes


def _mix(value: int) -> int:
    """The final mix of XXH64."""
    value = (value ^ value >> 33) * 0xC2B2AE3D27D4EB4F & MASK64
    value = (value ^ value >> 29) * 0x165667B19E3779F9 & MASK64
    return value ^ value >> 32
