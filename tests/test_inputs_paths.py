"""What people name besides files and folders: globs, lists, URLs; and how much there is of it."""

from __future__ import annotations

import gzip
import http.server
import io
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from archives import WarcRecord, members, response
from pyarrow import parquet

from dedup.cli import run
from dedup.cli.input_options import KINDS as OPTION_KINDS
from dedup.errors import InputError
from dedup.inputs import KINDS, UnreadPage, find
from dedup.model import Page


@pytest.fixture(autouse=True)
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder `crawl` of all sorts of files."""
    monkeypatch.chdir(tmp_path)
    warc = [WarcRecord(response(b"<p>In the archive"), "https://example.org/w")]
    for name, content in {
        "crawl/a.html": b"<p>a",
        "crawl/deep/b.html": b"<p>b",
        "crawl/deep/er/c.html": b"<p>c",
        "crawl/deep/er/.hidden.html": b"<p>hidden",
        "crawl/deep/er/d.txt": b"d",
        "crawl/items.jsonl": b'{"url": "https://example.org/j", "text": "In the records"}\n',
        "crawl/pages.warc.gz": members(warc),
        "crawl/picture.png": b"\x89PNG",
        "crawl/part-00000": b'{"id": 1, "text": "One part"}\n',
        "crawl/[x].txt": b"brackets",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "crawl"


def names(items: Iterable[Page | UnreadPage]) -> list[str]:
    """The page ids."""
    return [item.page for item in items]


def only_error(items: Iterable[Page | UnreadPage]) -> str:
    """The message of the one item, which is an unread page."""
    (item,) = items
    assert isinstance(item, UnreadPage)
    return str(item.error)


EVERYTHING = [
    "crawl/[x].txt",
    "crawl/a.html",
    "crawl/deep/b.html",
    "crawl/deep/er/c.html",
    "crawl/deep/er/d.txt",
    "https://example.org/j",
    "https://example.org/w",
]


def test_folder_of_all_kinds() -> None:
    """A folder gives its pages, and those of the files of many, by the files' names."""
    assert names(find(["crawl"])) == EVERYTHING


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("crawl/*.html", ["crawl/a.html"]),
        ("crawl/**/*.html", ["crawl/a.html", "crawl/deep/b.html", "crawl/deep/er/c.html"]),
        ("crawl/deep/?.html", ["crawl/deep/b.html"]),
        ("crawl/de*", ["crawl/deep/b.html", "crawl/deep/er/c.html", "crawl/deep/er/d.txt"]),
        ("crawl/part-*", ["1"]),
        ("crawl/[x].txt", ["crawl/[x].txt"]),
        ("crawl/deep/**", ["crawl/deep/b.html", "crawl/deep/er/c.html", "crawl/deep/er/d.txt"]),
    ],
)
def test_globs(pattern: str, found: list[str]) -> None:
    """A glob that no shell expanded is expanded, by name; a file of that very name goes first."""
    assert names(find([pattern])) == found


def test_glob_in_a_loop_of_links(crawl: Path) -> None:
    """Links that lead back are followed once, so that `**` comes to an end."""
    for name in ("up", "up2", "up3"):
        (crawl / "deep" / name).symlink_to(crawl)
    expected = ["crawl/a.html", "crawl/deep/b.html", "crawl/deep/er/c.html"]
    assert names(find(["crawl/**/?.html"])) == expected
    assert names(find(["**/?.html"])) == expected
    assert names(find([f"{crawl}/d*/**/c.*"]))[0].endswith("/crawl/deep/er/c.html")


def test_glob_without_a_match() -> None:
    """A glob that matches nothing is refused at once."""
    with pytest.raises(InputError, match=r"no file matches 'crawl/\*\.pdf': check the pattern"):
        find(["crawl/*.pdf"])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_lists_of_paths(end: str) -> None:
    """A list is read line by line or by NULs, after the paths; what it lacks is said in place."""
    Path("list").write_text(
        end.join(["crawl/a.html", "gone.txt", "", "crawl/deep", "crawl/a.html"])
    )
    items = list(find(["crawl/items.jsonl"], files_from="list"))
    assert names(items) == [
        "https://example.org/j",
        "crawl/a.html",
        "gone.txt",
        "crawl/deep/b.html",
        "crawl/deep/er/c.html",
        "crawl/deep/er/d.txt",
    ]
    assert "no such file or folder: 'gone.txt'" in only_error(items[2:3])
    piped = io.BytesIO(Path("list").read_bytes())
    assert names(find([], files_from="-", stdin=piped)) == names(items)[1:]


def test_list_with_a_path_that_cannot_be() -> None:
    """A path that no file can have is reported in its place, and the rest is read."""
    Path("list").write_text(f"{'x' * 5000}\ncrawl/a.html\n")
    items = list(find([], files_from="list"))
    assert names(items)[1:] == ["crawl/a.html"]
    assert "cannot be read (file name too long)" in only_error(items[:1])


@pytest.mark.parametrize(
    ("paths", "listed", "said"),
    [
        ([], b"", "the list '-' is empty"),
        (["-"], b"crawl", "cannot be a page too"),
        ([], b"-\n", "names '-', itself"),
    ],
)
def test_lists_that_cannot_be(paths: list[str], listed: bytes, said: str) -> None:
    """A list without paths, and standard input for two things, are refused at once."""
    with pytest.raises(InputError, match=said):
        find(paths, files_from="-", stdin=io.BytesIO(listed))
    with pytest.raises(InputError, match="no such file or folder: 'gone'"):
        find(paths, files_from="gone")


def test_forced_format_in_a_folder() -> None:
    """It chooses what is read of a folder: files of that kind, and of records those unnamed."""
    assert names(find(["crawl"], input_format="jsonl")) == ["https://example.org/j", "1"]
    assert names(find(["crawl"], input_format="page")) == EVERYTHING[:5]
    found = names(find(["crawl"], input_format="warc"))
    assert found == ["https://example.org/w", "crawl/part-00000"]  # a page and an error
    with pytest.raises(InputError, match=r"no file in it ends in \.csv \(or"):
        find(["crawl/deep"], input_format="csv")


def test_own_index_files(crawl: Path) -> None:
    """An SQLite file in a folder is passed over whatever its name; named, it is an error."""
    with sqlite3.connect(crawl / "index.txt") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    assert names(find(["crawl"])) == EVERYTHING
    assert "an index of dedup's is named with --index" in only_error(find(["crawl/index.txt"]))
    packed = gzip.compress((crawl / "index.txt").read_bytes())
    (crawl / "index.jsonl.gz").write_bytes(packed)
    assert names(find(["crawl"])) == EVERYTHING


def test_baseline_is_no_input(capfd: pytest.CaptureFixture[str]) -> None:
    """A baseline that a run wrote into the folder is passed over by the next; named, an error."""
    options = ["--baseline", "crawl/known.json", "--update-baseline", "-q", "-o", "r.txt"]
    assert run(["check", "crawl", *options]) == 0
    assert names(find(["crawl"])) == EVERYTHING
    assert "is a baseline of dedup's" in only_error(find(["crawl/known.json"]))
    assert capfd.readouterr().err == ""


def test_size_and_position() -> None:
    """Position grows to size while pages are read; size counts every file once."""
    inputs = find(["crawl", "crawl/a.html"])
    on_disk = sum(
        path.stat().st_size
        for path in Path("crawl").rglob("*.*")
        if path.is_file() and path.suffix != ".png" and path.name != ".hidden.html"
    )
    assert (inputs.size, inputs.position) == (on_disk, 0)
    positions = [inputs.position for _ in inputs]
    assert positions == sorted(positions)
    assert positions[0] > 0
    assert inputs.position == inputs.size
    assert len(list(inputs)) == len(EVERYTHING)
    assert inputs.position == inputs.size


def test_position_within_a_file(crawl: Path) -> None:
    """In a large file, position moves with what was read of it."""
    line = json.dumps({"text": "word " * 1000}).encode() + b"\n"
    (crawl / "large.jsonl").write_bytes(line * 1000)
    inputs = find(["crawl/large.jsonl"])
    assert inputs.size == len(line) * 1000
    positions = [inputs.position for _ in inputs]
    assert positions == sorted(positions)
    assert len(set(positions)) > 10
    assert 0 < positions[0] < inputs.size / 5


def test_size_walks_once(crawl: Path) -> None:
    """After size was asked, folders are not walked again: what comes later is not met."""
    inputs = find(["crawl"])
    assert inputs.size is not None
    (crawl / "late.txt").write_text("late")
    assert "crawl/late.txt" not in names(inputs)
    assert "crawl/late.txt" in names(find(["crawl"]))


def test_size_that_nobody_knows() -> None:
    """Standard input and URLs have no known size; their bytes count all the same."""
    inputs = find(["-"], stdin=io.BytesIO(b"a page"))
    assert inputs.size is None
    assert len(list(inputs)) == 1
    assert inputs.position == 6
    assert find(["memory://x"]).size is None


@pytest.fixture
def bucket(crawl: Path) -> Iterator[str]:
    """The folder in fsspec's memory, which behaves as a bucket does."""
    memory = fsspec.filesystem("memory")
    memory.put(str(crawl), "/bucket", recursive=True)
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def test_bucket(bucket: str) -> None:
    """Folders, files and globs in a bucket are read as local ones are; ids are URLs."""
    found = [
        name if "://" in name else name.replace("crawl", "memory:///bucket") for name in EVERYTHING
    ]
    assert names(find([bucket])) == found
    assert names(find([f"{bucket}/deep/**/*.html"]))[-1] == "memory:///bucket/deep/er/c.html"
    assert names(find([f"{bucket}/part-*"])) == ["1"]
    assert list(find([f"{bucket}/a.html"])) == [Page(b"<p>a", f"{bucket}/a.html", "html")]
    assert "no pages at 'memory://bucket/gone'" in only_error(find([f"{bucket}/gone"]))


def test_file_urls(crawl: Path) -> None:
    """file:// reads what is there, Parquet too, which seeks."""
    parquet.write_table(pa.table({"id": [1], "text": ["x"]}), crawl / "t.parquet")
    assert list(find([f"file://{crawl}/t.parquet"])) == [Page("x", "1")]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server of files without a log."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def web(crawl: Path) -> Iterator[str]:
    """The folder behind a web server on this machine."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(crawl))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # fsspec leaves its session to the collector
def test_web_server(web: str) -> None:
    """Pages and archives are read from a web server; the query of a URL tells no format."""
    assert list(find([f"{web}/a.html?x=.txt"])) == [Page(b"<p>a", f"{web}/a.html?x=.txt", "html")]
    assert names(find([f"{web}/pages.warc.gz"])) == ["https://example.org/w"]
    assert "check the URL" in only_error(find([f"{web}/gone.html"]))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense://x", "nothing here reads nonsense://; name a path, or a URL such as s3://"),
        ("redis://localhost", "is the URL of an index, and no page: name it with --index"),
        ("sqlite:///a.dedup", "is the URL of an index"),
    ],
)
def test_urls_that_nothing_reads(url: str, said: str) -> None:
    """An unknown scheme and the URL of an index are refused at once, with what to do."""
    with pytest.raises(InputError) as caught:
        find([url])
    assert said in str(caught.value)


def test_many_small_files(tmp_path: Path) -> None:
    """A folder of thousands of files is read in one pass, in order."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number:05}.txt").write_text(str(number))
    inputs = find([folder])
    assert inputs.size == sum(len(str(number)) for number in range(3000))
    assert [page.content for page in inputs if isinstance(page, Page)] == [
        str(number).encode() for number in range(3000)
    ]


TEASER = "The old customs house opens its doors to the public at last"


def test_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    """The options choose fields, format and list; the report has the ids that follow from them."""
    rows = [{"k": n, "words": TEASER, "host": f"site{n % 2}.org"} for n in range(4)]
    Path("rows").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("list").write_text("rows\n")
    options = ["--text-field", "words", "--id-field", "k", "--site-field", "host"]
    assert run(["check", "--files-from", "list", *options, "--format", "json"]) == 1
    report = json.loads(capfd.readouterr().out)
    assert [page["page"] for page in report["pages"]] == [
        *("site0.org/0", "site1.org/1", "site0.org/2", "site1.org/3")
    ]
    scopes = [page["repeats"][0]["scope"] for page in report["pages"][1:]]
    assert scopes == ["other", "site", "other"]
    assert run(["check", "rows", "--input-format", "text", "--exit-zero"]) == 0
    assert run(["check", "rows", "--input-format", "xml"]) == 2
    assert run(["check", "--text-field", "words"]) == 2
    assert "missing PATH" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["crawl/*.jsonl"], ["--files-from", "list"], ["crawl"]])
def test_report_never_replaces_an_input(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """A report is not written over a file that a glob, a list or a folder names."""
    Path("list").write_text("crawl/items.jsonl\n")
    before = Path("crawl/items.jsonl").read_bytes()
    assert run(["check", *arguments, "--exit-zero", "-o", "crawl/items.jsonl"]) == 2
    assert "would replace a page" in capfd.readouterr().err
    assert Path("crawl/items.jsonl").read_bytes() == before
    assert not list(Path("crawl").glob(".*"))  # nothing half-written either


def test_option_names_the_kinds() -> None:
    """The option and the package know the same kinds."""
    assert OPTION_KINDS == KINDS
