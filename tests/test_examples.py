"""Every example runs, and does what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crawl_site import Site, serve, write_site
from server_groups import Servers
from servers import start_standalone

import dedup

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PAGES = 60


@pytest.fixture(scope="module")
def site() -> Site:
    """A site of 60 pages."""
    written = write_site(sections=6)
    assert len(written.pages) == PAGES
    return written


@pytest.fixture(scope="module")
def home(site: Site) -> Iterator[str]:
    """Its first page."""
    with serve(site) as address:
        yield f"{address}/section/0"


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> Path:
    """The site as files."""
    crawl = tmp_path / "crawl"
    crawl.mkdir()
    for path, page in site.pages.items():
        (crawl / f"{path[1:].replace('/', '-')}.html").write_text(page, encoding="utf-8")
    return crawl


def needs(module: str) -> None:
    """Skip without a library; with `CI` set, fail."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI"):
            pytest.fail(f"needs {module}: pip install 'dedup[dev]'")
        pytest.skip(f"needs {module}")


def run(
    name: str, *arguments: object, cwd: Path, given: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run an example as its docstring says."""
    return run_command(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], cwd, given, status
    )


def run_command(
    command: list[str], cwd: Path, given: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command where the examples' user would."""
    done = subprocess.run(
        command,
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def paragraphs_of(site: Site, items: list[list[str]]) -> list[str]:
    """The labels of what came out, without teasers, which articles may have come before."""
    labels = [site.labels[text] for item in items for text in item]
    return [label for label in labels if not label.startswith("teaser")]


def assert_said_once(site: Site, items: list[list[str]]) -> None:
    """Whatever the pages say comes out once."""
    said = paragraphs_of(site, items)
    assert len(said) == len(set(said)) > 200
    assert {"menu 0", "footer", "article 0, paragraph 0"} <= set(said)


def test_every_example_is_listed() -> None:
    """The list of examples has each of them, and each is tested here."""
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    tested = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.iterdir():
        if path.name != "README.md":
            assert f"]({path.name})" in listed
            assert path.name in tested or path.name == "harbour-news.html"


def test_ten_lines(tmp_path: Path) -> None:
    """The library in ten lines says what is new."""
    told = run("ten_lines.py", cwd=tmp_path).stdout.splitlines()
    assert told[0].startswith("exact repeat of https://example.org/front: The old customs house")
    assert told[1].startswith("new: Three cranes")


def test_scrapy_project(site: Site, home: str, tmp_path: Path) -> None:
    """The project crawls a site and gives each thing once."""
    needs("scrapy")
    output = tmp_path / "items.jsonl"
    command = ["scrapy", "crawl", "news", "-a", f"start={home}", "-O", str(output)]
    run_command([sys.executable, "-m", *command], EXAMPLES / "scrapy_project")
    items = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert len(items) == PAGES
    assert_said_once(site, [item["text"] for item in items])


def test_aiohttp_crawl(home: str, tmp_path: Path) -> None:
    """Every page comes, and the menu once."""
    needs("aiohttp")
    lines = run("aiohttp_crawl.py", home, cwd=tmp_path).stdout.splitlines()
    assert len(lines) == PAGES
    assert "".join(lines).count("The Harbour Courier is printed") == 1


def test_crawlee_crawl(site: Site, home: str, tmp_path: Path) -> None:
    """Crawlee's dataset has each thing once."""
    needs("crawlee")
    run("crawlee_crawl.py", home, "new.json", cwd=tmp_path)
    items = json.loads((tmp_path / "new.json").read_text("utf-8"))
    assert_said_once(site, [item["new"] for item in items])


def test_extract_then_check(folder: Path) -> None:
    """Each article is told of, and the first of two that are alike is new."""
    needs("trafilatura")
    paths = sorted(folder.glob("article-*.html"), key=lambda path: int(path.stem[8:]))
    lines = run("extract_then_check.py", *paths, cwd=folder).stdout.splitlines()
    assert len(lines) == len(paths)
    assert lines[0].endswith("100% new, 0 repeats")
    assert not lines[-1].endswith("100% new, 0 repeats")


def test_many_workers(folder: Path, redis_servers: Servers) -> None:
    """Four processes find as many originals as there are things said, give or take teasers."""
    url = redis_servers.get("valkey", start_standalone).url
    paths = sorted(folder.iterdir())
    told = run("many_workers.py", url, *paths, cwd=folder).stdout.splitlines()
    assert len(told) == len(paths) + 1
    with dedup.Deduper() as local:
        for _ in local.check_many((path.read_bytes(), str(path)) for path in paths):
            pass
        originals = local.stats().originals
    assert abs(int(told[-1].split()[0]) - originals) <= 54  # as many as there are teasers
    with dedup.Deduper(url, namespace="many-workers") as shared:
        shared.clear()


def test_one_index(folder: Path) -> None:
    """Every page is told of, in order."""
    paths = sorted(folder.iterdir())
    told = run("one_index.py", *paths, cwd=folder).stdout.splitlines()
    assert [line.split(": ")[0] for line in told] == [str(path) for path in paths]
    assert told[0].split(": ")[1].startswith("0 of ")


def test_furniture(folder: Path) -> None:
    """Menu and footer are gone from every page, the first one too; articles are whole.

    What is no page is named, and the others are written.
    """
    paths = sorted(folder.glob("*.html"))
    picture = folder / "picture.html"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    done = run("furniture.py", 10, picture, *paths, cwd=folder)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{picture}: left as it is (")
    texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.txt")}
    assert len(texts) == len(paths)
    assert not [name for name, text in texts.items() if "Harbour Courier" in text]
    assert not [name for name, text in texts.items() if "News from the harbour" in text]
    assert all(len(texts[f"article-{n}"]) > 500 for n in range(54))


def test_training_corpus(folder: Path) -> None:
    """Documents keep their other fields and lose what stands in an earlier one."""
    documents = [
        {
            "url": f"https://example.org/{n}",
            "text": f"Menu\n\n{words(n)}\n\n{words(n // 2)}",
            "n": n,
        }
        for n in range(40)
    ]
    given = "".join(json.dumps(document) + "\n" for document in documents)
    done = run("training_corpus.py", cwd=folder, given=given)
    kept = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["n"] for document in kept] == list(range(40))
    assert all(words(document["n"]) in document["text"] for document in kept)
    assert all(document["text"].count("\n\n") == 1 for document in kept[1:])
    assert "'exact': 40" in done.stderr


def words(number: int) -> str:
    """A paragraph that is not like the others."""
    return " ".join(f"word{number * 50 + at}" for at in range(40))


def test_nightly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first night accepts what repeats, the second tells of nothing, a new repeat fails it."""
    script = str(EXAMPLES / "nightly.sh")
    program = folder.parent / "bin" / "dedup"  # that of this tree, whatever is installed
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dedup.cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    run_command([script, str(folder)], folder.parent)
    assert Path(f"{folder}.known.json").exists()
    run_command([script, str(folder)], folder.parent)
    text = "Nobody at the shipyard could explain why the lighthouse had turned green overnight."
    for name in ("new-1.html", "new-2.html"):
        (folder / name).write_text(f"<p>{text}</p>", encoding="utf-8")
    done = run_command([script, str(folder)], folder.parent, status=1)
    assert "lighthouse" in done.stdout
    assert "Harbour Courier" not in done.stdout
