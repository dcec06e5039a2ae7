"""Is reading ever the bottleneck? Each reader beside the plain loop over the library under it.

Invented pages of about 4 and 40 KB are written once in each format, then read by
`dedup.inputs.find` and by the loop that anybody would write with the library, in turns; the ratio
is taken within such a pair, and the median over the rounds is printed. The loops check nothing: no
damage, no limits, no fields that are missing. Rates are megabytes of text a second of CPU time.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from fastwarc import ArchiveIterator
from pyarrow import parquet, table
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from dedup.inputs import find
from dedup.model import Page

ROUNDS = 5
README = Path(__file__).parent.parent / "README.md"
WORDS = [word for word in README.read_text(encoding="utf-8").split() if word.isascii()]


def texts(words: int, count: int) -> list[str]:
    """Pages of so many words, all different."""
    long = WORDS * (words // len(WORDS) + 2)
    return [" ".join([str(n), *long[n % len(WORDS) :][:words]]) for n in range(count)]


def write(pages: list[str]) -> None:
    """The pages in every format, in the working directory."""
    rows = [{"url": f"https://example.org/{n}", "text": page} for n, page in enumerate(pages)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("a.jsonl").write_text(lines, encoding="utf-8")
    Path("a.jsonl.gz").write_bytes(gzip.compress(lines.encode(), 6))
    Path("a.json").write_text(json.dumps(rows), encoding="utf-8")
    with Path("a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["url", "text"])
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(table({name: [row[name] for row in rows] for name in rows[0]}), "a.parquet")
    for name, packed in (("a.warc", False), ("a.warc.gz", True)):
        with Path(name).open("wb") as file:
            archive = WARCWriter(file, gzip=packed)
            for row in rows:
                head = [("Content-Type", "text/html; charset=utf-8"), ("Server", "invented")]
                archive.write_record(
                    archive.create_warc_record(
                        row["url"],
                        "response",
                        payload=io.BytesIO(row["text"].encode()),
                        http_headers=StatusAndHeaders("200 OK", head, protocol="HTTP/1.1"),
                    )
                )
    shutil.rmtree("folder", ignore_errors=True)
    Path("folder").mkdir()
    for number, page in enumerate(pages):
        Path(f"folder/{number}.txt").write_text(page, encoding="utf-8")


def json_lines(decode: Callable[[bytes], dict[str, str]], name: str) -> int:
    """Lines, decoded."""
    with gzip.open(name) if name.endswith(".gz") else Path(name).open("rb") as file:
        return sum(len(decode(line)["text"]) for line in file)


def json_file() -> int:
    """A whole JSON file at once."""
    return sum(len(row["text"]) for row in json.loads(Path("a.json").read_bytes()))


def rows_of_csv() -> int:
    """A `DictReader`."""
    csv.field_size_limit(1 << 30)
    with Path("a.csv").open(newline="", encoding="utf-8") as file:
        return sum(len(row["text"]) for row in csv.DictReader(file))


def rows_of_parquet() -> int:
    """Batches of rows."""
    batches = parquet.ParquetFile("a.parquet").iter_batches(1000, columns=["url", "text"])
    return sum(len(row["text"]) for batch in batches for row in batch.to_pylist())


def fastwarc(name: str) -> int:
    """Bodies of records."""
    return sum(len(record.reader.read()) for record in ArchiveIterator(name))


def warcio(name: str) -> int:
    """Bodies of records."""
    with Path(name).open("rb") as file:
        return sum(len(record.content_stream().read()) for record in WarcioIterator(file))


def files() -> int:
    """Every file of a folder by name."""
    size = 0
    for entry in sorted(os.scandir("folder"), key=lambda entry: entry.name):
        with Path(entry.path).open("rb") as file:
            size += len(file.read())
    return size


LOOPS: dict[tuple[str, str], Callable[[], int]] = {
    ("a.jsonl", "json"): lambda: json_lines(json.loads, "a.jsonl"),
    ("a.jsonl", "msgspec"): lambda: json_lines(msgspec.json.decode, "a.jsonl"),
    ("a.jsonl.gz", "gzip, msgspec"): lambda: json_lines(msgspec.json.decode, "a.jsonl.gz"),
    ("a.json", "json, whole"): json_file,
    ("a.csv", "csv.DictReader"): rows_of_csv,
    ("a.parquet", "pyarrow"): rows_of_parquet,
    ("a.warc", "fastwarc"): lambda: fastwarc("a.warc"),
    ("a.warc", "warcio"): lambda: warcio("a.warc"),
    ("a.warc.gz", "fastwarc"): lambda: fastwarc("a.warc.gz"),
    ("a.warc.gz", "warcio"): lambda: warcio("a.warc.gz"),
    ("folder", "os.scandir, open"): files,
}


def ours(name: str) -> int:
    """Everything that `find` gives."""
    return sum(len(page.content) for page in find([name]) if isinstance(page, Page))


def rate(read: Callable[[], int]) -> float:
    """Megabytes a second."""
    start = time.process_time()
    size = read()
    return size / 1e6 / (time.process_time() - start)


def main() -> None:
    """Print the table."""
    for words, count in ((600, 4000), (6000, 400)):
        pages = texts(words, count)
        size = sum(map(len, pages))
        print(f"\n{count:,} pages of {size / count / 1000:.1f} KB\n")
        print("| input | beside | dedup, MB/s | library, MB/s | ratio |\n|---|---|---|---|---|")
        write(pages)
        for (name, library), loop in LOOPS.items():
            assert ours(name) == size
            loop()
            pairs = [(rate(partial(ours, name)), rate(loop)) for _ in range(ROUNDS)]
            mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"| {name} | {library} | {mine:,.0f} | {theirs:,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
