"""What an index in Redis decides, without any input or output.

Each operation is a generator: it yields commands, is sent their replies, and returns its result. A
driver (`redis.py`) runs it, with or without `await`; nothing here knows of connections. The scripts
settle what needs no similarity; here the rest is verified by the kernel and committed.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure
from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Batch, PageState, Pending, Settled
from dedup.index.redis_bodies import HEAD_BYTES
from dedup.index.redis_calls import MOST_TRIES, Steps
from dedup.index.redis_layout import NO_ENTRIES, Call, PageChange, PageMode
from dedup.index.redis_reading import RedisReading
from dedup.index.redis_verify import decide
from dedup.index.redis_watched import Watched
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts


class Release(NamedTuple):
    """An original to be released, and what its postings are made of."""

    original: int
    fields: npt.NDArray[np.uint64]


class RedisDecisions(RedisReading):
    """The operations of one index: what is sent, what follows from the replies."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        super().__init__(url, namespace, settings)
        self._watched = Watched(self._names)

    # ---- checking --------------------------------------------------------------------------------

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Steps[Verdicts]:
        """See `Index.check`."""
        batch = Batch(sketches, pages, bounds, now, self._settings, self._bodies)
        at = 0
        while at < len(pages):
            start = at
            at = yield from self._watched.check(batch, start)
            if at == start:
                end = batch.group_end(at, layout.MOST_POSTINGS)
                at = yield from self._check_group(batch, range(at, end))
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
        batch = Batch(sketches, pages, bounds, now, settings, self._bodies)
        for page in range(len(pages)):
            if (yield from self._watched.look(batch, page)):
                continue
            _, pending, states = yield from self._ask(batch, range(page, page + 1), look=True)
            for state in states.values():  # a question is not about what was before
                state.before.clear()
            for settled in decide(batch, pending, states):
                batch.fill_found(settled)
        return batch.verdicts()

    def _check_group(self, batch: Batch, pages: range) -> Steps[int]:
        """Check pages that fit one call, or one page that does not; the end of what was done."""
        for _ in range(MOST_TRIES):
            is_large = batch.postings(pages) > layout.MOST_POSTINGS
            end, pending, states = yield from self._ask(batch, pages, look=is_large)
            decisions = decide(batch, pending, states)
            settled, releases = yield from self._prepare_releases(batch, decisions, states)
            while decisions and settled:
                settled, pending = yield from self._commit(batch, decisions, states, releases)
                releases = []
                decisions = decide(batch, pending, states)
            if settled:
                settled = yield from self._write_rest(batch, states, releases)
            if settled:
                return end
        raise IndexFailure(
            f"{batch.names[pages[0]]!r} changes faster than it can be checked: "
            "do not check one page id from many places at once"
        )

    def _ask(
        self, batch: Batch, pages: range, *, look: bool
    ) -> Steps[tuple[int, list[Pending], dict[int, PageState]]]:
        """Send blocks to check.lua, in as many calls as they need; take what it settled.

        Returns the end of the pages that were judged, what is left to decide, and what the index
        has of each page where something is left.
        """
        operation = os.urandom(8)
        pending: list[Pending] = []
        states: dict[int, PageState] = {}
        rows, end = batch.rows(pages), pages.stop
        call = batch.call._replace(look=look)
        while True:
            count = batch.rows_that_fit(rows)
            part, rows = rows[:count], rows[count:]
            on_pages = list(pages)
            arguments = batch.pack_blocks(part, on_pages)
            reply = yield from self._run("check", call, operation, arguments)
            _, page_replies, entries, counted, candidates, originals = reply
            batch.learn(originals)
            undecided = batch.take_entries(part, entries, counted)
            if b"-" in page_replies:
                end = pages.start + page_replies.index(b"-")
            for page, held in zip(on_pages, page_replies, strict=True):
                if held not in (b"", b"-") and page not in states:
                    states[page] = PageState(page, layout.read_entries(held), is_known=True)
                    if batch.call.expire:  # see `Index.check`
                        states[page].before.clear()
            for at, answer in zip(undecided.tolist(), candidates, strict=True):
                row = int(part[at])
                page = int(batch.page_of[row])
                pending.append(Pending(row, page, layout.read_candidates(answer)))
                if page not in states:
                    begun = NO_ENTRIES if look else NO_ENTRIES._replace(operation=operation)
                    states[page] = PageState(page, begun, is_known=False, is_written=not look)
                    states[page].counted |= batch.exact_marks(page)
            if len(rows) == 0:
                if look and not states:  # a page without a judged block has to be written as well
                    states = {page: PageState(page, NO_ENTRIES, is_known=False) for page in pages}
                return end, pending, states

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
                postings += len(decisions[at].fields)
                if part and postings > layout.MOST_POSTINGS:
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
            _, _, entries, counted, candidates, _ = reply
            answers = iter(candidates)
            counts = iter(struct.iter_unpack("<II", counted))
            for at, (entry,) in zip(part, struct.iter_unpack("<I", entries), strict=True):
                settled = decisions[at]
                if entry:
                    made[settled.number] = entry & ~layout.REPEAT_ENTRY
                    batch.take_settled(settled, entry, counts)
                elif answer := next(answers):
                    ids = layout.read_candidates(answer)
                    left.append(Pending(settled.row, settled.page, ids))
                else:
                    gone.append(settled.row)
        while gone:
            rows = np.array(sorted(gone), dtype=np.int64)
            count = batch.rows_that_fit(rows)
            left += yield from self._look_again(batch, rows[:count])
            gone = rows[count:].tolist()
        return True, left

    def _look_again(self, batch: Batch, rows: npt.NDArray[np.int64]) -> Steps[list[Pending]]:
        """Ask anew for the candidates of blocks whose original was released meanwhile."""
        pages = np.unique(batch.page_of[rows]).tolist()
        call = batch.call._replace(look=True)
        arguments = batch.pack_blocks(rows, pages)
        reply = yield from self._run("check", call, os.urandom(8), arguments)
        batch.learn(reply[5])
        return [
            Pending(row, int(batch.page_of[row]), layout.read_candidates(answer))
            for row, answer in zip(rows.tolist(), reply[4], strict=True)
        ]

    def _send_commit(
        self,
        batch: Batch,
        decisions: Sequence[Settled],
        states: dict[int, PageState],
        operation: bytes,
        made: dict[int, int],
        releases: Sequence[Release],
    ) -> Steps[list[Any] | None]:
        """One call of commit.lua with decisions on blocks; its reply, or None: a page moved."""
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
            body = batch.body(settled.row)
            head, packed = layout.pack_settled(
                places[settled.page],
                batch.place_of(settled.row),
                action,
                len(settled.fields),
                original,
                settled.verified,
                body if settled.action == Settled.ADD else body[:4],
                elsewhere=settled.elsewhere,
            )
            heads.append(head)
            bodies.append(packed)
        changes = [
            states[page].change(batch.names[page], batch.judged_on(page)) for page in on_pages
        ]
        fields = [*(settled.fields for settled in decisions), *(each.fields for each in releases)]
        arguments = [
            b"".join(change.pack() for change in changes),
            b"".join(heads),
            b"".join(bodies),
            _pack_all(fields),
            _pack_releases(releases),
            withdrawals,
        ]
        reply = yield from self._run("commit", batch.call, operation, arguments)
        if reply[0] == b"MOVED":
            return None
        batch.learn(reply[5])
        for page in on_pages:
            states[page].written(operation)
        return reply

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
                postings = sum(len(settled.fields) for settled in decisions)
                postings += sum(len(release.fields) for release in releases)
                if postings <= layout.MOST_POSTINGS:
                    return True, releases  # a page that is known comes by itself
                done = yield from self._release(batch.names[page], state, releases, batch.call)
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
                reply = yield from self._change_page(change, counts, batch.call, releases)
                if reply is None:
                    return False
                state.written(reply)
        return True

    # ---- releasing -------------------------------------------------------------------------------

    def forget(self, page: str) -> Steps[bool]:
        """See `Index.forget`."""
        name = page.encode("utf-8", "surrogatepass")
        call = Batch.call_now(int(time.time()), self._settings, self._bodies)
        for _ in range(MOST_TRIES):
            found = yield self._both("HGET", "pages", [name])
            held = found[0] or found[1]
            if held is None:
                return False
            state = PageState(0, layout.read_entries(held), is_known=True)
            releases = yield from self._read_releases(sorted(state.owned_before))
            if not (yield from self._release(page, state, releases, call)):
                continue
            change = PageChange(page, state.operation, PageMode.DROP, 0)
            if (yield from self._change_page(change, state.withdrawals(), call)) is not None:
                return True
        raise IndexFailure(f"{page!r} changes faster than it can be forgotten: try again")

    def _read_releases(self, ids: Sequence[int]) -> Steps[list[Release]]:
        """What there is to remove of originals: the postings follow from what is stored."""
        if not ids:
            return []
        chunks = yield from self._read_chunks(ids)
        held = []
        for original in ids:
            body = layout.body_in(chunks, original)
            if len(body) >= HEAD_BYTES:
                held.append((original, self._bodies.read(body)))
        all_fields = self._bodies.fields([body for _, body in held])
        return [
            Release(original, fields)
            for (original, _), fields in zip(held, all_fields, strict=True)
        ]

    def _release(
        self, page: str, state: PageState, releases: Sequence[Release], call: Call
    ) -> Steps[bool]:
        """Release originals that a page owns. False: the page is no longer as it was seen."""
        at = 0
        while at < len(releases):
            stop, postings = at, 0
            while stop < len(releases) and (
                stop == at or postings + len(releases[stop].fields) <= layout.MOST_POSTINGS
            ):
                postings += len(releases[stop].fields)
                stop += 1
            change = PageChange(page, state.operation, PageMode.KEEP, 0)
            reply = yield from self._change_page(change, [], call, releases[at:stop])
            if reply is None:
                return False
            state.operation = reply
            at = stop
        return True

    def _change_page(
        self,
        change: PageChange,
        counts: Sequence[tuple[int, int, int]],
        call: Call,
        releases: Sequence[Release] = (),
    ) -> Steps[bytes | None]:
        """A commit without blocks; its operation id, or None where the page moved."""
        operation = os.urandom(8)
        arguments = [
            change.pack(),
            b"",
            b"",
            _pack_all([release.fields for release in releases]),
            _pack_releases(releases),
            layout.pack_withdrawals(counts),
        ]
        reply = yield from self._run("commit", call, operation, arguments)
        return None if reply[0] == b"MOVED" else operation


def _pack_all(fields: Sequence[npt.NDArray[np.uint64]]) -> bytes:
    """Fields of several blocks, back to back."""
    return layout.pack_fields(np.concatenate([np.zeros(0, np.uint64), *fields]))


def _pack_releases(releases: Sequence[Release]) -> bytes:
    """Commit's sixth argument."""
    packed = (layout.pack_release(release.original, len(release.fields)) for release in releases)
    return b"".join(packed)
