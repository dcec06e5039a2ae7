"""The index in Redis: held against the one in memory, torn by interleavings, opened wrongly."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import redis as client
from hypothesis import given, settings
from hypothesis import strategies as st
from server_groups import Servers, start_cluster
from servers import start_standalone
from test_index import LONG, TEASER, A, B, counted, entries, facts, pages_strategy

from dedup import (
    AsyncDeduper,
    Deduper,
    IndexFailure,
    IndexMismatchError,
    IndexWarning,
    SettingsError,
)
from dedup.index import redis_layout, redis_reading
from dedup.index.redis import RedisIndex
from dedup.index.redis_calls import Command, Talk
from dedup.index.redis_decisions import RedisDecisions
from dedup.index.redis_line import Line, Trunk
from dedup.pages import PageBatch
from dedup.settings import Settings
from dedup.verdict import is_repeat

KINDS = ("valkey", "redis-6")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, redis_servers: Servers) -> str:
    """A server of each kind."""
    return redis_servers.get(request.param, start_standalone).url


@pytest.fixture
def valkey(redis_servers: Servers) -> str:
    """One server, where the kind does not matter."""
    return redis_servers.get("valkey", start_standalone).url


@pytest.fixture
def few_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets split early, and few keys go in a call, so that short tests meet both."""
    monkeypatch.setattr(redis_layout, "FULLEST_BUCKET", 1)
    monkeypatch.setattr(redis_layout, "MOST_POSTINGS", 60)
    monkeypatch.setattr(redis_layout, "MOST_WATCHED", 60)


def keys_of(url: str, namespace: str) -> dict[bytes, int]:
    """Every key of a namespace, and the bytes that it takes."""
    with client.Redis.from_url(url) as server:
        found = server.keys(f"dedup:{{{namespace}}}:*")
        return {key: server.memory_usage(key) for key in found}


@given(pages=pages_strategy)
@settings(max_examples=25)
@pytest.mark.usefixtures("few_fit")
def test_redis_equals_memory(valkey_url: str, pages: list[tuple[str, str]]) -> None:
    """Any sequence of checks gives the reports and totals that the index in memory gives."""
    namespace = uuid.uuid4().hex
    with Deduper(valkey_url, namespace=namespace) as shared, Deduper() as local:
        for (content, page), other in zip(pages, shared.check_many(pages), strict=True):
            assert facts(other) == facts(local.check(content, page))
        mine, its = shared.stats(), local.stats()
        assert (mine.pages, mine.originals, mine.repeats) == (its.pages, its.originals, its.repeats)
        for page in {page for _, page in pages}:
            assert entries(shared, page) == entries(local, page)
        assert sorted(counted(shared.most_repeated())) == sorted(counted(local.most_repeated()))
        for page in {page for _, page in pages}:
            assert shared.forget(page)
        assert set(keys_of(valkey_url, namespace)) == {f"dedup:{{{namespace}}}:head".encode()}
        shared.clear()


@pytest.fixture(scope="module")
def valkey_url(redis_servers: Servers) -> str:
    """One server for a test that Hypothesis runs many times."""
    return redis_servers.get("valkey", start_standalone).url


def many_pages(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Pages of five blocks, some new, some near or equal to others."""
    rng = random.Random(seed)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    blocks = [" ".join(rng.choices(words, k=rng.randint(8, 40))) for _ in range(count * 3)]
    blocks += [block.replace(words[3], words[4]) + " more" for block in blocks[::3]]
    return [("\n\n".join(rng.choices(blocks, k=5)), f"page {at}") for at in range(count)]


@pytest.mark.usefixtures("few_fit")
def test_buckets_split_while_pages_come(url: str) -> None:
    """An index that grows through many rounds of splitting answers as the one in memory."""
    pages = many_pages(150)
    with Deduper(url, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        for first, second in zip(shared.check_many(pages), local.check_many(pages), strict=True):
            assert facts(first) == facts(second)
        with client.Redis.from_url(url) as server:
            bits = server.hget(f"dedup:{{{shared.namespace}}}:head", "bits0")
        assert int(bits or 0) >= 8
        shared.clear()
        assert set(keys_of(url, shared.namespace)) == {
            f"dedup:{{{shared.namespace}}}:head".encode()
        }


def test_buckets_stay_small(valkey: str) -> None:
    """Buckets hold few postings each, and follow their number."""
    with Deduper(valkey, namespace=uuid.uuid4().hex) as shared:
        list(shared.check_many(many_pages(600)))
        with client.Redis.from_url(valkey) as server:
            name = f"dedup:{{{shared.namespace}}}:postings0"
            sizes = [len(bucket) // 9 for bucket in server.hvals(name)]
        assert sum(sizes) / len(sizes) > redis_layout.FULLEST_BUCKET / 4
        assert max(sizes) < 6 * redis_layout.FULLEST_BUCKET
        shared.clear()


@pytest.mark.usefixtures("few_fit")
def test_a_page_that_needs_many_calls(url: str) -> None:
    """A page with more postings than a call takes is checked like any other, and forgotten."""
    content = "\n\n".join(text for text, _ in many_pages(12, seed=3))
    with Deduper(url, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        for page in ("p", "p", "q"):
            assert facts(shared.check(content, page)) == facts(local.check(content, page))
        shorter = content[: len(content) // 3]
        assert facts(shared.check(shorter, "p")) == facts(local.check(shorter, "p"))
        assert facts(shared.lookup(content)) == facts(local.lookup(content))
        shared.forget("p")
        shared.forget("q")
        assert shared.stats().originals == 0
        shared.clear()


@pytest.mark.usefixtures("few_fit")
def test_a_large_page_repeats_what_it_repeated(valkey: str) -> None:
    """A page that needs many calls is checked again, with something alike before: no change."""
    rest = [LONG, A.replace("Monday", "Tuesday"), *(text for text, _ in many_pages(6, seed=3))]
    with Deduper(valkey, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        for blocks in ([B, *rest], [A, *rest]):
            one, other = (each.check("\n\n".join(blocks), "p") for each in (shared, local))
            assert facts(one) == facts(other)
        assert one.blocks[2].repeat.kind == "excerpt"  # type: ignore[union-attr]
        shared.clear()


def edited(rng: random.Random, words: list[str], vocabulary: list[str]) -> list[str]:
    """Words with some replaced, cut out, or set around: similar by little or by much."""
    words = list(words)
    kind = rng.randrange(6)
    if kind == 0:
        for at in rng.sample(range(len(words)), rng.randint(1, len(words) // 4)):
            words[at] = rng.choice(vocabulary)
    elif kind == 1:
        first = rng.randrange(len(words) // 2)
        words = words[first : first + rng.randint(len(words) // 4, len(words))]
    elif kind == 2:
        words[rng.randrange(len(words)) :] = rng.choices(vocabulary, k=rng.randint(1, 60))
    elif kind == 3:
        words = rng.choices(vocabulary, k=rng.randint(0, 5)) + words[: rng.randint(5, 20)]
    elif kind == 4:
        words = words[: rng.randint(2, 9)] * rng.randint(2, 9) + words[: len(words) // 2]
    else:  # it says that it goes on, in the middle of a word
        words = rng.choices(vocabulary, k=rng.randint(0, 5)) + words[: rng.randint(5, 30)]
        words[-1] = words[-1][:2] + rng.choice(["…", "... Read more"])
    return words


@contextmanager
def without_transactions(url: str) -> Iterator[str]:
    """The URL of a user who may not watch keys: the scripts do all of the work."""
    with client.Redis.from_url(url) as admin:
        admin.execute_command(
            "ACL", "SETUSER", "plain", "on", ">secret", "~*", "+@all", "-watch", "-multi"
        )
        try:
            yield url.replace("redis://", "redis://plain:secret@")
        finally:
            admin.execute_command("ACL", "DELUSER", "plain")


@pytest.mark.parametrize("options", [{}, {"threshold": 0.3}, {"threshold": 0.8}])
def test_refuting_loses_nothing(redis_servers: Servers, options: dict[str, Any]) -> None:
    """What the scripts add for want of anything alike is new for the index in memory, too.

    Blocks that are near, excerpts, labelled beginnings or repetitive, by much or just not; of one
    vocabulary, so that keys are shared by many that are not alike.
    """
    rng = random.Random(7)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    originals = [rng.choices(vocabulary, k=rng.randint(8, 160)) for _ in range(300)]
    blocks = [*originals, *(edited(rng, rng.choice(originals), vocabulary) for _ in range(900))]
    pages = [
        ("\n\n".join(" ".join(words) for words in blocks[at : at + 6]), f"page {at}")
        for at in range(0, len(blocks), 6)
    ]
    with (
        without_transactions(redis_servers.get("valkey", start_standalone).url) as plain,
        Deduper(plain, namespace=uuid.uuid4().hex, **options) as shared,
        Deduper(**options) as local,
    ):
        kinds = set()
        for one, other in zip(shared.check_many(pages), local.check_many(pages), strict=True):
            assert facts(one) == facts(other)
            kinds |= {fact[1] for fact in facts(one)}
            assert [block.position for block in one.extensions] == [
                block.position for block in other.extensions
            ]
        assert kinds >= {"near", "excerpt"}
        shared.clear()


# ---- the quick way -------------------------------------------------------------------------------


def calls_of(server: client.Redis, name: str) -> int:
    """How often a server was asked for a command."""
    return int(server.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0))


def test_most_pages_go_without_scripts(url: str) -> None:
    """The client decides alone, but on pages that lose an original; they stop no others."""
    pages, local = many_pages(60), Deduper()
    with Deduper(url, namespace=uuid.uuid4().hex) as shared, client.Redis.from_url(url) as server:

        def check(some: list[tuple[str, str]]) -> int:
            """Check pages in both indexes; how many scripts were run for it."""
            server.config_resetstat()
            for _ in range(2):  # again, nothing changes
                for one, other in zip(shared.check_many(some), local.check_many(some), strict=True):
                    assert facts(one) == facts(other)
                    assert entries(shared, one.page) == entries(local, other.page)
                assert shared.stats().originals == local.stats().originals
                assert shared.stats().repeats == local.stats().repeats
                assert shared.stats().pages == local.stats().pages
            return calls_of(server, "evalsha") + calls_of(server, "eval")

        assert check(pages) == 0
        assert calls_of(server, "exec") > 0
        mixed = [*many_pages(20, seed=2), pages[7], *many_pages(20, seed=5)]
        assert check([(text, f"new {at}") for at, (text, _) in enumerate(mixed)]) == 0
        mixed = [(text, f"more {at}") for at, (text, _) in enumerate(mixed)]
        mixed[20] = pages[7]
        assert check(mixed) == 0
        more = "A paragraph that nobody has written before, about eleven quiet ferries."
        mixed[20] = (pages[7][0] + "\n\n" + more, pages[7][1])
        assert check(mixed) == 0
        mixed[20] = (more, pages[7][1])
        assert 0 < check(mixed) < 5
        shared.clear()


def changed_page(rng: random.Random, pool: list[list[str]], vocabulary: list[str]) -> str:
    """Up to six blocks of a pool: as they are, with another word, cut, or others."""
    blocks = []
    for _ in range(rng.randint(0, 6)):
        words, how = list(rng.choice(pool)), rng.random()
        if how < 0.3:
            words[rng.randrange(len(words))] = rng.choice(vocabulary)
        elif how < 0.5:
            words = words[: max(5, len(words) // 2)]
        elif how < 0.7:
            words = rng.choices(vocabulary, k=rng.randint(5, 40))
        blocks.append(" ".join(words))
    return "\n\n".join(blocks)


@pytest.mark.parametrize("most", [30, redis_layout.MOST_WATCHED])
def test_pages_that_change_all_the_time(
    url: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few pages, checked and forgotten in any order, are to Redis what they are to memory.

    So it is where all go together, and where each is read while the one before is written.
    """
    monkeypatch.setattr(redis_layout, "MOST_WATCHED", most)
    rng = random.Random(3)
    vocabulary = [f"{a}{b}{c}" for a in "bdfg" for b in "aeiou" for c in "lmnr"]
    pool = [rng.choices(vocabulary, k=rng.randint(5, 40)) for _ in range(25)]
    texts: dict[str, str] = {}
    with Deduper(url, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        for step in range(320):
            names = [f"page {at}" for at in rng.choices(range(14), k=rng.choice([1, 1, 3, 8]))]
            batch = []
            for name in names:
                if name not in texts or rng.random() < 0.5:
                    texts[name] = changed_page(rng, pool, vocabulary)
                batch.append((texts[name], name))
            if step % 20 == 0:
                assert shared.forget(names[0]) == local.forget(names[0])
            for one, other in zip(shared.check_many(batch), local.check_many(batch), strict=True):
                assert facts(one) == facts(other)
                assert [
                    (b.position, b.extension and counted([b.extension.original]))
                    for b in one.extensions
                ] == [
                    (b.position, b.extension and counted([b.extension.original]))
                    for b in other.extensions
                ]
        for name in texts:
            assert entries(shared, name) == entries(local, name)
        assert sorted(counted(shared.most_repeated())) == sorted(counted(local.most_repeated()))
        shared.clear()


def test_a_server_without_transactions(redis_servers: Servers) -> None:
    """Who may not watch keys has the scripts do everything, with the same verdicts."""
    pages = many_pages(40)
    with (
        without_transactions(redis_servers.get("valkey", start_standalone).url) as plain,
        Deduper(plain, namespace=uuid.uuid4().hex) as shared,
        Deduper() as local,
    ):
        for one, other in zip(shared.check_many(pages), local.check_many(pages), strict=True):
            assert facts(one) == facts(other)
        shared.clear()


def test_a_wrong_type_writes_nothing(valkey: str) -> None:
    """A key of another type under one of the index's names is a clear error, and no half of a page.

    So it is where transactions are quick, and where scripts do the work.
    """
    for part in ("pages0", "records0", "counts0", "postings0"):
        namespace = uuid.uuid4().hex
        with (
            Deduper(valkey, namespace=namespace) as shared,
            client.Redis.from_url(valkey) as server,
        ):
            name = f"dedup:{{{namespace}}}:{part}"
            server.set(name, "something else")
            before = keys_of(valkey, namespace)
            with pytest.raises(IndexFailure, match="something else under the index's keys"):
                shared.check(f"{A}\n\n{A}\n\n{B}", "p")
            assert keys_of(valkey, namespace) == before
            server.delete(name)
            shared.clear()


# ---- interleavings and retries -------------------------------------------------------------------


class Worker:
    """One client's check of some pages, a command at a time."""

    def __init__(self, index: RedisIndex, namespace: str, pages: list[tuple[str, str]]) -> None:
        self._index = index
        decisions = RedisDecisions("test", namespace, Settings())
        self._run(decisions.open())
        batch = PageBatch(pages)
        self._steps = decisions.check(batch.sketches, batch.names, batch.bounds, 7)
        self._line = Line(Trunk(index._client, threading.Lock()))
        self._commands: list[Command] | Talk | None = next(self._steps)
        self.result: Any = None

    def _run(self, steps: Any) -> None:
        commands = next(steps)
        while commands:
            try:
                commands = steps.send([self._index._run(command) for command in commands])
            except StopIteration:
                commands = []

    def step(self, times: int = 1) -> bool:
        """Send what is due, so many times over, as a client that retries does. False: done.

        Of a transaction, which is never sent twice, the reply is lost instead.
        """
        if self._commands is None:
            return False
        replies: list[Any] | None
        if isinstance(self._commands, Talk):
            replies = self._line.talk(self._commands._replace(pause=0))
            if times > 1:
                self._line.hang_up(broken=True)
                replies = None
        else:
            self._line.hang_up()
            for _ in range(times):
                replies = [self._index._run(command) for command in self._commands]
        try:
            self._commands = self._steps.send(replies)
        except StopIteration as stop:
            self._commands, self.result = None, stop.value
            self._line.hang_up()
        return True


SIMILAR = [A, A.replace("Monday", "Tuesday"), A + " Nobody knows.", LONG, B, B + " Twice."]


@given(
    orders=st.lists(st.permutations(SIMILAR), min_size=2, max_size=4),
    schedule=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), max_size=30),
    most=st.sampled_from([12, 40, 3000]),
)
@settings(max_examples=80)
def test_one_survivor_under_any_interleaving(
    valkey_url: str, orders: list[list[str]], schedule: list[tuple[int, int]], most: int
) -> None:
    """However the steps of clients mix, and whichever are sent twice, no two originals are alike.

    Each client checks the same blocks, near-duplicates among them, in an order of its own: all in
    one transaction, or in several, which are read ahead. Afterwards every block has an original,
    and no original repeats another: each group has one survivor.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redis_layout, "MOST_WATCHED", most)
        _mix_steps(valkey_url, orders, schedule)


def _mix_steps(valkey_url: str, orders: list[list[str]], schedule: list[tuple[int, int]]) -> None:
    namespace = uuid.uuid4().hex
    index = RedisIndex(valkey_url, namespace, Settings())
    workers = [
        Worker(index, namespace, [(text, f"{n}/{at}") for at, text in enumerate(order)])
        for n, order in enumerate(orders)
    ]
    for turn, times in schedule:
        workers[turn % len(workers)].step(times)
    for worker in workers:
        while worker.step():
            pass
    originals = [
        text
        for order, worker in zip(orders, workers, strict=True)
        for text, repeated in zip(order, is_repeat(worker.result.kinds), strict=True)
        if not repeated
    ]
    with Deduper(valkey_url, namespace=namespace) as shared:
        assert shared.stats().originals == len(originals)
        with Deduper() as alone:
            for first, second in itertools.combinations(originals, 2):
                alone.clear()
                alone.check(first, "first")
                found = alone.lookup(second).repeats
                # A longer block that came first would have been an extension: both survive then.
                assert not found or found[0].repeat.kind == "excerpt"  # type: ignore[union-attr]
        for text in SIMILAR:
            assert shared.lookup(text).repeats
        shared.clear()


def _check_all(url: str, namespace: str, blocks: list[str], worker: int) -> None:
    order = np.random.default_rng(worker).permutation(len(blocks)).tolist()
    with Deduper(url, namespace=namespace) as deduper:
        pages = ((blocks[at], f"{worker}/{at}") for at in order)
        reports = list(deduper.check_many(pages, batch_pages=16))
    assert not any(report.error for report in reports)


def test_many_processes_agree(url: str) -> None:
    """Processes that check the same blocks at once, in any order, leave one original each."""
    base = [text.split("\n\n")[0] for text, _ in many_pages(60, seed=9)]
    blocks = list(dict.fromkeys(base))
    namespace = uuid.uuid4().hex
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=_check_all, args=(url, namespace, blocks, worker))
        for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with Deduper(url, namespace=namespace) as shared:
        stats = shared.stats()
        assert stats.pages == 4 * len(blocks)
        assert stats.originals + stats.repeats == 4 * len(blocks)
        assert stats.originals <= len(blocks)
        shared.clear()


# ---- opening and failing -------------------------------------------------------------------------


def test_other_settings_are_refused(url: str) -> None:
    """Opening an index with other settings names what differs and both values."""
    namespace = uuid.uuid4().hex
    with Deduper(url, namespace=namespace, threshold=0.7) as first:
        with pytest.raises(
            IndexMismatchError, match=r"threshold=0\.7, and is opened with thr.*0\.5"
        ):
            Deduper(url, namespace=namespace)
        with client.Redis.from_url(url) as server:
            server.hset(f"dedup:{{{namespace}}}:head", "format", "99")
        with pytest.raises(IndexMismatchError, match="has format 99, this dedup writes 3"):
            Deduper(url, namespace=namespace, threshold=0.7)
        with client.Redis.from_url(url) as server:
            server.hset(f"dedup:{{{namespace}}}:head", "format", "3")
        first.clear()


def test_namespaces_are_apart(url: str) -> None:
    """What one namespace holds, another does not see, and clearing one leaves the other."""
    one, two = (Deduper(url, namespace=uuid.uuid4().hex) for _ in range(2))
    one.check(A, page="p")
    assert not two.check(A, page="q").repeats
    one.clear()
    assert two.lookup(A).repeats
    two.clear()
    one.close()
    two.close()


def test_another_client_clears(url: str) -> None:
    """An index that somebody cleared goes on empty."""
    namespace = uuid.uuid4().hex
    with Deduper(url, namespace=namespace) as one, Deduper(url, namespace=namespace) as two:
        one.check(A, page="p")
        two.clear()
        with client.Redis.from_url(url) as server:
            server.delete(f"dedup:{{{namespace}}}:head")
        assert not one.check(A, page="q").repeats
        assert one.stats().originals == 1
        one.clear()


def test_clear_errors(valkey: str) -> None:
    """What can go wrong with a server is said in one line with the remedy, without passwords."""
    with pytest.raises(IndexFailure, match="cannot be reached: see that it runs"):
        Deduper("redis://127.0.0.1:1/0")
    with pytest.raises(SettingsError, match="braces"):
        Deduper(valkey, namespace="a{b}")
    namespace = uuid.uuid4().hex
    with client.Redis.from_url(valkey) as server:
        server.set(f"dedup:{{{namespace}}}:head", "x")
        with pytest.raises(IndexFailure, match="use another namespace"):
            Deduper(valkey, namespace=namespace)
        server.delete(f"dedup:{{{namespace}}}:head")
        server.acl_setuser(
            "reader", enabled=True, nopass=True, keys=["*"], commands=["+get", "+hello", "+client"]
        )
    port = valkey.rsplit(":", 1)[1]
    with pytest.raises(IndexFailure, match="does not let this user run scripts") as caught:
        Deduper(f"redis://reader:secret@127.0.0.1:{port}")
    assert "secret" not in str(caught.value)


def test_long_page_ids(valkey: str) -> None:
    """A page id may be long; one too long for the layout is refused before anything is written."""
    with Deduper(valkey, namespace=uuid.uuid4().hex) as deduper:
        assert not deduper.check(A, page="x" * 60_000).repeats
        with pytest.raises(IndexFailure, match="has 70,000 bytes: an index in Redis takes ids"):
            deduper.check(B, page="y" * 70_000)
        assert deduper.stats().pages == 1
        deduper.clear()


def test_a_full_server_changes_nothing(redis_servers: Servers) -> None:
    """A server without memory refuses clearly, and what it holds stays whole."""
    server = start_standalone(redis_servers.get("valkey", start_standalone).kind)
    try:
        with Deduper(server.url) as deduper:
            deduper.check(A, page="p")
            before = keys_of(server.url, "default").keys()
            server.admin.config_set("maxmemory", 1)
            with pytest.raises(IndexFailure, match="no memory left: raise its maxmemory"):
                deduper.check(f"{B}\n\n{TEASER}", page="q")
            server.admin.config_set("maxmemory", 0)
            assert keys_of(server.url, "default").keys() == before
            assert deduper.check(A, page="q").repeats
    finally:
        server.stop()


def test_servers_that_cannot_serve(redis_servers: Servers) -> None:
    """A missing password, a replica and a server that evicts are each told in their own words."""
    kind = redis_servers.get("valkey", start_standalone).kind
    locked = start_standalone(kind, password="secret")  # noqa: S106 - of this test alone
    replica = start_standalone(kind, replicaof=("127.0.0.1", str(locked.port)))
    evicting = start_standalone(kind, maxmemory_policy="allkeys-lru")
    try:
        with pytest.raises(IndexFailure, match="wants a password") as caught:
            Deduper(f"redis://127.0.0.1:{locked.port}/0")
        assert "secret" not in str(caught.value)
        with pytest.raises(IndexFailure, match="wants another user or password") as caught:
            Deduper(f"redis://default:wrong@127.0.0.1:{locked.port}/0")
        assert "wrong" not in str(caught.value)
        with pytest.raises(IndexFailure, match="is a read-only replica: use the primary"):
            Deduper(replica.url)
        with pytest.warns(IndexWarning, match="allkeys-lru a full server throws away parts"):
            Deduper(evicting.url).close()
    finally:
        for server in (locked, replica, evicting):
            server.stop()


def test_forgetting_leaves_nothing(url: str) -> None:
    """After all pages are forgotten no field is left but those of the head, and no memory."""
    pages = many_pages(80)
    with Deduper(url, namespace=uuid.uuid4().hex) as shared:
        shared.check(A, page="p")
        shared.forget("p")
        before = keys_of(url, shared.namespace)
        list(shared.check_many(pages))
        list(shared.check_many(pages[::3]))
        assert len(keys_of(url, shared.namespace)) > 3
        for _, page in pages:
            assert shared.forget(page)
        after = keys_of(url, shared.namespace)
        assert after.keys() == before.keys()
        assert sum(after.values()) <= sum(before.values()) + 64
        shared.clear()


def test_candidates_are_those_of_the_index_in_memory(valkey: str) -> None:
    """New pages of templated text are compared with as many originals, whatever the batches."""
    chosen = random.Random(3)
    words = [f"word{number}" for number in range(400)]
    phrases = [" ".join(chosen.choices(words, k=12)) for _ in range(20)]
    pages = [
        (
            "\n\n".join(
                f"{chosen.choice(phrases)} {' '.join(chosen.choices(words, k=9))}"
                for _ in range(10)
            ),
            f"p{number}",
        )
        for number in range(40)
    ]
    for batch in (1, 7, 40):
        with Deduper(valkey, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
            found = [report.candidates for report in shared.check_many(pages, batch_pages=batch)]
            assert found == [report.candidates for report in local.check_many(pages)]
            assert sum(map(sum, found)) > 400
            shared.clear()


def test_most_repeated_of_many(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that are scanned in several steps give the ranks that the index in memory gives."""
    monkeypatch.setattr(redis_reading, "SCANNED", 50)
    monkeypatch.setattr(redis_reading, "PART", 7)
    steps: list[Command] = []
    run_command = RedisIndex._run

    def noted(index: RedisIndex, command: Command) -> Any:
        steps.append(command)
        return run_command(index, command)

    monkeypatch.setattr(RedisIndex, "_run", noted)
    pages = many_pages(900)
    with Deduper(valkey, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        list(shared.check_many(pages))
        list(local.check_many(pages))
        steps.clear()
        found = counted(shared.most_repeated(30))
        every = counted(local.most_repeated(10_000))
        assert [each[2:] for each in found] == [each[2:] for each in every[:30]]
        assert set(found) <= set(every)
        names = [command.arguments[0] for command in steps]
        assert len(every) > 512  # fewer may come in one step, however many are asked for
        assert names.count("HSCAN") > 5
        most = max(len(command.arguments) for command in steps if command.arguments[0] == "HMGET")
        assert most <= 2 + 7
        shared.clear()


def test_a_cluster_from_any_of_its_nodes(redis_servers: Servers) -> None:
    """A URL may name several nodes of a cluster, some of which are gone."""
    url = redis_servers.get("valkey", start_cluster).url
    several = url.replace("://", "://127.0.0.1:1,", 1)

    async def check() -> bool:
        async with AsyncDeduper(several, namespace=namespace) as deduper:
            return bool((await deduper.check(A, "q")).repeats)

    namespace = uuid.uuid4().hex
    with Deduper(several, namespace=namespace) as deduper:
        deduper.check(A, page="p")
        assert asyncio.run(check())
        deduper.clear()
    with pytest.raises(SettingsError, match=r"write redis\+sentinel://host:26379"):
        Deduper(f"{url},nowhere")


# ---- what is kept --------------------------------------------------------------------------------


def test_keys_alone(url: str) -> None:
    """With keep="keys" an index is leaner, finds exact and near repeats, and says it is unsure."""
    # Blocks of some length: what short ones save is within the error of the server's own estimate.
    pages = [(content.replace("\n\n", " "), page) for content, page in many_pages(300)]
    sizes = {}
    for keep in ("keys", "traces"):
        with Deduper(url, namespace=uuid.uuid4().hex, keep=keep) as shared:
            list(shared.check_many(pages))
            sizes[keep] = shared.stats().bytes
            shared.check(f"{LONG}\n\n{B}", page="p")
            report = shared.check(f"{LONG.replace('maker', 'firm')}\n\n{B}", page="q")
            near, exact = (block.repeat for block in report.repeats)
            assert near
            assert exact
            assert (near.kind, near.verified, exact.kind) == ("near", keep == "traces", "exact")
            assert 0.5 <= near.similarity < 1
            again = shared.check(f"{LONG}\n\n{B}", page="p")
            assert not again.repeats
            # A third of the words in common, which is some keys, and not near.
            words = LONG.split()
            other = [word[::-1] + "x" for word in words]
            phrase = " ".join(other[:10] + words[10:30] + other[30:])
            assert not shared.check(phrase, page="r").repeats
            assert shared.forget("r")
            assert entries(shared, "p") == [(0, True, "p", 0), (1, True, "p", 1)]
            assert shared.forget("p")
            assert not shared.lookup(LONG).repeats or keep == "keys"
            shared.clear()
    assert sizes["keys"] < 0.9 * sizes["traces"]
