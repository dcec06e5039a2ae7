"""The index in Redis when things go wrong: killed clients, lost replies, failing servers.

Eight processes check the same blocks at once, near-duplicates among them, each in an order of its
own and under page ids of its own. The claim: every group of similar blocks has exactly one survivor
(the block that is the original; all the others are repeats of it), and no process sees an error; on
one server and on a cluster; when a process is killed and its pages are checked again; when replies
are lost and commands are sent twice; and while the primary changes.

Only the public API is used, nothing of how the index lies in Redis, and nothing depends on speed.

`DEDUP_TEST_CRASH_BLOCKS` is how many blocks each of the eight processes checks. The full scale:

    DEDUP_TEST_CRASH_BLOCKS=20000 pytest tests/test_redis_crash.py
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import multiprocessing
import os
import random
import select
import signal
import socket
import socketserver
import threading
import time
import traceback
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from server_groups import Cluster, SentinelTrio, Servers, start_cluster, start_sentinel
from servers import HOST, ServerKind, start_standalone, wait_until
from test_index import facts, jaccard

from dedup import Deduper, IndexFailure, Report

BLOCKS = int(os.environ.get("DEDUP_TEST_CRASH_BLOCKS", "300"))
PROCESSES = 8
PATIENCE = 60 + PROCESSES * BLOCKS / 200
"""Seconds after which a process is taken to hang: far more than a slow machine needs."""

STORES: dict[str, tuple[str, Callable[[ServerKind], Any]]] = {
    "valkey": ("valkey", start_standalone),
    "redis-6": ("redis-6", start_standalone),
    "cluster": ("valkey", start_cluster),
    "sentinel": ("valkey", start_sentinel),
}


# ---- what is checked -----------------------------------------------------------------------------

_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
_WORDS = [first + second for first in _SYLLABLES for second in _SYLLABLES]

Place: TypeAlias = tuple[str, int]
"""Where a block stands: page id and position."""


def versions_of_one_text(rng: random.Random) -> list[str]:
    """A text of 12 to 40 words and near-duplicates of it, all of them alike.

    Any two differ at the same one or two words, so in four 2-shingles at most of 29 or more, or in
    two of 13 or more: their similarity is over .7.
    """
    words = rng.choices(_WORDS, k=rng.randint(12, 40))
    spots = rng.sample(range(len(words)), max(1, len(words) // 14))
    others = rng.sample(_WORDS, k=len(spots) * rng.randint(3, 5))
    versions = [words]
    while others:
        version = list(words)
        for spot in spots:
            version[spot] = others.pop()
        versions.append(version)
    return [" ".join(version) for version in versions]


def found_alike(groups: Sequence[list[str]]) -> list[list[str]]:
    """The groups of which any two versions are found to be alike, whichever comes first.

    A finder that compares by keys misses one pair in some ten thousand, in memory as in Redis; here
    the question is what becomes of those that it finds.
    """
    missed: set[int] = set()
    for first in range(max(map(len, groups))):
        turned = [group[first % len(group) :] + group[: first % len(group)] for group in groups]
        with Deduper() as deduper:
            list(deduper.check_many((group[0], str(at)) for at, group in enumerate(turned)))
            others = [("\n\n".join(group[1:]), f"{at}+") for at, group in enumerate(turned)]
            for at, report in enumerate(deduper.check_many(others)):
                sources = {block.repeat and block.repeat.original.page for block in report.blocks}
                if sources != {str(at)}:
                    missed.add(at)
    return [group for at, group in enumerate(groups) if at not in missed]


class Text(NamedTuple):
    """A block to check, and the number of its group."""

    group: int
    text: str


@functools.cache
def texts_of(count: int, seed: int) -> list[Text]:
    """So many blocks in groups: the versions of a text, and exact copies of some of them."""
    rng = random.Random(seed)
    texts: list[Text] = []
    number = 0
    while len(texts) < count:
        for group in found_alike([versions_of_one_text(rng) for _ in range(count // 8 + 1)]):
            copies = rng.choices(group, k=rng.randint(2, 5))
            texts += [Text(number, text) for text in group + copies]
            number += 1
    return texts[:count]


@dataclass(frozen=True)
class Work:
    """The same blocks for every process, on pages of its own.

    Attributes:
        count: how many blocks.
        seed: what they, and all orders, are drawn from.
    """

    count: int = BLOCKS
    seed: int = 1

    @property
    def groups(self) -> int:
        """How many groups there are: the last block is of the last one."""
        return texts_of(self.count, self.seed)[-1].group + 1

    def pages(self, number: int) -> dict[str, list[Text]]:
        """The pages of process `number`, one to six blocks each, in its order."""
        rng = random.Random(f"{self.seed}/{number}")
        left = texts_of(self.count, self.seed).copy()
        rng.shuffle(left)
        pages: dict[str, list[Text]] = {}
        while left:
            size = rng.randint(1, 6)
            pages[f"{number}/{len(pages)}"], left = left[:size], left[size:]
        return pages

    def contents(self, number: int) -> list[tuple[str, str]]:
        """The same as text pages: content and id."""
        return [
            ("\n\n".join(block.text for block in blocks), page)
            for page, blocks in self.pages(number).items()
        ]


# ---- the processes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What one process does.

    Attributes:
        url: of the index.
        namespace: of the index.
        number: of the process whose pages they are.
        pages: content and id of each.
        log: file to which a line a page goes when it has been checked: its id, and of each block
            the place of its original, or null where it is new.
        batch_pages: pages that go through together.
        until_told: check the pages over and over, until the process is told that it is enough.
        may_fail: go on with the next pages when the index fails.
    """

    url: str
    namespace: str
    number: int
    pages: Sequence[tuple[str, str]]
    log: Path
    batch_pages: int = 16
    until_told: bool = False
    may_fail: bool = False

    def run(self, orders: Connection) -> None:
        """Open the index, say that all is ready, and work on command."""
        pages = self.pages
        with (
            Deduper(self.url, namespace=self.namespace) as deduper,
            self.log.open("a", encoding="utf-8") as log,
        ):
            orders.send("ready")
            orders.recv()
            allowed = [IndexFailure] if self.may_fail else []
            while True:
                for first in range(0, len(pages), self.batch_pages):
                    with contextlib.suppress(*allowed):
                        _check(deduper, pages[first : first + self.batch_pages], log)
                if not self.until_told or orders.poll():
                    break
            if self.until_told:
                orders.recv()


def _check(deduper: Deduper, pages: Sequence[tuple[str, str]], log: Any) -> None:
    for report in deduper.check_many(pages, batch_pages=len(pages)):
        if report.error:
            raise report.error
        found = [
            block.repeat and (block.repeat.original.page, block.repeat.original.position)
            for block in report.blocks
        ]
        log.write(json.dumps((report.page, found)) + "\n")
    log.flush()


def _work(orders: Connection) -> None:
    """The life of a process: tasks until the suite ends, whether it says so or not."""
    with contextlib.suppress(EOFError):
        while True:
            task: Task = orders.recv()
            try:
                task.run(orders)
                orders.send("")
            except Exception:  # noqa: BLE001 - whatever it is, the test shows it
                orders.send(traceback.format_exc())


class Hand:
    """One process, as the suite sees it."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._orders, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, order: Task | str) -> None:
        """Tell it what to do."""
        self._orders.send(order)

    def hear(self) -> str:
        """What it says next."""
        if not self._orders.poll(PATIENCE):
            raise TimeoutError(f"a process said nothing for {PATIENCE} s")
        said: str = self._orders.recv()
        return said

    def kill(self) -> None:
        """End it by SIGKILL, wherever it is."""
        self._process.kill()
        self._process.join()
        self._orders.close()
        assert self._process.exitcode == -signal.SIGKILL


class Crew:
    """Processes that live through all tests, since starting them takes longest: one to spare."""

    def __init__(self) -> None:
        self._idle = [Hand() for _ in range(PROCESSES + 1)]
        self._busy: dict[int, Hand] = {}

    def begin(self, tasks: Sequence[Task]) -> None:
        """Let every task begin at the same moment, each by a process of its own."""
        hands, self._idle = self._idle[: len(tasks)], self._idle[len(tasks) :]
        self._busy |= {task.number: hand for task, hand in zip(tasks, hands, strict=True)}
        for task, hand in zip(tasks, hands, strict=True):
            hand.send(task)
        for hand in hands:
            assert (said := hand.hear()) == "ready", said
        for hand in hands:
            hand.send("go")

    def tell(self) -> None:
        """Say to all that it is enough."""
        for hand in self._busy.values():
            hand.send("enough")

    def end(self) -> None:
        """Wait until all have done their tasks, none of them with an error."""
        said = [hand.hear() for hand in self._busy.values()]
        assert not any(said), "\n".join(said)
        self._idle += self._busy.values()
        self._busy.clear()

    def kill(self, number: int) -> None:
        """Kill the process that has this number's task, and start another one for later."""
        self._busy.pop(number).kill()
        self._idle.append(Hand())

    def recover(self) -> None:
        """Replace those that a failed test left at work."""
        for number in list(self._busy):
            self.kill(number)

    def dismiss(self) -> None:
        """End all processes."""
        for hand in (*self._idle, *self._busy.values()):
            hand.kill()


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """The processes."""
    crew = Crew()
    yield crew
    crew.dismiss()


# ---- what is claimed -----------------------------------------------------------------------------


def totals(deduper: Deduper) -> tuple[int, int, int]:
    """How many pages, originals and repeats the index holds."""
    held = deduper.stats()
    return held.pages, held.originals, held.repeats


class Run:
    """Work on an empty index of its own, and what has been said about it."""

    def __init__(self, crew: Crew, url: str, folder: Path, work: Work) -> None:
        self.crew = crew
        self.url = url
        self.work = work
        self.namespace = uuid.uuid4().hex
        self._folder = folder
        self._group_of = {
            (page, position): block.group
            for number in range(PROCESSES)
            for page, blocks in work.pages(number).items()
            for position, block in enumerate(blocks)
        }

    def log(self, number: int, name: str) -> Path:
        """Where process `number` reports during the pass of that name."""
        return self._folder / f"{name}-{number}.jsonl"

    def task(self, number: int, name: str, **options: Any) -> Task:
        """A pass of process `number`."""
        where: dict[str, Any] = {
            "url": self.url,
            "namespace": self.namespace,
            "log": self.log(number, name),
        }
        return Task(number=number, pages=self.work.contents(number), **(where | options))

    def begin(self, name: str, **options: Any) -> None:
        """Let all eight check their pages."""
        self.crew.begin([self.task(number, name, **options) for number in range(PROCESSES)])

    def pages_checked(self, name: str, *numbers: int) -> int:
        """How many pages have been reported so far."""
        logs = (self.log(number, name) for number in numbers)
        return sum(log.read_bytes().count(b"\n") for log in logs if log.exists())

    @functools.cached_property
    def pages(self) -> int:
        """How many pages all processes have."""
        return sum(len(self.work.pages(number)) for number in range(PROCESSES))

    def assert_totals(self) -> None:
        """The index holds every page, one original of each group, and the rest as repeats."""
        rest = PROCESSES * self.work.count - self.work.groups
        with Deduper(self.url, namespace=self.namespace) as deduper:
            assert totals(deduper) == (self.pages, self.work.groups, rest)

    def survivors(self, name: str) -> dict[int, Place]:
        """The survivor of each group, from the reports of a pass by all.

        Every block was reported, exactly one of each group as new, and all the others as repeats of
        that one; where pages were checked several times, every time.
        """
        new: dict[int, set[Place]] = defaultdict(set)
        originals: dict[int, set[Place]] = defaultdict(set)
        reported: set[Place] = set()
        for number in range(PROCESSES):
            for line in self.log(number, name).read_text(encoding="utf-8").splitlines():
                page, found = json.loads(line)
                for position, original in enumerate(found):
                    place = (page, position)
                    reported.add(place)
                    group = self._group_of[place]
                    if original is None:
                        new[group].add(place)
                    else:
                        assert tuple(original) != place
                        originals[group].add(tuple(original))
        assert reported == self._group_of.keys()
        torn = {
            group: (new[group], originals[group])
            for group in range(self.work.groups)
            if len(new[group]) != 1 or originals[group] != new[group]
        }
        assert not torn, f"{len(torn)} groups, the first: {next(iter(torn.items()))}"
        return {group: next(iter(places)) for group, places in new.items()}

    def assert_settled(self) -> dict[int, Place]:
        """One survivor a group, says the index; and checking all once more changes nothing.

        Returns the survivors.
        """
        self.assert_totals()
        name = f"again {uuid.uuid4().hex}"
        self.begin(name)
        self.crew.end()
        self.assert_totals()
        return self.survivors(name)

    def clear(self) -> None:
        """Leave nothing in the store."""
        with Deduper(self.url, namespace=self.namespace) as deduper:
            deduper.clear()


@pytest.fixture
def start(crew: Crew, redis_servers: Servers, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Makes the run of a test, `start(store, seed)`; what it leaves is cleared afterwards."""
    runs: list[Run] = []

    def start(store: str, seed: int = 1) -> Run:
        url = redis_servers.get(*STORES[store]).url
        runs.append(Run(crew, url, tmp_path, Work(seed=seed)))
        return runs[-1]

    yield start
    crew.recover()
    for run in runs:
        run.clear()


# ---- nothing fails -------------------------------------------------------------------------------


def test_groups_are_what_they_are_said_to_be() -> None:
    """Nearly all groups are found alike, and any two versions have a similarity over .7."""
    rng = random.Random(1)
    groups = [versions_of_one_text(rng) for _ in range(400)]
    assert len(found_alike(groups)) >= 396
    for group in groups[:50]:
        for first, second in itertools.combinations(group, 2):
            assert jaccard(first, second) > 0.7


@pytest.mark.parametrize("store", ["valkey", "redis-6", "cluster"])
def test_one_survivor_of_each_group(start: Callable[..., Run], store: str) -> None:
    """Eight processes at once leave one survivor of each group, and checking again changes none."""
    run = start(store)
    run.begin("first")
    run.crew.end()
    assert run.survivors("first") == run.assert_settled()


# ---- a process dies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "seed"), [("valkey", 2), ("valkey", 3), ("redis-6", 4), ("cluster", 5)]
)
def test_a_process_is_killed(start: Callable[..., Run], store: str, seed: int) -> None:
    """When a process is killed and its pages are checked again, the index is as if it had lived.

    What the dead process reported is not looked at: what the index holds counts.
    """
    run = start(store, seed)
    rng = random.Random(seed)
    number = rng.randrange(PROCESSES)
    after = rng.randrange(1, len(run.work.pages(number)) * 2 // 3)
    # The one that dies takes a page at a time, and never ends by itself: it dies while it checks.
    victim = run.task(number, "first", batch_pages=1, until_told=True)
    others = [run.task(other, "first") for other in range(PROCESSES) if other != number]
    run.crew.begin([victim, *others])
    wait_until(lambda: run.pages_checked("first", number) >= after, PATIENCE, "the moment to die")
    time.sleep(rng.uniform(0, 0.02))  # waits for nothing: any step of a check may be the last
    run.crew.kill(number)
    run.crew.begin([run.task(number, "instead")])
    run.crew.end()
    run.assert_settled()


# ---- replies are lost ----------------------------------------------------------------------------


class _LossyConnection(socketserver.BaseRequestHandler):
    """Passes bytes on both ways, until a reply is to be lost: the client gets a part of it.

    The server has sent that reply, so it has run the command; the client sends it again.
    """

    server: LossyProxy

    def handle(self) -> None:
        left = self.server.replies_until_loss()
        asked = False
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection((HOST, self.server.target)) as server,
        ):
            while True:
                ready, _, _ = select.select([self.request, server], [], [])
                if self.request in ready:
                    if not (data := self.request.recv(1 << 16)):
                        return
                    asked = True
                    server.sendall(data)
                if server in ready:
                    data = server.recv(1 << 16)
                    # A long reply that comes in parts is one reply.
                    left, asked = left - asked, False
                    if not left or not data:
                        self.request.sendall(data[: self.server.part_of(data)])
                        return
                    self.request.sendall(data)


class LossyProxy(socketserver.ThreadingTCPServer):
    """A way to a server on which every connection breaks at a random moment, just before a reply.

    Attributes:
        target: the server's port.
        lost: replies lost so far.
    """

    daemon_threads = True

    def __init__(self, target: int, seed: int) -> None:
        super().__init__((HOST, 0), _LossyConnection)
        self.target = target
        self.lost = 0
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def plain_url(self) -> str:
        """How a client takes this way."""
        return f"redis://{HOST}:{self.server_address[1]}/0"

    @property
    def url(self) -> str:
        """The same with an option: what has no reply is sent again, once, whatever the reason."""
        return f"{self.plain_url}?retry_on_timeout=true"

    def replies_until_loss(self) -> int:
        """How many replies a connection lives.

        Some are to the client's greetings, and one to what it sends again: that is not lost twice.
        """
        with self._lock:
            return self._rng.randint(8, 30)

    def part_of(self, reply: bytes) -> int:
        """How many bytes of a lost reply still arrive: often none."""
        with self._lock:
            self.lost += 1
            return self._rng.choice([0, self._rng.randrange(len(reply) or 1)])


@pytest.fixture
def lossy(redis_servers: Servers) -> Iterator[LossyProxy]:
    """A lossy way to a server."""
    port = redis_servers.get(*STORES["valkey"]).port
    with LossyProxy(port, seed=6) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


def verdicts(report: Report) -> list[tuple[object, ...]]:
    """What a report says of each repeat, without how often and on how many pages it was seen."""
    return [fact[:-2] for fact in facts(report)]


@pytest.fixture
def pair(lossy: LossyProxy) -> Iterator[tuple[Deduper, Deduper]]:
    """A deduper whose replies are lost at random, and one in memory, both empty."""
    with Deduper(lossy.url, namespace=uuid.uuid4().hex) as shared, Deduper() as local:
        yield shared, local
        shared.clear()
        assert totals(shared) == (0, 0, 0)
    assert lossy.lost > 1  # else nothing was tested


def test_lost_replies_change_no_verdict(pair: tuple[Deduper, Deduper]) -> None:
    """A client whose replies are lost at random finds and leaves what an undisturbed one does.

    It checks pages, checks them again, checks pages that have lost blocks, looks up and forgets.
    """
    shared, local = pair
    pages = Work().contents(0)
    shorter = [(content.partition("\n\n")[2], page) for content, page in pages[::3]]
    for batch_pages, given in ((5, pages), (1, pages[:50]), (7, shorter), (5, pages)):
        mine = shared.check_many(given, batch_pages=batch_pages)
        for one, other in zip(mine, local.check_many(given), strict=True):
            assert verdicts(one) == verdicts(other)
        assert totals(shared) == totals(local)
    for content, _ in pages[:50]:
        assert facts(shared.lookup(content)) == facts(local.lookup(content))
    for _, page in pages:
        shared.forget(page)
        local.forget(page)
        assert totals(shared) == totals(local)


def test_lost_replies_change_no_counter(pair: tuple[Deduper, Deduper]) -> None:
    """Reports say how often an original had been seen, also where the reply had to be repeated."""
    shared, local = pair
    pages = Work().contents(0)
    for one, other in zip(
        shared.check_many(pages, batch_pages=5), local.check_many(pages), strict=True
    ):
        assert facts(one) == facts(other)


def test_a_lost_reply_and_forgetting(pair: tuple[Deduper, Deduper]) -> None:
    """Forgetting a page that the index knows says so, also where the reply had to be repeated."""
    shared, _ = pair
    pages = Work().contents(0)
    list(shared.check_many(pages))
    for _, page in pages:
        assert shared.forget(page)


def test_lost_replies_without_options(lossy: LossyProxy) -> None:
    """A plain URL is enough for a client to get over lost replies."""
    with Deduper(lossy.plain_url, namespace=uuid.uuid4().hex) as deduper:
        list(deduper.check_many(Work().contents(0), batch_pages=2))
        deduper.clear()
    assert lossy.lost > 5


def test_lost_replies_of_eight_processes(start: Callable[..., Run], lossy: LossyProxy) -> None:
    """Eight processes whose replies are lost at random still leave one survivor of each group."""
    run = start("valkey", seed=7)
    run.begin("first", url=lossy.url, batch_pages=4)
    run.crew.end()
    assert lossy.lost > 8
    assert run.survivors("first") == run.assert_settled()


# ---- the primary changes -------------------------------------------------------------------------


def key_of(cluster: Cluster, namespace: str) -> str:
    """A key of a namespace, whatever it is called, from the primary that has most of them."""
    primaries = [s for s in cluster.live if s.admin.info("replication")["role"] == "master"]
    held: list[list[bytes]] = [server.do("KEYS", f"*{namespace}*") for server in primaries]
    return max(held, key=len)[0].decode("ascii", "replace")


def wait_for_a_quarter(run: Run) -> None:
    """Wait until so much of the first pass is done."""
    wait_until(
        lambda: run.pages_checked("first", *range(PROCESSES)) > run.pages // 4,
        PATIENCE,
        "a quarter of the pages",
    )


def test_a_replica_takes_over(start: Callable[..., Run], redis_servers: Servers) -> None:
    """When the primary hands over to its replica, no process notices, and each group has one."""
    cluster: Cluster = redis_servers.get("valkey", start_cluster)
    run = start("cluster", seed=8)
    # They go on until it has happened, so it happens while they check.
    run.begin("first", until_told=True)
    wait_for_a_quarter(run)
    key = key_of(cluster, run.namespace)
    before = cluster.primary_of(key)
    assert cluster.fail_over(key) is not before
    run.crew.tell()
    run.crew.end()
    assert run.survivors("first") == run.assert_settled()
    cluster.wait_ready()


def test_a_primary_of_a_cluster_is_killed(
    start: Callable[..., Run], redis_servers: Servers
) -> None:
    """After the primary was killed, checking all pages once more leaves one survivor of each group.

    Replication is asynchronous: what the primary acknowledged last may be lost, whatever a client
    does. So processes may see failures, what they report is not looked at, and all pages are
    checked again.
    """
    cluster: Cluster = redis_servers.get("valkey", start_cluster)
    run = start("cluster", seed=9)
    run.begin("first", until_told=True, may_fail=True)
    wait_for_a_quarter(run)
    key = key_of(cluster, run.namespace)
    dead = cluster.kill_primary_of(key)
    try:
        assert cluster.primary_of(key) is not dead
        run.url = cluster.url  # the address of a node that lives, for clients that begin now
        finish_and_check_again(run)
    finally:
        cluster.heal()


def test_a_primary_behind_sentinels_is_killed(
    start: Callable[..., Run], redis_servers: Servers
) -> None:
    """The same when Sentinels choose the replica that takes over."""
    trio: SentinelTrio = redis_servers.get("valkey", start_sentinel)
    run = start("sentinel", seed=10)
    run.begin("first", until_told=True, may_fail=True)
    wait_for_a_quarter(run)
    dead = trio.kill_primary()
    try:
        assert trio.primary is not dead
        finish_and_check_again(run)
    finally:
        trio.heal()


def finish_and_check_again(run: Run) -> None:
    """Let the processes end, and check all pages again: twice, and the second time changes none."""
    run.crew.tell()
    run.crew.end()
    run.begin("again")
    run.crew.end()
    assert run.survivors("again") == run.assert_settled()
