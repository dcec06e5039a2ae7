"""The index in a file: it says what the index in memory says, whatever happens to its process.

What every store must do is in test_index.py and test_expiry.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_expiry import Clock
from test_index import (
    A_NEAR,
    LONG,
    SHORT,
    TEASER,
    A,
    B,
    facts,
    kinds,
    original_texts,
    page_of,
)

from dedup import (
    AsyncDeduper,
    Deduper,
    IndexFailure,
    IndexFullError,
    IndexMismatchError,
    SettingsError,
    detector,
)
from dedup.cli import run
from dedup.index import is_path, memory, sqlite, sqlite_checkpoint
from dedup.index.memory import MemoryIndex
from dedup.index.sqlite import SqliteIndex
from dedup.index.sqlite_file import IndexFile, is_index_file
from dedup.minhash import MinHashes

TEXTS = [A, B, LONG, TEASER, A_NEAR, SHORT, LONG.replace("maker", "firm"), B.replace("old", "new")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test may have an index."""
    return tmp_path / "crawl.dedup"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so that two indexes see blocks at the same time."""
    monkeypatch.setattr(detector, "time", Clock())


def memory_of(deduper: Deduper) -> MemoryIndex:
    """The index in memory of a deduper over any of the two."""
    index = deduper._index
    if isinstance(index, SqliteIndex):
        return index._current()
    assert isinstance(index, MemoryIndex)
    return index


def totals(deduper: Deduper) -> tuple[int, int, int]:
    """What an index holds."""
    stats = deduper.stats()
    return stats.pages, stats.originals, stats.repeats


def told(deduper: Deduper, texts: list[str]) -> list[Any]:
    """Everything that lookups of these texts say (of the index: their own blocks are of now)."""
    answers = []
    for report in (deduper.lookup(text) for text in texts):
        repeats = [block.repeat for block in report.repeats if block.repeat]
        times = [
            (repeat.original.first_seen, repeat.original.last_seen)
            for repeat in repeats
            if repeat.scope != "page"
        ]
        answers.append((kinds(report), facts(report), times))
    return answers


def many_pages(count: int) -> list[tuple[str, str]]:
    """Pages with blocks of their own, and near and exact repeats of earlier ones."""
    words = [
        "the",
        "harbour",
        "council",
        "of",
        "that",
        "year",
        "had",
        "wanted",
        "three",
        "new",
        "cranes",
        "before",
        "spring",
    ]
    random = np.random.default_rng(7)
    pages = []
    for n in range(count):
        blocks = [" ".join(random.permutation(words)) + f" {n} {k}" for k in range(6)]
        pages.append((page_of(*blocks, A, B if n % 3 else A_NEAR, SHORT), f"https://e.example/{n}"))
    return pages


# ---- the same as in memory -----------------------------------------------------------------------


class Store(RuleBasedStateMachine):
    """Any sequence of operations on an index in memory and on one in a file that is opened anew."""

    options: ClassVar[dict[str, Any]] = {"expire_after": 100}

    def __init__(self) -> None:
        super().__init__()
        self.monkeypatch = pytest.MonkeyPatch()
        self.clock = Clock()
        self.monkeypatch.setattr(detector, "time", self.clock)
        self.monkeypatch.setattr(memory, "WORTH_COMPACTING", 12)
        self.folder = Path(f"/dev/shm/dedup-{os.getpid()}-{id(self)}")  # noqa: S108 - for speed
        if not self.folder.parent.is_dir():
            self.folder = Path(f"/tmp/dedup-{os.getpid()}-{id(self)}")  # noqa: S108
        self.folder.mkdir()
        self.kills = 0
        self.plain = Deduper(**self.options)
        self.kept = self.open()

    def open(self) -> Deduper:
        """Open the index in the file."""
        return Deduper(f"sqlite:///{self.folder}/{self.kills}.dedup", **self.options)

    def teardown(self) -> None:
        """Remove the file."""
        self.kept.close()
        self.monkeypatch.undo()
        shutil.rmtree(self.folder)

    @rule(
        pages=st.lists(
            st.tuples(st.lists(st.sampled_from(TEXTS), max_size=4), st.sampled_from("pqrs")),
            min_size=1,
            max_size=5,
        )
    )
    def check(self, pages: list[tuple[list[str], str]]) -> None:
        """Check pages together, some of them twice."""
        batch = [(page_of(*blocks), page) for blocks, page in pages]
        found, wanted = self.kept.check_many(batch), self.plain.check_many(batch)
        assert [facts(report) for report in found] == [facts(report) for report in wanted]

    @rule(page=st.sampled_from("pqrs"))
    def forget(self, page: str) -> None:
        """Forget a page."""
        assert self.kept.forget(page) == self.plain.forget(page)

    @rule(seconds=st.sampled_from([1, 20, 60, 101, -30]))
    def wait(self, seconds: int) -> None:
        """Let time pass, or set the clock back."""
        self.clock.wait(seconds)

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again."""
        self.kept.close()
        self.kept = self.open()

    @rule()
    def kill(self) -> None:
        """Go on with what a process that was killed now would leave."""
        for name in (f"{self.kills}.dedup", f"{self.kills}.dedup-wal"):
            if (self.folder / name).exists():
                new = name.replace(str(self.kills), str(self.kills + 1), 1)
                shutil.copy(self.folder / name, self.folder / new)
        self.kept.close()
        self.kills += 1
        self.kept = self.open()

    @rule()
    def compact(self) -> None:
        """Replace the log."""
        index = self.kept._index
        assert isinstance(index, SqliteIndex)
        index.compact()

    @rule()
    def clear(self) -> None:
        """Remove everything."""
        self.kept.clear()
        self.plain.clear()

    @invariant()
    def equal(self) -> None:
        """Whatever can be asked has one answer."""
        assert totals(self.kept) == totals(self.plain)
        assert told(self.kept, TEXTS) == told(self.plain, TEXTS)
        for page in "pqrs":
            assert self.kept.page(page) == self.plain.page(page)
        assert self.kept.most_repeated() == self.plain.most_repeated()


class BandedStore(Store):
    """The same with the other family of keys, and originals that are known by values alone."""

    options: ClassVar[dict[str, Any]] = {"lsh": "banded", "num_perm": 64, "expire_after": 100}

    @rule(page=st.sampled_from("pqrs"), blocks=st.lists(st.sampled_from(TEXTS), max_size=3))
    def bring_values(self, page: str, blocks: list[str]) -> None:
        """Add MinHash values."""
        values = MinHashes.of(blocks, num_perm=64).values
        for deduper in (self.kept, self.plain):
            deduper.add_minhashes(values, [page] * len(values))


class TestStore(Store.TestCase):  # type: ignore[misc,valid-type]
    """Runs the machine."""

    settings = settings(max_examples=30, stateful_step_count=15, deadline=None)


class TestBandedStore(BandedStore.TestCase):  # type: ignore[misc,valid-type]
    """Runs the other machine."""

    settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_opened_again_the_arrays_are_the_same(path: Path) -> None:
    """Doing the changes again makes the records and entries that were there, bit for bit."""
    pages = many_pages(40)
    with Deduper(f"sqlite:///{path}") as deduper:
        list(deduper.check_many(pages, batch_pages=7))
        list(deduper.check_many([(content[:200], page) for content, page in pages[::3]]))
        before = memory_of(deduper)
    with Deduper(str(path)) as deduper:
        after = memory_of(deduper)
    used = before._used_units
    assert np.array_equal(before._tables.state, after._tables.state)
    assert np.array_equal(before._tables.arena[:used], after._tables.arena[:used])
    assert before._log.names == after._log.names
    for number in range(len(after._log.names)):
        assert np.array_equal(before._log.of(number), after._log.of(number))


def test_any_page_id_is_kept(path: Path) -> None:
    """Page ids may be any string, lone surrogates, quotes and nothing at all included."""
    ids = ["", "'\"\\", "\ud800", "日本\n\0", "x" * 100_000]
    for _ in range(2):
        with Deduper(str(path)) as deduper:
            for page in ids:
                assert len(deduper.check(page_of(A, f"{B} {ids.index(page)}"), page).blocks) == 2
            assert deduper.stats().pages == len(ids)
    with Deduper(str(path)) as deduper:
        assert all(deduper.forget(page) for page in ids)


def test_values_in_several_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many MinHash values go into several rows, pages whole, and are there in the end."""
    monkeypatch.setattr(sqlite, "MINHASH_BYTES", 3 * 4 * 128)
    values = MinHashes.of([f"{B} number {n} of them" for n in range(20)], num_perm=128).values
    pages = [f"p{n // 5}" for n in range(10)] + [f"q{n}" for n in range(10)]
    with Deduper(str(path), lsh="banded") as deduper, Deduper(lsh="banded") as plain:
        for each in (deduper, plain):
            each.add_minhashes(values, pages)
        wanted = told(plain, [f"{B} number {n} of them" for n in range(20)])
    with Deduper(str(path), lsh="banded") as deduper:
        assert told(deduper, [f"{B} number {n} of them" for n in range(20)]) == wanted


# ---- killed --------------------------------------------------------------------------------------

WORKER = """
import json, sys
from dedup import Deduper
from dedup.index import sqlite_checkpoint
sqlite_checkpoint.ENOUGH_BYTES = 100_000  # some checkpoints are under way
path, pages, batch, compacts = sys.argv[1:]
deduper = Deduper(path)
with open(pages) as file:
    pages = json.load(file)
for report in deduper.check_many(pages, batch_pages=int(batch)):
    print(report.page, flush=True)
while compacts == "True":
    deduper._index.compact()
    print("compacted", flush=True)
"""


@pytest.fixture
def pages_file(tmp_path: Path) -> Path:
    """200 pages in a file, for processes that need not know how they are made."""
    file = tmp_path / "pages.json"
    file.write_text(json.dumps(many_pages(200)), encoding="utf-8")
    return file


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A process of its own that runs some code."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


@pytest.mark.parametrize("batch", [1, 16])
def test_killed_at_any_moment(path: Path, pages_file: Path, batch: int) -> None:
    """Killed again and again, an index has every page whose report was out; the end is the same."""
    pages = many_pages(200)
    random = np.random.default_rng(batch)
    for _ in range(2):
        with start(WORKER, path, pages_file, batch, False) as worker:
            assert worker.stdout
            acknowledged = [worker.stdout.readline() for _ in range(int(random.integers(1, 180)))]
            worker.kill()
            acknowledged += worker.stdout.readlines()
        with Deduper(str(path)) as deduper:
            names = memory_of(deduper)._log.numbers
            # The last line may be torn.
            assert {line.decode().strip() for line in acknowledged if line.endswith(b"\n")} <= set(
                names
            )
    texts = [content for content, _ in pages[::17]]
    with Deduper(str(path)) as deduper, Deduper() as undisturbed:
        for each in (deduper, undisturbed):
            list(each.check_many(pages, batch_pages=batch))
        assert totals(deduper) == totals(undisturbed)
        assert [facts(deduper.lookup(text)) for text in texts] == [
            facts(undisturbed.lookup(text)) for text in texts
        ]


def test_killed_while_compacting(path: Path, pages_file: Path) -> None:
    """Killed while its log is replaced, an index is whole."""
    with Deduper() as undisturbed:
        list(undisturbed.check_many(many_pages(200)))
        wanted = totals(undisturbed)
    for turn in range(3):
        with start(WORKER, path, pages_file, 50, True) as worker:
            assert worker.stdout
            while worker.stdout.readline() != b"compacted\n":
                pass
            for _ in range(turn):
                worker.stdout.readline()
            worker.kill()
        with Deduper(str(path)) as deduper:
            assert totals(deduper) == wanted
            assert deduper.lookup(A).repeats


# ---- one writer ----------------------------------------------------------------------------------


def test_one_writer(path: Path) -> None:
    """A second writer is told who has the index, here or elsewhere; others may read."""
    code = f"import dedup; d = dedup.Deduper({str(path)!r}); print('open', flush=True); input()"
    with start(code) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"open\n"
        who = f"open in process {worker.pid}: one at a time.*Redis"
        with pytest.raises(IndexFailure, match=who):
            Deduper(str(path))
        with Deduper(f"sqlite:///{path}?mode=ro") as reader:
            assert reader.stats().pages == 0
        with Deduper(str(path), namespace="another") as other:
            other.check(A, "p")
        worker.kill()
    with Deduper(str(path)) as deduper:
        deduper.check(A, "p")
        with pytest.raises(IndexFailure, match="open in this process"):
            Deduper(str(path))
        assert deduper.check(A, "q").repeats
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_reader_sees_a_moment(path: Path) -> None:
    """Who opens an index for lookups sees what it has then, hinders nobody, and changes nothing."""
    with Deduper(str(path)) as writer:
        writer.check(A, "p")
        with Deduper(f"sqlite:///{path}?mode=ro") as reader:
            writer.check(B, "q")
            assert reader.lookup(A).repeats
            assert not reader.lookup(B).repeats
            assert reader.stats().pages == 1
            for change in (lambda: reader.check(B, "r"), lambda: reader.forget("p"), reader.clear):
                with pytest.raises(IndexFailure, match=r"opened for lookups alone \(mode=ro\)"):
                    change()
        assert writer.lookup(A).repeats


def test_an_index_that_nobody_closed(path: Path) -> None:
    """An index that is dropped without being closed is closed."""
    deduper = Deduper(str(path))
    deduper.check(A, "p")
    del deduper
    with Deduper(str(path)) as again:
        assert again.lookup(A).repeats


def test_a_forked_child_leaves_it_alone(path: Path) -> None:
    """A child of the process may look up, cannot change the index, and does no harm by ending."""
    with Deduper(str(path), keep="text") as deduper:
        deduper.check(A, "p")
        child = os.fork()
        if not child:
            try:
                assert original_texts(deduper.lookup(A)) == [None]
                with pytest.raises(IndexFailure, match="only that one can write"):
                    deduper.check(B, "q")
                deduper.close()
            except BaseException:  # noqa: BLE001 - the child must end here whatever happens
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(IndexFailure, match="open in this process"):
            Deduper(str(path), keep="text")
        assert original_texts(deduper.check(page_of(A.upper(), B), "q")) == [A]
    with Deduper(str(path), keep="text") as deduper:
        assert totals(deduper) == (2, 2, 1)


def test_a_closed_index_says_so(path: Path) -> None:
    """Whatever is asked of an index that was closed is an error, and closing it again is none."""
    deduper = Deduper(str(path))
    deduper.close()
    deduper.close()
    for ask in (lambda: deduper.check(A, "p"), lambda: deduper.lookup(A), deduper.stats):
        with pytest.raises(IndexFailure, match="was closed: open it again"):
            ask()


def test_namespaces_are_apart(path: Path) -> None:
    """Namespaces of one file have settings and contents of their own, and may be open at once."""
    with (
        Deduper(str(path), namespace="a") as a,
        Deduper(str(path), namespace="b", threshold=0.9) as b,
    ):
        a.check(A, "p")
        assert not b.check(A, "p").repeats
        assert b.check(page_of(A_NEAR, A), "q").repeats[0].position == 1
        a.clear()
        assert totals(a) == (0, 0, 0)
    with Deduper(str(path), namespace="b", threshold=0.9) as b:
        assert totals(b) == (2, 2, 1)


# ---- what is no index, or not this one -----------------------------------------------------------


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    """A file that is no index, or of another format, is refused in one line and left alone."""
    (tmp_path / "page.txt").write_text(A * 40, encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    Deduper(str(path)).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for name, message in {
        "page.txt": "is no index of dedup's",
        "other.db": "is an SQLite database of something else",
        path.name: "has format 99, this dedup writes 1: use the dedup that made it, or",
        "": "is a folder: name a file in it",
        "no/x.dedup": "there is no folder .*make it first",
    }.items():
        for mode in ("", "?mode=ro"):
            with pytest.raises(IndexFailure, match=message) as caught:
                Deduper(f"sqlite:///{tmp_path / name}{mode}")
            assert "\n" not in str(caught.value)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_other_settings_are_refused(path: Path) -> None:
    """Opening an index with other settings names what differs and both values."""
    Deduper(str(path), threshold=0.7).close()
    with pytest.raises(IndexMismatchError, match=r"threshold=0\.7, and is opened with thr.*0\.5"):
        Deduper(str(path))
    with pytest.raises(IndexMismatchError, match="lsh=bottom, and is opened with lsh=banded"):
        Deduper(str(path), threshold=0.7, lsh="banded")
    with pytest.raises(IndexFailure, match="has no namespace 'x': it has 'default'"):
        Deduper(f"sqlite:///{path}?mode=ro", namespace="x")
    assert SqliteIndex.stored_settings(f"sqlite:///{path}", "default").threshold == 0.7  # type: ignore[union-attr]
    assert SqliteIndex.stored_settings(f"sqlite:///{path}", "other") is None
    assert SqliteIndex.stored_settings(f"sqlite:///{path}x", "default") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_files_that_cannot_be_written(path: Path) -> None:
    """A file or folder that cannot be written to is named; lookups work all the same."""
    with Deduper(str(path)) as deduper:
        deduper.check(A, "p")
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(IndexFailure, match="cannot be written to: see to its permissions"):
            Deduper(str(path))
        with Deduper(f"sqlite:///{path}?mode=ro") as reader:
            assert reader.lookup(A).repeats
        path.chmod(0o600)
        with pytest.raises(IndexFailure, match="permissions of it and of its folder"):
            Deduper(str(path))
    finally:
        path.parent.chmod(0o700)


def test_an_index_is_known_by_its_first_bytes(path: Path) -> None:
    """A file says that it is an index, from the moment that it is there."""
    with Deduper(str(path)):
        assert is_index_file(path.read_bytes()[:100])
    assert is_index_file(path.read_bytes()[:72])
    assert not is_index_file(b"SQLite format 3\0" + bytes(84))
    assert not is_index_file(b"")


# ---- damage --------------------------------------------------------------------------------------


@pytest.fixture
def whole(path: Path) -> tuple[bytes, list[Any]]:
    """The bytes of an index in a file, and what it says."""
    with Deduper(str(path)) as deduper:
        list(deduper.check_many(many_pages(30), batch_pages=3))
        deduper.forget("https://e.example/3")
        said = [totals(deduper), told(deduper, [content for content, _ in many_pages(30)])]
    return path.read_bytes(), said


def test_a_flipped_bit_is_never_a_wrong_verdict(path: Path, whole: tuple[bytes, list[Any]]) -> None:
    """With any bit flipped, an index gives the same answers or says that it is damaged."""
    content, said = whole
    random = np.random.default_rng(3)
    refused = 0
    for place in random.integers(100, len(content), 60).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            with Deduper(f"sqlite:///{path}?mode=ro") as deduper:
                texts = [content for content, _ in many_pages(30)]
                assert [totals(deduper), told(deduper, texts)] == said
        except IndexFailure as error:
            refused += 1
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right
    assert refused > 10


def test_a_damaged_batch_is_named(path: Path, whole: tuple[bytes, list[Any]]) -> None:
    """What is damaged, what is whole and what to do is said; so it is of rows that are missing."""
    content, _ = whole
    pieces = content.split(b'["https://e.example/12",')
    path.write_bytes(pieces[0] + b'["https://f.example/12",' + pieces[1])
    said = r"is damaged: batch 5 of 11 of namespace 'default' has another checksum; the 4 before it"
    with pytest.raises(IndexFailure, match=said):
        Deduper(str(path))
    for query, batch in {
        "DELETE FROM log WHERE batch = 11": 11,
        "DELETE FROM log WHERE batch = 2": 2,
        "UPDATE log SET namespace = 9 WHERE batch = 11": 11,
        "UPDATE log SET now = now + 1 WHERE batch = 7": 7,
        "UPDATE log SET pages = 'x' WHERE batch = 7": 7,
        "UPDATE namespaces SET header = replace(header, '0.8', '0.8 ')": 1,
    }.items():
        path.write_bytes(content)
        with sqlite3.connect(path) as connection:
            connection.execute(query)
        connection.close()
        with pytest.raises(IndexFailure, match=f"is damaged: batch {batch} of 11 .*before it are"):
            Deduper(str(path))


def test_a_damaged_header_is_noticed(path: Path, whole: tuple[bytes, list[Any]]) -> None:
    """Settings that cannot be read are damage, whoever asks for them."""
    assert whole
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE namespaces SET header = 'x'")
    connection.close()
    for ask in (Deduper, lambda at: SqliteIndex.stored_settings(at, "default")):
        with pytest.raises(IndexFailure, match="is damaged: namespace 'default' has no header"):
            ask(f"sqlite:///{path}")


def test_a_cut_file_is_noticed(path: Path, whole: tuple[bytes, list[Any]]) -> None:
    """A file that lost its end, or its middle, is an error."""
    content, _ = whole
    for damaged in (
        content[: len(content) // 2],
        content[:5000],
        content[:20_480] + bytes(20_480) + content[40_960:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(IndexFailure, match=f"^{re.escape(str(path))} is "):
            Deduper(f"sqlite:///{path}?mode=ro")


# ---- no room -------------------------------------------------------------------------------------


def test_no_room_on_the_disk(path: Path) -> None:
    """Where a batch has no room, it is refused, nothing of it is kept, and the index goes on."""
    pages = many_pages(60)
    with Deduper(str(path)) as deduper, Deduper() as plain:
        for each in (deduper, plain):
            list(each.check_many(pages[:10]))
        file = deduper._index._file  # type: ignore[attr-defined]
        (used,) = file._connection.execute("PRAGMA page_count").fetchone()
        file._connection.execute(f"PRAGMA max_page_count = {used + 1}")
        with pytest.raises(IndexFullError, match="has no room left on its disk"):
            list(deduper.check_many(pages[10:]))
        assert told(deduper, [A, pages[3][0], pages[30][0]]) == told(
            plain, [A, pages[3][0], pages[30][0]]
        )
        assert totals(deduper) == totals(plain)
        file._connection.execute("PRAGMA max_page_count = 100000")
        for each in (deduper, plain):
            list(each.check_many(pages))
        assert totals(deduper) == totals(plain)
        wanted = totals(plain)
    with Deduper(str(path)) as deduper:
        assert totals(deduper) == wanted


LIMITED = """
import json, resource, sys
from dedup import Deduper, IndexFailure
with open(sys.argv[2]) as file:
    pages = json.load(file)
deduper = Deduper(sys.argv[1])
deduper.check(*pages[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    list(deduper.check_many(pages, batch_pages=10))
except IndexFailure as error:
    print(error)
print(deduper.stats().pages)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
list(deduper.check_many(pages))
deduper.close()
"""


def test_a_limit_on_file_sizes(path: Path, pages_file: Path) -> None:
    """A write that the system refuses is an error, and the index goes on from what it had."""
    with start(LIMITED, path, pages_file) as worker:
        said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    error, pages = said.decode().splitlines()
    assert f"{path} is as it was before, and cannot be read or written" in error
    assert int(pages) % 10 == 0
    assert 0 < int(pages) < 200
    with Deduper(str(path)) as deduper, Deduper() as plain:
        list(plain.check_many(many_pages(200)))
        assert totals(deduper) == totals(plain)


def test_a_full_memory_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that does not fit into memory leaves memory and file as they were."""
    with Deduper(str(path)) as deduper:
        deduper.check(A, "p")
        held = memory_of(deduper)
        monkeypatch.setattr("dedup.index.tables.MAX_UNITS", 30)
        with pytest.raises(IndexFullError, match="use a namespace"):
            deduper.check(page_of(LONG, B), "q")
        assert memory_of(deduper) is held  # it was not read again
        assert deduper.lookup(A).repeats


# ---- compaction ----------------------------------------------------------------------------------


def test_compaction_gives_room_back(path: Path) -> None:
    """A compacted index is smaller, says the same, and goes on as before."""
    pages = many_pages(80)
    texts = [content for content, _ in pages[::7]]
    with Deduper(str(path)) as deduper:
        for _ in range(10):
            list(deduper.check_many(pages))
        for _, page in pages[::2]:
            deduper.forget(page)
        index = deduper._index
        assert isinstance(index, SqliteIndex)
        before, said = deduper.stats(), told(deduper, texts)
        index.compact()
        after = deduper.stats()
        assert after.disk_bytes < before.disk_bytes / 2
        assert (after.pages, after.originals, after.repeats) == totals(deduper)
        assert told(deduper, texts) == said
        list(deduper.check_many(pages[:20]))
        said = told(deduper, texts)
    assert path.stat().st_size < before.disk_bytes / 2
    with Deduper(str(path)) as deduper:
        assert told(deduper, texts) == said


def test_texts_outlive_the_process(path: Path) -> None:
    """Texts are there when an index is opened again, also after compaction, and go with pages."""
    with Deduper(str(path), keep="text") as deduper:
        list(deduper.check_many([(page_of(A, LONG), "p"), (page_of(SHORT, B), "q")]))
        deduper.check(page_of(LONG, TEASER), "p")
    for _ in range(2):
        with Deduper(str(path), keep="text") as deduper:
            index = deduper._index
            assert original_texts(deduper.lookup(page_of(B, LONG))) == [B, LONG]
            assert isinstance(index, SqliteIndex)
            index.compact()
    rows = "SELECT count(*) FROM texts"
    with Deduper(str(path), keep="text") as deduper:
        deduper.forget("q")
        with sqlite3.connect(path) as connection:
            assert connection.execute(rows).fetchone() == (1,)
        deduper.clear()
    with sqlite3.connect(path) as connection:
        assert connection.execute(rows).fetchone() == (0,)
    connection.close()


def test_a_reader_has_the_texts_of_its_moment(path: Path) -> None:
    """A reader tells no text that came after the index that it has read."""
    with Deduper(str(path), keep="text") as writer:
        list(writer.check_many([(page_of(A), "p"), (page_of(B), "q")]))
        with Deduper(f"sqlite:///{path}?mode=ro", keep="text") as reader:
            assert original_texts(reader.lookup(page_of(A, B))) == [A, B]
            writer.check(page_of(LONG, A), "p")
            assert original_texts(reader.lookup(page_of(A, B))) == [None, B]
        with Deduper(f"sqlite:///{path}?mode=ro", keep="text") as reader:
            assert original_texts(reader.lookup(page_of(A, B))) == [A, B]


def test_texts_that_could_not_be_written(path: Path) -> None:
    """An operation that fails leaves no text behind."""
    with Deduper(str(path), keep="text") as deduper:
        deduper.check(page_of(A), "p")
        index = deduper._index
        assert isinstance(index, SqliteIndex)
        file = index._file
        assert file
        used = file._connection.execute("PRAGMA page_count").fetchone()[0]
        file._connection.execute(f"PRAGMA max_page_count = {used}")
        with pytest.raises(IndexFullError):
            list(deduper.check_many([(page_of(B, A), "p"), *many_pages(50)]))
        assert original_texts(deduper.lookup(page_of(A, B))) == [A]
        file._connection.execute("PRAGMA max_page_count = 100000")
        deduper.check(page_of(B, A), "p")
        assert original_texts(deduper.lookup(page_of(A, B))) == [A, B]


def test_damaged_texts(path: Path) -> None:
    """A text that is not as it was written is an error with a remedy, and no text."""
    with Deduper(str(path), keep="text") as deduper:
        deduper.check(page_of(A), "p")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE texts SET data = substr(data, 1, length(data) - 5)")
    connection.close()
    with Deduper(str(path), keep="text") as deduper:
        with pytest.raises(IndexFailure, match="texts of the index are damaged"):
            deduper.lookup(A)
        assert deduper.check(B, "q").blocks[0].repeat is None


def test_a_log_does_not_grow_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index whose pages are checked again and again compacts itself."""
    monkeypatch.setattr(sqlite, "WORTH_COMPACTING", 50_000)
    pages = many_pages(40)
    sizes = []
    with Deduper(str(path)) as deduper:
        for turn in range(40):
            list(deduper.check_many([(f"{content} {turn}", page) for content, page in pages]))
            assert isinstance(deduper._index, SqliteIndex)
            sizes.append(deduper._index._log.size)
        assert totals(deduper)[0] == 40
    assert max(sizes) < 200_000
    assert min(sizes[20:]) < max(sizes[:20])


def test_no_room_for_a_compaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room to compact, what would have done so works all the same."""
    pages = many_pages(40)
    with Deduper(str(path)) as deduper:
        list(deduper.check_many(pages))
        said = totals(deduper)
        monkeypatch.setattr(sqlite, "WORTH_COMPACTING", 1)
        monkeypatch.setattr(sqlite, "MOST_DEAD", 0.0)

        def refuse(*_: object) -> None:
            raise IndexFullError("no room")

        deduper._index._compact_from = 1  # type: ignore[attr-defined]
        with monkeypatch.context() as full:
            full.setattr(IndexFile, "replace", refuse)
            assert deduper.check(*pages[3]).repeats
        assert totals(deduper) == said
        assert deduper.check(*pages[4]).repeats
    with Deduper(str(path)) as deduper:
        assert totals(deduper) == said


def test_checkpoints_beside_the_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write-ahead log is moved into the file now and then, and does not grow for ever."""
    monkeypatch.setattr(sqlite_checkpoint, "ENOUGH_BYTES", 100_000)
    pages = many_pages(300)
    largest = 0
    with Deduper(str(path)) as deduper, Deduper() as plain:
        index = deduper._index
        assert isinstance(index, SqliteIndex)
        assert index._file
        for at in range(0, len(pages), 3):
            assert list(deduper.check_many(pages[at : at + 3]))
            if running := index._file._checkpoints._thread:
                running.join()
            largest = max(largest, Path(f"{path}-wal").stat().st_size)
        list(plain.check_many(pages))
        wanted = totals(plain)
        assert deduper.stats().disk_bytes > 2 * largest
    assert 0 < largest < 200_000
    with Deduper(str(path)) as deduper:
        assert totals(deduper) == wanted


# ---- how it is named, and the command line -------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "known: memory://"),
        ("memory", r"did you mean memory://\? \(a file of that name is ./memory\)"),
        ("memori", "did you mean memory://"),
        ("sqlite", "did you mean sqlite://"),
        ("redis:/x", "did you mean redis://"),
        ("redis:6379", "did you mean redis://"),
        ("sqlit:///x", "did you mean sqlite://"),
        ("sqlite://x.dedup", "write sqlite:///crawl.dedup"),
        ("sqlite:///", "write sqlite:///crawl.dedup"),
        ("sqlite:///:memory:", "an index in memory is memory://"),
        ("sqlite:///x.dedup?mode=rw", r"all that can follow the path is \?mode=ro"),
        ("postgres://x", "known: memory://.*or the path of a file"),
    ],
)
def test_slips_in_a_url(url: str, message: str) -> None:
    """What was meant as a URL and is none is told so, and no file is made of it."""
    for kind in (Deduper, AsyncDeduper):
        with pytest.raises(SettingsError, match=message):
            kind(url)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is taken as it is written, relative ones from the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("crawl.dedup", "crawl", "./memory", "a b?c#%41.dedup", str(tmp_path / "x.y")):
        assert is_path(name)
        with Deduper(name) as deduper:
            deduper.check(A, "p")
        assert Path(name).is_file()
        with Deduper(name) as deduper:
            assert deduper.lookup(A).repeats
            url = deduper.stats().url
        with Deduper(url) as deduper:
            assert deduper.lookup(A).repeats
    with Deduper("memory") as deduper:  # it is there now
        assert deduper.lookup(A).repeats


def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare path keeps what one run found for the next; lookup and stats change nothing."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.txt", A), ("b.txt", A_NEAR), ("c.txt", B)):
        Path(name).write_text(text, encoding="utf-8")
    index = ["--index", "crawl.dedup"]
    assert run(["lookup", "a.txt", *index]) == 2
    assert "there is no index at" in capsys.readouterr().err
    assert run(["check", "a.txt", *index]) == 0
    assert run(["check", "b.txt", *index]) == 1
    content = Path("crawl.dedup").read_bytes()
    with Deduper("crawl.dedup"):  # a writer does not hinder them
        assert run(["lookup", "b.txt", "c.txt", *index]) == 1
        capsys.readouterr()
        assert run(["stats", *index]) == 0
        said = capsys.readouterr().out
        assert "index      sqlite:///crawl.dedup, namespace default" in said
        assert f"on disk    {len(content):,}\n" in said
        assert run(["check", "c.txt", *index]) == 2
        assert "is open in this process" in capsys.readouterr().err
    assert Path("crawl.dedup").read_bytes() == content
    assert run(["forget", "a.txt", *index]) == 0
    assert run(["compact", *index]) == 0
    assert re.fullmatch(r"crawl.dedup: [\d,]+ bytes, [\d,]+ before\n", capsys.readouterr().out)
    assert run(["lookup", "b.txt", *index]) == 0
    assert run(["compact", "--index", "none.dedup"]) == 2
    assert not Path("none.dedup").exists()
    assert run(["compact"]) == 2
    assert "only an index in a file is compacted" in capsys.readouterr().err


def test_awaited(path: Path) -> None:
    """Awaited, it is opened when first used, by whoever comes first, cancelled or not."""

    async def main() -> None:
        async with AsyncDeduper(str(path)) as deduper:
            opening = asyncio.create_task(deduper.check(A, "p"))
            await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await deduper.check(B, "q")
            assert (await deduper.lookup(B)).repeats
            async with AsyncDeduper(str(path)) as second:
                with pytest.raises(IndexFailure, match="open in this process"):
                    await second.check(A, "p")
        async with AsyncDeduper(str(path)) as deduper:
            assert (await deduper.lookup(B)).repeats

    asyncio.run(main())
