"""Paths to pages: what is read, in which order, and what is said of the rest."""

from __future__ import annotations

import gzip
import io
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dedup.errors import InputError
from dedup.inputs import (
    PageFile,
    UnreadPage,
    check_inputs,
    find,
    format_of,
    is_own_report,
    walk,
)
from dedup.model import Page


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `crawl` in the working directory, with pages, other files and hidden ones."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "crawl/b.html": b"<p>b</p>",
        "crawl/a.txt": b"a",
        "crawl/A.MD": b"A",
        "crawl/deep/er/c.htm.gz": gzip.compress(b"<p>c</p>"),
        "crawl/picture.png": b"\x89PNG",
        "crawl/table.dat": b"1,2",
        "crawl/.hidden.txt": b"hidden",
        "crawl/.git/page.txt": b"hidden",
        "crawl/z.xhtml": b"<p>z</p>",
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


@pytest.mark.usefixtures("crawl")
def test_folder_in_order_of_names() -> None:
    """A folder gives its pages at any depth by name, without hidden files and other suffixes."""
    assert names(find(["crawl"])) == [
        "crawl/A.MD",
        "crawl/a.txt",
        "crawl/b.html",
        "crawl/deep/er/c.htm.gz",
        "crawl/z.xhtml",
    ]


def test_files_that_are_one_page_can_be_read_by_others(crawl: Path) -> None:
    """Page files come unread where that is asked for, and give the same when they are read."""
    (crawl / "more.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    (crawl / "cut.txt.gz").write_bytes(gzip.compress(b"a page that was cut off")[:-9])
    (crawl / "report.txt").write_text("dedup: no repeats in 3 blocks\n")
    inputs = find(["crawl"])
    items = list(inputs.items())
    assert [item.page for item in items if not isinstance(item, PageFile)] == [
        "crawl/more.jsonl#1",
        "crawl/more.jsonl#2",
    ]
    assert inputs.position == inputs.size
    read = [
        page for item in items for page in (item.read() if isinstance(item, PageFile) else (item,))
    ]
    assert list(map(repr, read)) == list(map(repr, find(["crawl"])))
    assert len(read) == len(items) - 1  # a report of dedup's own is passed over


@pytest.mark.usefixtures("crawl")
def test_page_ids_are_paths_as_given() -> None:
    """Page ids are the paths as given, in POSIX form, without `./` and doubled slashes."""
    assert names(find(["./crawl//a.txt"])) == ["crawl/a.txt"]
    assert names(find(["crawl/deep/"])) == ["crawl/deep/er/c.htm.gz"]
    assert names(find([Path("crawl").resolve() / "a.txt"]))[0].endswith("/crawl/a.txt")


@pytest.mark.usefixtures("crawl")
def test_contents_are_unpacked_and_formats_follow_names() -> None:
    """Content is unpacked, and its format is what the name says, or left to the content."""
    pages = {
        page.page: page for page in find(["crawl", "crawl/table.dat"]) if isinstance(page, Page)
    }
    assert pages["crawl/deep/er/c.htm.gz"] == Page(b"<p>c</p>", "crawl/deep/er/c.htm.gz", "html")
    assert pages["crawl/A.MD"].format == "text"
    assert pages["crawl/table.dat"].format == "auto"
    assert format_of("x.XHTML.GZ") == "html"


@pytest.mark.usefixtures("crawl")
def test_named_file_is_read_whatever_its_name() -> None:
    """A file that is named itself is a page, hidden or with any suffix."""
    assert names(find(["crawl/.hidden.txt", "crawl/picture.png"])) == [
        "crawl/.hidden.txt",
        "crawl/picture.png",
    ]


@pytest.mark.usefixtures("crawl")
def test_every_file_once() -> None:
    """What several paths lead to is read once."""
    again = ["crawl/deep", "crawl/a.txt", "crawl", "./crawl/a.txt", "crawl/deep/er"]
    found = names(find(again))
    assert sorted(found) == sorted(names(find(["crawl"])))


def test_symlinks_are_followed_and_loops_end(crawl: Path) -> None:
    """A link to a folder is followed, each real folder is walked once, a loop of links ends."""
    other = crawl.parent / "other"
    other.mkdir()
    (other / "linked.txt").write_text("linked")
    (crawl / "deep" / "up").symlink_to(crawl)
    (crawl / "other").symlink_to(other)
    (crawl / "self").symlink_to("self")
    found = names(find(["crawl"]))
    assert "crawl/other/linked.txt" in found
    assert len(found) == 6


def test_deep_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree deeper than Python's recursion limit is walked to its end."""
    monkeypatch.chdir(tmp_path)
    depth = 1100
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("a.txt").write_text("a")
    assert list(walk(str(tmp_path))) == [str(tmp_path / "/".join(["d"] * depth) / "a.txt")]
    Path("a.txt").unlink()
    for _ in range(depth):  # pytest's own clean-up recurses
        os.chdir("..")
        Path("d").rmdir()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing.txt", "no such file or folder: 'missing.txt'; check the path"),
        ("", "'' is no path: name a file or a folder, or - for standard input"),
        ("nul\0byte", "cannot be read"),
        ("crawl/a.txt/b", "cannot be read (not a directory)"),
    ],
)
@pytest.mark.usefixtures("crawl")
def test_bad_path_is_an_error_at_once(path: str, said: str) -> None:
    """A path that leads nowhere is refused before anything is read, by name and with a remedy."""
    with pytest.raises(InputError) as caught:
        find(["crawl", path])
    assert said in str(caught.value)


def test_folder_without_pages(crawl: Path) -> None:
    """A folder without pages is refused, and the message says what would be one."""
    (crawl.parent / "empty").mkdir()
    with pytest.raises(InputError, match=r"no pages in 'empty'.*\.txt.*\.gz.*name a file itself"):
        find(["empty"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(crawl: Path) -> None:
    """A path without permission is refused; below a folder it is an unread page in its place."""
    (crawl / "a.txt").chmod(0)
    (crawl / "deep").chmod(0)
    with pytest.raises(InputError, match=r"permission denied.*change its permissions"):
        find(["crawl/a.txt"])
    items = list(find(["crawl"]))
    assert [item.page for item in items if isinstance(item, UnreadPage)] == [
        "crawl/a.txt",
        "crawl/deep",
    ]


def test_damaged_files_are_unread_pages_in_their_places(crawl: Path) -> None:
    """Lost links, cut and damaged archives are reported where they stand, and the rest is read."""
    packed = gzip.compress(os.urandom(5000))
    (crawl / "a1.txt.gz").write_bytes(packed[:-100])
    (crawl / "a2.txt.gz").write_bytes(packed[:50] + b"\0" * 9 + packed[59:])
    (crawl / "a3.txt.gz").write_bytes(b"no archive")
    (crawl / "a4.txt").symlink_to("nowhere")
    (crawl / "a5.txt.gz").write_bytes(b"")
    items = list(find(["crawl"]))
    assert names(items)[:7] == [
        f"crawl/{name}"
        for name in ("A.MD", "a.txt", "a1.txt.gz", "a2.txt.gz", "a3.txt.gz", "a4.txt", "a5.txt.gz")
    ]
    said = {item.page: str(item.error) for item in items if isinstance(item, UnreadPage)}
    assert "ends too early" in said["crawl/a1.txt.gz"]
    assert "damaged gzip file" in said["crawl/a2.txt.gz"]
    assert "is no gzip file" in said["crawl/a3.txt.gz"]
    assert "no such file" in said["crawl/a4.txt"]
    assert "is no gzip file" in said["crawl/a5.txt.gz"]
    assert len(said) == 5


def test_folder_that_vanishes(crawl: Path) -> None:
    """A folder that vanishes while the batch runs is an unread page, and the rest is read."""
    inputs = iter(find(["crawl"]))
    assert next(inputs).page == "crawl/A.MD"
    (crawl / "deep" / "er" / "c.htm.gz").unlink()
    (crawl / "deep" / "er").rmdir()
    (crawl / "deep").rmdir()
    rest = list(inputs)
    assert [item.page for item in rest if isinstance(item, UnreadPage)] == ["crawl/deep"]
    assert rest[-1].page == "crawl/z.xhtml"


def test_gzip_is_known_by_content(tmp_path: Path) -> None:
    """A gzipped page without the suffix is unpacked too."""
    (tmp_path / "page.html").write_bytes(gzip.compress(b"<p>x</p>"))
    (page,) = find([tmp_path])
    assert isinstance(page, Page)
    assert page.content == b"<p>x</p>"


def test_limit_holds_unpacked(tmp_path: Path) -> None:
    """A page over the limit is reported, a gzip bomb as well, and one at the limit is read."""
    (tmp_path / "bomb.txt").write_bytes(gzip.compress(bytes(1_000_001)))
    assert "more than 1 MB" in only_error(find([tmp_path], max_bytes=1_000_000))
    (tmp_path / "bomb.txt").write_bytes(bytes(1_000_000))
    (page,) = find([tmp_path], max_bytes=1_000_000)
    assert isinstance(page, Page)


def test_endless_device_stops_at_the_limit() -> None:
    """A device without end is reported, not read for ever."""
    assert "more than 1 MB" in only_error(find(["/dev/zero"], max_bytes=1_000_000))


def test_pipes_and_sockets_in_a_folder_are_no_pages(crawl: Path) -> None:
    """What would hang a walk is left out of it."""
    os.mkfifo(crawl / "fifo.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(crawl / "s.txt"))
        assert len(names(find(["crawl"]))) == 5


def test_standard_input(crawl: Path) -> None:
    """`-` reads standard input, in its place, once, under its own name."""
    stdin = io.BytesIO(gzip.compress(b"from a pipe"))
    pages = list(find(["crawl/a.txt", "-", "-"], stdin=stdin, stdin_name="piped"))
    assert pages[1:] == [Page(b"from a pipe", "piped")]
    assert crawl.is_dir()


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard input is an unread page."""
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input is closed" in only_error(find(["-"]))


@pytest.mark.parametrize(
    "report",
    [
        "dedup: 5 of 24 blocks are repeats, 36% of the text\npage.txt: 5 exact\n",
        "dedup: 1 of 1,200 blocks is a repeat, 0% of the text\n",
        "dedup: no repeats in 1 block\n",
        "dedup: no page could be judged\n",
        '{"version": 1,\n "pages": [\n  {"page": "a"',
        '{"page": "a\\"b", "blocks": 2, "skipped": 0, "repeats": []}\n',
        '{"page": "a", "error": "\'a\' is no text"}\n',
        '{"version": 1, "groups": [], "summary": {}}\n',
    ],
)
def test_own_reports_are_no_pages(crawl: Path, report: str) -> None:
    """A report of dedup's in a folder is not taken for a page; named itself, it is an error."""
    (crawl / "report.txt").write_text(report)
    assert is_own_report(report.encode())
    assert len(names(find(["crawl"]))) == 5
    assert "is a report that dedup wrote" in only_error(find(["crawl/report.txt"]))


@pytest.mark.parametrize("text", ["dedup: a tool", "dedup: 5 of them", '{"page": "a"}', "", "{"])
def test_pages_about_dedup_are_pages(text: str) -> None:
    """A page that only resembles a report is a page."""
    assert not is_own_report(text.encode())


def test_excluded_files(crawl: Path) -> None:
    """A file that a report goes to is skipped in a folder, and refused where it is named."""
    assert "crawl/a.txt" not in names(find(["crawl"], exclude=["crawl/a.txt"]))
    with (crawl / "a.txt").open() as file:
        assert "crawl/a.txt" not in names(find(["crawl"], exclude=[file.fileno()]))
    said = only_error(find(["crawl/a.txt"], exclude=["crawl/a.txt", "not there yet"]))
    assert "is where the report goes" in said


@pytest.mark.usefixtures("crawl")
def test_reading_is_lazy() -> None:
    """Pages are read when they are asked for."""
    inputs = iter(find(["crawl"]))
    next(inputs)
    Path("crawl/a.txt").write_bytes(b"changed")
    page = next(inputs)
    assert isinstance(page, Page)
    assert page.content == b"changed"


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_unread_pages_keep_their_places(batch: int) -> None:
    """Verdicts and unread pages come in the order of the inputs, whatever is judged at a time."""

    def check_many(pages: Iterable[Page]) -> Iterator[str]:
        waiting: list[str] = []
        for page in pages:
            waiting.append(page.page)
            if len(waiting) == batch:
                yield from waiting
                waiting.clear()
        yield from waiting

    inputs = [
        UnreadPage(name, InputError(name)) if name.isupper() else Page("", name)
        for name in "ABcdEfgHIJklM"
    ]
    verdicts = check_inputs(check_many, inputs)
    merged = [item.page if isinstance(item, UnreadPage) else item for item in verdicts]
    assert "".join(merged) == "ABcdEfgHIJklM"
