"""What the kernel does for a shared store: as its twin does it, bit for bit, and as described."""

from __future__ import annotations

import struct
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from test_kernel import native, needs_native, same

from dedup.index.redis_layout import body_in, read_chunk
from dedup.kernel import reference
from dedup.kernel.kinds import VerdictKind
from dedup.kernel.reference.judge import Rule, judge_pair


@given(
    traces=st.lists(st.lists(st.integers(2, 0xFFFF), max_size=60), min_size=1, max_size=6),
    judged=st.lists(st.booleans(), min_size=6, max_size=6),
)
@needs_native
def test_bodies_through_both(traces: list[list[int]], judged: list[bool]) -> None:
    """Bodies are packed alike, and a bit that a signature lacks is a pair that the text lacks."""
    n = len(traces)
    flat, spans = lay_out(traces)
    prints = np.arange(2 * n, dtype=np.uint64) << np.uint64(40)
    wanted = np.array(judged[:n], dtype=np.bool_)
    results: list[list[Any]] = []
    for module in (native, reference):
        out, bounds = np.zeros(46 * n + 2 * len(flat), np.uint8), np.zeros(n + 1, np.int64)
        positions = np.arange(n)
        module.pack_bodies(flat, spans, prints, wanted, positions, 0.85, out, bounds)  # type: ignore[union-attr]
        results.append([out, bounds])
    assert same(*results)
    out, bounds = results[0]
    bodies = {at: out[bounds[at] : bounds[at + 1]].tobytes() for at in np.flatnonzero(wanted)}
    assert bounds[-1] == sum(map(len, bodies.values()))
    for at, body in bodies.items():
        position, fingerprint, bits = struct.unpack_from("<IQH", body)
        mine = set(pairwise(traces[at]))
        assert position & 0x7FFFFFFF == at
        assert position >> 31 == (
            len(set(pairwise([0, *traces[at], 1]))) - 2 < 0.85 * (len(traces[at]) - 1)
        )
        assert fingerprint == int(prints[2 * at])
        assert bits == int.from_bytes(body[14:46], "little").bit_count()
        assert np.frombuffer(body[46:], "<u2").tolist() == traces[at]
        for other, its in bodies.items():
            lacking = int.from_bytes(body[14:46], "little") & ~int.from_bytes(its[14:46], "little")
            assert lacking.bit_count() <= len(mine - set(pairwise(traces[other])))


@given(
    keys=st.lists(st.lists(st.integers(0, 1 << 63), max_size=5), min_size=1, max_size=5),
    judged=st.lists(st.booleans(), min_size=5, max_size=5),
)
@needs_native
def test_postings_are_listed_through_both(keys: list[list[int]], judged: list[bool]) -> None:
    """A judged block's postings are its fingerprint's low half and its keys."""
    n = len(keys)
    ends = np.cumsum([len(each) for each in keys], dtype=np.int64)
    spans = np.stack((ends - [len(each) for each in keys], ends), axis=1)
    flat = np.array([key for each in keys for key in each], dtype=np.uint64)
    prints = np.arange(2 * n, dtype=np.uint64)
    wanted = np.array(judged[:n], dtype=np.bool_)
    results: list[list[Any]] = []
    for module in (native, reference):
        fields, bounds = np.zeros(len(flat) + n, np.uint64), np.zeros(n + 1, np.int64)
        module.list_postings(prints, flat, spans, wanted, fields, bounds)  # type: ignore[union-attr]
        results.append([fields, bounds])
    assert same(*results)
    fields, bounds = results[0]
    for at in range(n):
        expected = [2 * at, *keys[at]] if judged[at] else []
        assert fields[bounds[at] : bounds[at + 1]].tolist() == expected


def pack_chunk(page: bytes, now: int, bodies: list[bytes]) -> bytes:
    """A chunk of records, as docs/redis.md describes it."""
    starts = [sum(map(len, bodies[:at])) for at in range(len(bodies))]
    lead = struct.pack("<HII", len(page), now, now) + page
    return lead + struct.pack(f"<B{len(bodies)}I", len(bodies), *starts) + b"".join(bodies)


@given(data=st.data())
@needs_native
def test_records_through_both(data: st.DataObject) -> None:
    """New originals stand in chunks of one page each, four at most, under ids that ascend."""
    names = data.draw(st.lists(st.text(max_size=3), min_size=1, max_size=4))
    bodies = data.draw(st.lists(st.binary(max_size=9), min_size=1, max_size=12))
    page = st.integers(0, len(names) - 1)
    page_of = sorted(data.draw(st.lists(page, min_size=len(bodies), max_size=len(bodies))))
    rows = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=12, max_size=12)))
    rows = rows[rows < len(bodies)]
    pages, free = np.array(page_of)[rows], data.draw(st.integers(1, 1000))
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    bounds, name_bounds = (
        np.cumsum([0, *map(len, some)], dtype=np.int64) for some in (bodies, encoded)
    )
    results: list[list[Any]] = []
    for module in (native, reference):
        room = sum(len(bodies[row]) + len(encoded[page_of[row]]) + 105 for row in rows)
        out, ids = np.zeros(room, np.uint8), np.zeros(len(rows), np.uint32)
        size, count = module.pack_records(  # type: ignore[union-attr]
            *(b"".join(bodies), bounds, rows, pages, b"".join(encoded), name_bounds),
            *(7, 4, free, out, ids),
        )
        results.append([out[:size], ids, count])
    assert same(*results)
    words, ids, count = results[0]
    parts = split_words(words.tobytes())
    chunks = {int(at): read_chunk(blob) for at, blob in zip(parts[::2], parts[1::2], strict=True)}
    assert sorted(chunks) == list(range(free, free + count))
    assert len(set(ids.tolist())) == len(rows)
    for row, original in zip(rows.tolist(), ids.tolist(), strict=True):
        chunk = chunks[original // 4]
        assert (chunk.page, chunk.first_seen, chunk.last_seen) == (names[page_of[row]], 7, 7)
        assert body_in(chunks, original) == bodies[row]
    if len(rows):
        alone = [row for row in rows.tolist() if page_of[row] == pages[0]][:4]
        assert parts[1] == pack_chunk(encoded[pages[0]], 7, [bodies[row] for row in alone])


@needs_native
def test_wrong_records_are_refused() -> None:
    """Rows and pages that are not there or not in order, and too little room, are a ValueError."""
    bounds, rows, pages = np.array([0, 1, 2]), np.array([0, 1]), np.array([0, 0])
    ends, out, ids = np.array([0, 1]), np.zeros(2 + 2 * 106, np.uint8), np.zeros(2, np.uint32)
    right = [b"ab", bounds, rows, pages, b"n", ends, 7, 4, 1, out, ids]
    pack = native.pack_records  # type: ignore[union-attr]
    pack(*right)
    for at, wrong in (
        (0, b"a"),
        (2, rows + 1),
        (2, rows - 1),
        (2, rows[:1]),
        (3, pages + 1),
        (3, np.array([0, -1])),
        (4, b""),
        (6, -1),
        (7, 0),
        (7, 256),
        (8, -1),
        (8, 1 << 30),
        (9, out[:107]),
        (10, ids[:1]),
    ):
        with pytest.raises(ValueError, match="fit"):
            pack(*right[:at], wrong, *right[at + 1 :])


@given(values=st.lists(st.none() | st.binary(max_size=5), max_size=6))
@needs_native
def test_values_are_joined_by_both(values: list[bytes | None]) -> None:
    """Values lie back to back; what is not there is empty."""
    results = []
    for module in (native, reference):
        bounds = np.ones(len(values) + 1, np.int64)
        results.append([module.join_values(values, bounds), bounds])  # type: ignore[union-attr]
    assert results[0][0] == results[1][0]
    assert same(results[0][1:], results[1][1:])
    data, bounds = results[0]
    assert [data[start:stop] for start, stop in pairwise(bounds)] == [
        each or b"" for each in values
    ]


@needs_native
def test_what_is_no_value_is_refused() -> None:
    """Bounds of another length are a ValueError; what is no list of bytes is no crash."""
    join = native.join_values  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="fit"):
        join([b"a"], np.zeros(1, np.int64))
    with pytest.raises(TypeError):
        join(["a"], np.zeros(2, np.int64))
    with pytest.raises(TypeError, match="list"):
        join((b"a",), np.zeros(2, np.int64))


@given(data=st.data())
@needs_native
def test_bodies_are_located_through_both(data: st.DataObject) -> None:
    """Bodies are found in chunks, each in its own; and nowhere in a chunk that is cut."""
    chunks: dict[int, bytes] = {}
    expected: dict[int, bytes] = {}
    for number in sorted(data.draw(st.sets(st.integers(0, 9), max_size=4))):
        bodies = data.draw(st.lists(st.binary(max_size=9), min_size=1, max_size=4))
        chunks[number] = pack_chunk(data.draw(st.binary(max_size=5)), 7, bodies)
        expected |= {4 * number + place: body for place, body in enumerate(bodies)}
    cut = data.draw(st.sampled_from([-1, *chunks]))
    if cut in chunks:
        chunks[cut] = chunks[cut][: data.draw(st.integers(0, len(chunks[cut]) - 1))]
    wanted = np.arange(40)
    bounds = np.cumsum([0, *map(len, chunks.values())], dtype=np.int64)
    packed = b"".join(chunks.values())
    results: list[list[Any]] = []
    for module in (native, reference):
        spans = np.ones((40, 2), np.int64)
        numbers = np.array([*chunks], dtype=np.int64)
        module.locate_bodies(packed, bounds, numbers, wanted, 4, spans)  # type: ignore[union-attr]
        results.append([spans])
    assert same(*results)
    for original, (start, stop) in enumerate(results[0][0].tolist()):
        if original // 4 != cut:
            assert packed[start:stop] == expected.get(original, b"")
        assert stop <= len(packed)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, dict[int, list[tuple[int, int]]], list[int]]:
    """A small table of buckets with postings in their places, and keys to be added."""
    bits = draw(st.integers(1, 3))
    cursor = draw(st.integers(0, (1 << bits) - 1))
    splits = draw(st.integers(0, (1 << bits) - cursor))
    far = st.sampled_from([0, 1 << 34, 1 << 39])
    key = st.builds(int.__or__, st.integers(0, 63), far)
    held = draw(st.lists(st.tuples(key, st.integers(0, 0xFFFFFFFF)), max_size=30))
    buckets: dict[int, list[tuple[int, int]]] = {}
    for posting in held:
        buckets.setdefault(bucket_of(posting[0], bits, cursor), []).append(posting)
    return bits, cursor, splits, buckets, draw(st.lists(key, max_size=12))


def bucket_of(key: int, bits: int, cursor: int) -> int:
    """The bucket of a key: the first ones are split in four."""
    at = key % (1 << bits)
    return key % (4 << bits) if at < cursor else at


@given(tables())
@needs_native
def test_buckets_through_both(
    table: tuple[int, int, int, dict[int, list[tuple[int, int]]], list[int]],
) -> None:
    """Buckets are found, read, added to and split alike; afterwards everything is in its place."""
    bits, cursor, splits, buckets, wanted = table
    keys = np.array([key | 1 << 60 for key in wanted], dtype=np.uint64)  # 40 bits count
    ids = np.arange(1, len(wanted) + 1, dtype=np.uint32)
    results: list[list[Any]] = []
    for module in (native, reference):
        numbers, places = np.zeros(splits + len(keys), np.int64), np.zeros(len(keys), np.int64)
        found = module.locate_postings(keys, bits, cursor, splits, numbers, places)  # type: ignore[union-attr]
        numbers = numbers[:found]
        values = [pack_bucket(buckets.get(number, [])) for number in numbers.tolist()]
        bounds = np.cumsum([0, *map(len, values)], dtype=np.int64)
        data = b"".join(values)
        out: Any = (
            np.zeros(len(keys), np.uint8),
            np.zeros(4 * len(keys), np.uint32),
            np.zeros(len(keys), np.int64),
        )
        module.find_postings(data, bounds, places, keys, *out)  # type: ignore[union-attr]
        room = len(data) + 9 * len(keys) + 90 * (found + 3 * splits)
        words, removed = np.zeros(room, np.uint8), np.zeros(splits, np.int64)
        size, written, gone = module.add_postings(  # type: ignore[union-attr]
            numbers, data, bounds, places, keys, ids, bits, splits, words, removed
        )
        parts = [numbers, places, *out, words[:size], removed[:gone]]
        results.append([*parts, np.array([written])])
    assert same(*results)
    numbers, places, counts, found_ids, earlier, words, removed, written = results[0]
    assert numbers[:splits].tolist() == list(range(cursor, cursor + splits))
    held = [posting for bucket in buckets.values() for posting in bucket]
    before = {key: [number for other, number in held if other == key] for key in wanted}
    for at, key in enumerate(wanted):
        assert numbers[places[at]] == bucket_of(key, bits, cursor)
        assert found_ids.reshape(-1, 4)[at, : counts[at]].tolist() == before[key][:4]
        same_before = [i for i in range(at) if wanted[i] == key]
        assert earlier[at] == (same_before[-1] if same_before else -1)
    after = dict(buckets)
    for number in range(cursor, cursor + splits):
        after.pop(number, None)
    now = read_pairs(words.tobytes())
    assert len(now) == written
    assert set(removed.tolist()) == {
        number for number in numbers[:splits].tolist() if number in buckets and number not in now
    }
    after |= now
    everything = [*held, *zip(wanted, ids.tolist(), strict=True)]
    expected: dict[int, list[tuple[int, int]]] = {}
    for posting in everything:
        number = bucket_of(posting[0], bits, cursor + splits)
        expected.setdefault(number, []).append(posting)
    assert after == expected


@given(table=tables(), later=st.lists(st.integers(0, 63), max_size=12), data=st.data())
@needs_native
def test_buckets_are_renewed_through_both(
    table: tuple[int, int, int, dict[int, list[tuple[int, int]]], list[int]],
    later: list[int],
    data: st.DataObject,
) -> None:
    """What was read before a transaction is brought to what reading after it would give."""
    bits, cursor, splits, buckets, added = table
    keys, ids = np.array(added, dtype=np.uint64), np.arange(len(added), dtype=np.uint32)
    numbers, places = np.zeros(splits + len(keys), np.int64), np.zeros(len(keys), np.int64)
    numbers = numbers[: reference.locate_postings(keys, bits, cursor, splits, numbers, places)]
    values = [pack_bucket(buckets.get(number, [])) for number in numbers.tolist()]
    bounds = np.cumsum([0, *map(len, values)], dtype=np.int64)
    room = bounds[-1] + 9 * len(keys) + 90 * (len(numbers) + 3 * splits)
    words, removed = np.zeros(room, np.uint8), np.zeros(splits, np.int64)
    joined = b"".join(values)
    size, _, gone = reference.add_postings(
        numbers, joined, bounds, places, keys, ids, bits, splits, words, removed
    )
    written = words[:size].tobytes()
    after = {n: b for n, b in buckets.items() if n not in removed[:gone]} | read_pairs(written)
    # Keys that are looked for later: read where they were before, wanted where they are now.
    ahead = data.draw(st.integers(splits, (1 << bits) - cursor))
    was = list(
        dict.fromkeys(
            [*range(cursor, cursor + ahead), *(bucket_of(k, bits, cursor) for k in later)]
        )
    )
    wanted = list(dict.fromkeys(bucket_of(key, bits, cursor + splits) for key in later))
    held = [pack_bucket(buckets.get(number, [])) for number in was]
    results: list[list[Any]] = []
    for module in (native, reference):
        out = np.zeros(sum(map(len, held)) + len(written), np.uint8)
        out_bounds = np.zeros(len(wanted) + 1, np.int64)
        module.renew_buckets(  # type: ignore[union-attr]
            np.array(was, dtype=np.int64),
            b"".join(held),
            np.cumsum([0, *map(len, held)], dtype=np.int64),
            written,
            np.array(wanted, dtype=np.int64),
            cursor,
            splits,
            out,
            out_bounds,
        )
        results.append([out, out_bounds])
    assert same(*results)
    out, out_bounds = results[0]
    for at, number in enumerate(wanted):
        value = out[out_bounds[at] : out_bounds[at + 1]].tobytes()
        assert value == pack_bucket(after.get(number, []))


@needs_native
def test_words_that_are_cut_are_refused() -> None:
    """What was written is read as words, and nothing beyond its end."""
    empty, bounds = np.zeros(0, np.int64), np.zeros(1, np.int64)
    for words in (
        b"$1",
        b"$1\r\n7\r\n$9\r\nabc\r\n",
        b"$1\r\n7\r\n",
        b"7",
        b"$99999999999999999999\r\n",
    ):
        out, out_bounds = np.zeros(len(words), np.uint8), np.zeros(1, np.int64)
        with pytest.raises(ValueError, match="a word does not fit"):
            native.renew_buckets(empty, b"", bounds, words, empty, 0, 0, out, out_bounds)  # type: ignore[union-attr]


def pack_bucket(postings: list[tuple[int, int]]) -> bytes:
    """A bucket's value."""
    packed = (key.to_bytes(5, "little") + ids.to_bytes(4, "little") for key, ids in postings)
    return b"".join(packed)


def split_words(words: bytes) -> list[bytes]:
    """The words of a command."""
    parts: list[bytes] = []
    at = 0
    while at < len(words):
        end = words.index(b"\r\n", at)
        size = int(words[at + 1 : end])
        parts.append(words[end + 2 : end + 2 + size])
        at = end + 4 + size
    return parts


def read_pairs(words: bytes) -> dict[int, list[tuple[int, int]]]:
    """Buckets by their numbers, from the words of a command."""
    parts = split_words(words)
    return {
        int(number): [
            (
                int.from_bytes(value[i : i + 5], "little"),
                int.from_bytes(value[i + 5 : i + 9], "little"),
            )
            for i in range(0, len(value), 9)
        ]
        for number, value in zip(parts[::2], parts[1::2], strict=True)
    }


@given(numbers=st.lists(st.integers(0, 2**63 - 1), max_size=6))
@needs_native
def test_words_through_both(numbers: list[int]) -> None:
    """Words are packed as the client library packs them."""
    words = np.array(numbers, dtype=np.int64)
    results = []
    for module in (native, reference):
        out = np.zeros(45 * len(numbers), np.uint8)
        size = module.pack_words(words, out)  # type: ignore[union-attr]
        results.append(out[:size].tobytes())
    assert results[0] == results[1]
    connection: Any = redis.Connection()  # type: ignore[no-untyped-call]
    packed = b"".join(connection.pack_command("MGET", *numbers))
    assert packed.endswith(results[0])
    assert len(packed) - len(results[0]) < 30


@given(data=st.data())
@needs_native
def test_screening_through_both(data: st.DataObject) -> None:
    """Both screen alike; what is not open has nothing like it among what shares its keys."""
    token = st.integers(2, 6)
    traces = data.draw(st.lists(st.lists(token, min_size=1, max_size=12), min_size=1, max_size=5))
    stored = data.draw(st.lists(st.lists(token, min_size=1, max_size=12), max_size=4))
    flat, spans = lay_out(traces)
    texts = {tuple(trace): at + 1 for at, trace in enumerate([*traces, *stored])}
    prints = np.array([half for each in traces for half in (texts[tuple(each)], 0)], np.uint64)
    rows = np.arange(len(traces))
    keys = [data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3)) for _ in traces]
    firsts = np.cumsum([0, *map(len, keys)], dtype=np.int64)
    owners = np.repeat(rows, np.diff(firsts))
    under = {
        key: data.draw(st.lists(st.integers(1, len(stored)), max_size=4, unique=True))
        if stored
        else []
        for key in range(6)
    }
    flat_keys = [key for each in keys for key in each]
    counts = np.array([len(under[key]) for key in flat_keys], np.uint8)
    ids = np.zeros((len(flat_keys), 4), np.uint32)
    last: dict[int, int] = {}
    earlier = np.zeros(len(flat_keys), np.int64)
    for at, key in enumerate(flat_keys):
        ids[at, : counts[at]] = under[key]
        earlier[at] = last.get(key, -1)
        last[key] = at
    bodies = [
        b"\0" * 4 + texts[tuple(trace)].to_bytes(8, "little") + np.array(trace, "<u2").tobytes()
        for trace in stored
    ]
    ends = np.cumsum([len(body) for body in bodies], dtype=np.int64)
    starts = ends - [len(body) for body in bodies]
    rule = np.array([0.5, 0.7, 1 / 1.2, 4, 2, 0.25])
    results: list[list[Any]] = []
    for module in (native, reference):
        out: Any = (
            np.ones(len(rows), np.bool_),
            np.ones(len(rows), np.uint32),
            np.ones(len(rows), np.uint16),
        )
        module.screen_blocks(  # type: ignore[union-attr]
            rule,
            spans,
            flat,
            prints,
            rows,
            firsts,
            owners,
            counts,
            ids,
            earlier,
            np.arange(1, len(stored) + 1, dtype=np.uint32),
            b"".join(bodies),
            starts.astype(np.int64),
            np.stack((starts + 12, ends), axis=1).astype(np.int64),
            *out,
        )
        chosen = np.zeros(len(flat_keys), np.int64)
        added = ~out[0]
        size = module.choose_postings(added, owners, counts, earlier, chosen)  # type: ignore[union-attr]
        results.append([*out, chosen[:size]])
    assert same(*results)
    is_open, exact, _, chosen = results[0]
    values = Rule(*rule.tolist())
    for block, its_keys in enumerate(keys):
        originals = {original for key in its_keys for original in under[key]}
        if is_open[block]:
            continue
        assert exact[block] == 0
        for original in originals:
            assert judge_pair(values, traces[block], stored[original - 1]).kind == VerdictKind.NEW
        for other, other_keys in enumerate(keys[:block]):
            if any(len(under[key]) < 4 for key in {*its_keys} & {*other_keys}):
                assert judge_pair(values, traces[block], traces[other]).kind == VerdictKind.NEW
    taken = Counter[int]()
    for at in range(len(flat_keys)):
        key = flat_keys[at]
        has_room = not is_open[owners[at]] and len(under[key]) + taken[key] < 4
        assert (at in chosen) == has_room
        taken[key] += has_room


def lay_out(traces: list[list[int]]) -> tuple[Any, Any]:
    """Traces back to back, and their spans."""
    lengths = np.array([len(trace) for trace in traces], dtype=np.int64)
    ends = np.cumsum(lengths)
    flat = np.array([value for trace in traces for value in trace], dtype=np.uint16)
    return flat, np.stack((ends - lengths, ends), axis=1)


@needs_native
def test_wrong_buckets_are_refused() -> None:
    """Buckets that are not whole, places outside them and too little room are a ValueError."""
    key, place = np.zeros(1, np.uint64), np.zeros(1, np.int64)
    number, ids, whole = np.zeros(1, np.int64), np.zeros(1, np.uint32), np.array([0, 9])
    nothing = np.zeros(0, np.int64)
    room = np.zeros(9 + 9 + 90, np.uint8)
    for wrong in (
        (number, b"x" * 9, np.array([0, 8]), place, key, ids, 1, 0, room, nothing),
        (number, b"x" * 8, whole, place, key, ids, 1, 0, room, nothing),
        (number, b"x" * 9, whole, place + 1, key, ids, 1, 0, room, nothing),
        (number, b"x" * 9, whole, place, key, ids, 1, 0, room[1:], nothing),
        (number, b"x" * 9, whole, place, key, ids, 1, 1, room, nothing),
        (number - 1, b"x" * 9, whole, place, key, ids, 1, 0, room, nothing),
    ):
        with pytest.raises(ValueError, match="fit"):
            native.add_postings(*wrong)  # type: ignore[union-attr]
    for cursor, splits, numbers in ((3, 0, number), (1, 2, number), (0, 1, number)):
        with pytest.raises(ValueError, match="fit"):
            native.locate_postings(key, 1, cursor, splits, numbers, place)  # type: ignore[union-attr]
    for numbers, words in ((number - 1, room), (number, room[:44])):
        with pytest.raises(ValueError, match="fit"):
            native.pack_words(numbers, words)  # type: ignore[union-attr]
