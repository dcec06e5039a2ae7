"""What an index in Redis decides, without any input or output.

Each operation is a generator: it yields commands, is sent their replies, and returns its result. A
driver (`redis.py`) runs it, with or without `await`; nothing here knows of connections. The scripts
settle what needs no similarity; here the rest is verified by the kernel and committed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch, PageState, Pending, Settled, decide
from dedup.index.redis_calls import MOST_TRIES, Command, RedisCalls, Steps
from dedup.index.redis_layout import Entries, PageChange, PageMode
from dedup.settings import Settings
from dedup.sketch import Sketches, keys_of_traces
from dedup.verdict import Verdicts

NO_ENTRIES = Entries(layout.NO_OPERATION, [], [])


class Release(NamedTuple):
    """An original to be released, and what its postings are made of."""

    original: int
    fields: npt.NDArray[np.uint64]


class RedisDecisions(RedisCalls):
    """The operations of one index: what is sent, what follows from the replies."""

    # ---- checking --------------------------------------------------------------------------------

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Steps[Verdicts]:
        """See `Index.check`."""
        batch = Batch(sketches, pages, bounds, now, self._settings)
        at = 0
        while at < len(pages):
            stop = batch.group_end(at, layout.MOST_KEYS, self._growth)
            at = yield from self._check_group(batch, range(at, stop))
            yield from self._grow(batch)
        return batch.verdicts()

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Steps[Verdicts]:
        """See `Index.lookup`."""
        batch = Batch(sketches, pages, bounds, now, settings)
        for page in range(len(pages)):
            pending, states = yield from self._ask(batch, range(page, page + 1), look=True)
            for settled in decide(batch, pending, states):
                batch.answer_lookup(settled)
        return batch.verdicts()

    def _check_group(self, batch: Batch, pages: range) -> Steps[int]:
        """Check pages that fit one call, or one page that does not; the end of what was done."""
        for _ in range(MOST_TRIES):
            is_large = batch.postings(pages) > batch.most_postings(layout.MOST_KEYS, self._growth)
            pending, states = yield from self._ask(batch, pages, look=is_large)
            decisions = decide(batch, pending, states)
            settled, releases = yield from self._prepare_releases(batch, decisions, states)
            while decisions and settled:
                settled, pending = yield from self._commit(batch, decisions, states, releases)
                releases = []
                decisions = decide(batch, pending, states)
            if settled:
                settled = yield from self._write_rest(batch, states, releases)
            if settled:
                return max(states) + 1
        raise IndexFailure(
            f"{batch.names[pages[0]]!r} changes faster than it can be checked: "
            "do not check one page id from many places at once"
        )

    def _ask(
        self, batch: Batch, pages: range, *, look: bool
    ) -> Steps[tuple[list[Pending], dict[int, PageState]]]:
        """Send blocks to check.lua, in as many calls as they need; take what it settled.

        Returns what is left to decide, and what the index has of each page.
        """
        operation = os.urandom(8)
        pending: list[Pending] = []
        states: dict[int, PageState] = {}
        rows = batch.rows(pages)
        while True:
            count = batch.rows_that_fit(rows, layout.MOST_KEYS, self._growth)
            part, rows = rows[:count], rows[count:]
            on_pages = sorted({int(batch.page_of[row]) for row in part}) if look else list(pages)
            on_pages = on_pages or list(pages)
            reply = yield from self._run(
                "check",
                batch,
                part,
                operation,
                [
                    b"".join(layout.pack_name(batch.names[page]) for page in on_pages),
                    batch.pack_blocks(part, on_pages),
                    b"".join(batch.body(row) for row in part),
                ],
                look=look,
            )
            _, _, _, page_replies, block_replies, originals = reply
            batch.learn(originals)
            for page, held in zip(on_pages, page_replies, strict=True):
                if held == b"-":
                    break
                begun = NO_ENTRIES if look else NO_ENTRIES._replace(operation=operation)
                entries = layout.read_entries(held) if held else begun
                if page not in states:
                    is_written = not held and not look
                    states[page] = PageState(
                        page, entries, is_known=bool(held), is_written=is_written
                    )
            for row, answer in zip(
                part, block_replies, strict=False
            ):  # fewer where pages were left
                pending += batch.take_answer(row, answer, states[int(batch.page_of[row])])
            if not rows:
                return pending, states

    def _commit(
        self,
        batch: Batch,
        decisions: list[Settled],
        states: dict[int, PageState],
        releases: Sequence[Release],
    ) -> Steps[tuple[bool, list[Pending]]]:
        """Send decisions to commit.lua, in as many calls as they need.

        Returns False where a page is no longer as it was seen; and what is undecided still.
        """
        left: list[Pending] = []
        gone: list[int] = []
        # A page's own blocks come first: its value begins anew with them, and loses none.
        order = sorted(range(len(decisions)), key=lambda at: decisions[at].action != Settled.OWN)
        made: dict[int, int] = {}
        while order:
            part: list[int] = []
            postings = 0
            for at in order:
                postings += decisions[at].postings
                if part and postings > batch.most_postings(layout.MOST_KEYS, self._growth):
                    break
                part.append(at)
            order = order[len(part) :]
            operation = os.urandom(8)
            reply = yield from self._send_commit(
                batch, [decisions[at] for at in part], states, operation, made, releases
            )
            releases = []
            if reply is None:
                return False, []
            for at, answer in zip(part, reply, strict=True):
                settled = decisions[at]
                if answer[:1] in (b"N", b"E"):
                    made[settled.number] = int.from_bytes(answer[1:5], "little")
                    batch.take_settled(settled, answer, states)
                elif answer == b"G":
                    gone.append(settled.row)
                else:
                    left += batch.take_answer(settled.row, answer, states[settled.page])
        while gone:
            count = batch.rows_that_fit(gone, layout.MOST_KEYS, self._growth)
            left += yield from self._look_again(batch, gone[:count])
            gone = gone[count:]
        return True, left

    def _look_again(self, batch: Batch, rows: Sequence[int]) -> Steps[list[Pending]]:
        """Ask anew for the candidates of blocks whose original was released meanwhile."""
        pages = sorted({int(batch.page_of[row]) for row in rows})
        arguments = [
            b"".join(layout.pack_name(batch.names[page]) for page in pages),
            batch.pack_blocks(rows, pages),
            b"".join(batch.body(row) for row in rows),
        ]
        reply = yield from self._run("check", batch, rows, os.urandom(8), arguments, look=True)
        batch.learn(reply[5])
        return [
            Pending(row, int(batch.page_of[row]), layout.read_candidates(answer))
            for row, answer in zip(rows, reply[4], strict=True)
        ]

    def _send_commit(
        self,
        batch: Batch,
        decisions: Sequence[Settled],
        states: dict[int, PageState],
        operation: bytes,
        made: dict[int, int],
        releases: Sequence[Release],
    ) -> Steps[list[bytes] | None]:
        """One call of commit.lua with decisions on blocks; None: a page moved."""
        on_pages = sorted({settled.page for settled in decisions})
        places = {page: at for at, page in enumerate(on_pages)}
        withdrawals = b"".join(
            layout.pack_withdrawals(states[page].withdrawals()) for page in on_pages
        )
        heads, bodies = [], []
        numbers = {settled.number: at for at, settled in enumerate(decisions)}
        for settled in decisions:
            action, original = settled.action, settled.original
            if action == Settled.REPEAT_LOCAL:
                if original in made:
                    action, original = Settled.REPEAT, made[original]
                else:
                    original = numbers.get(original, len(decisions))
            head, body = layout.pack_settled(
                places[settled.page],
                batch.place_of(settled.row),
                action,
                settled.postings,
                original,
                settled.verified,
                batch.body(settled.row) if settled.postings else batch.body(settled.row)[:4],
                elsewhere=settled.elsewhere,
            )
            heads.append(head)
            bodies.append(body)
        adding = [settled.row for settled in decisions if settled.postings]
        changes = [
            states[page].change(batch.names[page], batch.judged_on(page)) for page in on_pages
        ]
        reply = yield from self._run(
            "commit",
            batch,
            adding,
            operation,
            [b"".join(change.pack() for change in changes), b"".join(heads), b"".join(bodies)],
            tail=[_pack_releases(releases), withdrawals],
            more_fields=_all_fields(releases),
        )
        if reply[0] == b"MOVED":
            return None
        batch.learn(reply[5])
        for page in on_pages:
            states[page].written(operation)
        return list(reply[4])

    def _prepare_releases(
        self, batch: Batch, decisions: Sequence[Settled], states: dict[int, PageState]
    ) -> Steps[tuple[bool, list[Release]]]:
        """Find what left the pages that are known: released with the first commit, if all fits.

        Else it is released at once: a client that dies in between leaves entries without originals,
        which do no harm, and no originals without entries, which nobody would ever release. Returns
        False where a page is no longer as it was seen; and what is still to be released.
        """
        for page, state in states.items():
            gone = sorted(state.owned_before - state.claimed)
            if gone:
                releases = yield from self._read_releases(gone)
                postings = sum(settled.postings for settled in decisions)
                postings += sum(len(release.fields) for release in releases)
                if postings <= batch.most_postings(layout.MOST_KEYS, self._growth):
                    return True, releases  # a page that is known comes by itself
                done = yield from self._release(batch.names[page], state, releases, batch.now)
                return done, []
        return True, []

    def _write_rest(
        self, batch: Batch, states: dict[int, PageState], releases: Sequence[Release]
    ) -> Steps[bool]:
        """Write the pages of which no block was left to commit. False: one moved."""
        for page, state in states.items():
            if not state.is_written:
                change = state.change(batch.names[page], batch.judged_on(page))
                counts = state.withdrawals()
                reply = yield from self._change_page(change, counts, batch.now, releases)
                if reply is None:
                    return False
                state.written(reply)
        return True

    # ---- releasing -------------------------------------------------------------------------------

    def forget(self, page: str) -> Steps[bool]:
        """See `Index.forget`."""
        for _ in range(MOST_TRIES):
            name = page.encode("utf-8", "surrogatepass")
            (held,) = yield [Command("", [], ["HGET", self._names.of("pages"), name])]
            if held is None:
                return False
            state = PageState(0, layout.read_entries(held), is_known=True)
            releases = yield from self._read_releases(sorted(state.owned_before))
            if not (yield from self._release(page, state, releases, 0)):
                continue
            change = PageChange(page, state.operation, PageMode.DROP, layout.NO_CHUNK, 0)
            if (yield from self._change_page(change, state.withdrawals(), 0)) is not None:
                return True
        raise IndexFailure(f"{page!r} changes faster than it can be forgotten: try again")

    def _read_chunks(self, numbers: set[int]) -> Steps[dict[int, bytes]]:
        """The chunks of records that are there, by number."""
        if not numbers:
            return {}
        wanted = sorted(numbers)
        fields = [number.to_bytes(4, "little") for number in wanted]
        (blobs,) = yield [Command("", [], ["HMGET", self._names.of("records"), *fields])]
        return {number: blob for number, blob in zip(wanted, blobs, strict=True) if blob}

    def _read_releases(self, ids: Sequence[int]) -> Steps[list[Release]]:
        """What there is to remove of originals: the postings follow from the stored traces."""
        chunks = yield from self._read_chunks({original >> 8 for original in ids})
        bodies = {number: layout.read_chunk(blob) for number, blob in chunks.items()}
        held = [
            (original, body)
            for original in ids
            for body in bodies.get(original >> 8, [])[original & 255 : (original & 255) + 1]
            if body
        ]
        if not held:
            return []
        traces = [np.frombuffer(body, dtype="<u2", offset=12) for _, body in held]
        lengths = np.array([len(trace) for trace in traces], dtype=np.int64)
        ends = np.cumsum(lengths)
        spans = np.stack((ends - lengths, ends), axis=1)
        key_spans, keys = keys_of_traces(np.concatenate(traces).astype(np.uint16), spans)
        return [
            Release(original, np.concatenate((_fingerprint(body), keys[slice(*key_spans[at])])))
            for at, (original, body) in enumerate(held)
        ]

    def _release(
        self, page: str, state: PageState, releases: Sequence[Release], now: int
    ) -> Steps[bool]:
        """Release originals that a page owns. False: the page is no longer as it was seen."""
        at = 0
        while at < len(releases):
            most = Batch.most_postings(layout.MOST_KEYS, self._growth)
            stop, postings = at, 0
            while stop < len(releases) and (
                stop == at or postings + len(releases[stop].fields) <= most
            ):
                postings += len(releases[stop].fields)
                stop += 1
            change = PageChange(page, state.operation, PageMode.KEEP, layout.NO_CHUNK, 0)
            reply = yield from self._change_page(change, [], now, releases[at:stop])
            if reply is None:
                return False
            state.operation = reply
            at = stop
        return True

    def _change_page(
        self,
        change: PageChange,
        counts: Sequence[tuple[int, int, int]],
        now: int,
        releases: Sequence[Release] = (),
    ) -> Steps[bytes | None]:
        """A commit without blocks; its operation id, or None where the page moved."""
        operation = os.urandom(8)
        fields = _all_fields(releases)
        for _ in range(MOST_TRIES):
            keys = self._names.fixed + self._growth.bucket_keys(self._names, fields)
            arguments: list[bytes | int | str] = [
                layout.pack_call(operation, now, self._growth),
                change.pack(),
                b"",
                b"",
                layout.pack_fields(fields),
                _pack_releases(releases),
                layout.pack_withdrawals(counts),
            ]
            (reply,) = yield [Command("commit", keys, arguments)]
            if (yield from self._accept(reply)):
                return None if reply[0] == b"MOVED" else operation
        raise IndexFailure("the number of buckets keeps changing: too many clients at once")


def _fingerprint(body: bytes) -> npt.NDArray[np.uint64]:
    """uint64[1], the fingerprint's low half in a record's body."""
    return np.frombuffer(body, dtype="<u8", count=1, offset=4).astype(np.uint64)


def _all_fields(releases: Sequence[Release]) -> npt.NDArray[np.uint64]:
    """What all their postings are made of."""
    return np.concatenate([np.zeros(0, np.uint64), *(release.fields for release in releases)])


def _pack_releases(releases: Sequence[Release]) -> bytes:
    """Commit's sixth argument."""
    packed = (layout.pack_release(release.original, len(release.fields)) for release in releases)
    return b"".join(packed)
