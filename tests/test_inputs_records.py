"""Files of records: which fields are what, and what is said of records that are no pages."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dedup.errors import InputError
from dedup.inputs import UnreadPage, find, json_records
from dedup.inputs.json_records import decoder
from dedup.inputs.model import Fields, Reading
from dedup.inputs.reader import NAMED_ERRORS
from dedup.inputs.records import Records
from dedup.model import Page
from dedup.sites import site_of

slow_paths = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pages(name: str, content: str | bytes, **options: Any) -> list[Page | UnreadPage]:
    """What a file of that name and content gives."""
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(find([name], **options))


def only(items: Sequence[Page | UnreadPage]) -> str:
    """The message of the one unread page among the items."""
    (item,) = [item for item in items if isinstance(item, UnreadPage)]
    return str(item.error)


def record(fields: dict[str, Any], **options: Any) -> Page | UnreadPage:
    """What a record gives that is number 7 of the file f."""
    return Records("f", Reading(fields=Fields(**options))).page(fields, 7)


@pytest.mark.parametrize(
    ("fields", "page"),
    [
        ({"url": "u", "id": 3, "text": "t", "html": "h"}, Page("t", "u")),
        ({"id": 3, "html": "h"}, Page("h", "3", "html")),
        ({"text": None, "content": "c"}, Page("c", "f#7")),
        ({"url": "", "url2": "x", "doc_id": "d", "body": b"b"}, Page(b"b", "d")),
        ({"raw_content": "r", "metadata": {"url": "m"}}, Page("r", "m")),
        ({"markdown": "# m", "warc_headers": {"warc-target-uri": "w"}}, Page("# m", "w", "text")),
        ({"text": "", "id": True}, Page("", "f#7")),
    ],
)
def test_guessed_fields(fields: dict[str, Any], page: Page) -> None:
    """The first field with a value is taken, URLs before other ids; without an id, FILE#N."""
    assert record(fields) == page


def test_chosen_fields() -> None:
    """Fields that are named are used, inside of objects as well; a name with a dot goes first."""
    fields = {"a": {"b": "inner"}, "c.d": "dotted", "c": {"d": "x"}, "n": None, "s": "site"}
    assert record(fields, text="a.b", id="c.d") == Page("inner", "dotted")
    assert record(fields, text="a.b", id="n") == Page("inner", "f#7")
    assert record(fields, text="a.b", id="c.d", site="s") == Page("inner", "site/dotted")
    assert record(fields, text="a.b", id="c.d", site="n") == Page("inner", "dotted")


@pytest.mark.parametrize(
    ("site", "page_id", "expected", "host"),
    [
        ("example.org", "/a/b", "example.org/a/b", "example.org"),
        ("example.org", 12, "example.org/12", "example.org"),
        ("example.org", "https://other.org/x", "https://other.org/x", "other.org"),
        ("https://example.org/", "a", "https://example.org/a", "example.org"),
    ],
)
def test_site(site: str, page_id: str | int, expected: str, host: str) -> None:
    """An id that is no URL gets its site in front, where reports and scopes look for it."""
    page = record({"id": page_id, "text": "t", "s": site}, site="s")
    assert page.page == expected
    assert site_of(page.page) == host


@pytest.mark.parametrize(
    ("fields", "options", "said"),
    [
        ({"a": 1, "b": 2}, {}, "has none of the fields text, content, html, body, raw_content"),
        ({"a": 1, "b": 2}, {}, "but 'a', 'b': name the field of the text with --text-field"),
        ({"text": 5}, {}, "has a int in its field 'text', and no text"),
        ({"text": ["a"]}, {}, "has a list in its field 'text'"),
        (
            {"body_text": "x"},
            {"text": "bodytext"},
            "change --text-field, did you mean 'body_text'?",
        ),
        ({"text": "x"}, {"id": "uri"}, "has no field 'uri', but 'text': change --id-field"),
        ({"text": "x"}, {"site": "host"}, "has no field 'host', but 'text': change --site-field"),
        ({"text": "x", "i": [1]}, {"id": "i"}, "has a list in its field 'i', and no id"),
        ({}, {}, "but none at all"),
        ([], {}, "is no object with fields"),
    ],
)
def test_record_that_is_no_page(fields: Any, options: dict[str, str], said: str) -> None:
    """It is named with its number, what is wrong, the fields that are there, and the remedy."""
    item = record(fields, **options)
    assert isinstance(item, UnreadPage)
    assert item.page == "f#7"
    assert str(item.error).startswith("'f#7' ")
    assert said in str(item.error)


def test_bad_lines_cost_a_line() -> None:
    """Broken JSON, bytes that are no UTF-8, NULs and scalars are named by line."""
    lines = [
        b'\xef\xbb\xbf{"text": "first", "url": "1"}',
        b'{"text": "cut off',
        b"",
        b'{"text": "\xff", "url": "4"}',
        b"\0\0\0\0",
        b"17",
        b'{"text": "no id"}\r',
        b"[" * 100_000,
        b'{"text": "last", "url": "9"}',
    ]
    items = pages("a.jsonl", b"\n".join(lines))
    assert [item.page for item in items] == [
        *("1", "a.jsonl#2", "a.jsonl#4", "a.jsonl#5", "a.jsonl#6", "a.jsonl#7", "a.jsonl#8", "9")
    ]
    unread = {item.page: str(item.error) for item in items if isinstance(item, UnreadPage)}
    assert list(unread) == [f"a.jsonl#{n}" for n in (2, 4, 5, 6, 8)]
    assert "is no JSON (unterminated string" in unread["a.jsonl#2"]
    assert "byte 11 is no UTF-8" in unread["a.jsonl#4"]
    assert "nested too deeply" in unread["a.jsonl#8"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(value=VALUES, ascii_only=st.booleans())
def test_both_decoders_agree(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    """With msgspec, records are what they are without it, NaN and lone surrogates included."""
    line = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    results = []
    for decode in (decoder(), json_records._decode):
        try:
            results.append(repr(decode(line)))
        except ValueError:
            results.append("error")
    assert results[0] == results[1]


def test_without_libraries() -> None:
    """JSON Lines need no library; Parquet and zstd say which extra to install."""
    Path("a.jsonl").write_text('{"text": "x", "url": "u"}\n')
    Path("a.parquet").write_bytes(b"PAR1")
    Path("a.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    code = """if True:
        import sys
        for name in ("msgspec", "pyarrow", "backports", "fsspec"):
            sys.modules[name] = None
        from dedup.inputs import find
        for item in find(["a.jsonl", "a.parquet", "a.txt.zst"]):
            print(getattr(item, "error", item))
        try:
            find(["s3://bucket/key"])
        except Exception as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    said = done.stdout.splitlines()
    assert said[0].startswith("Page(content='x', page='u'")
    assert "pip install 'dedup[parquet]'" in said[1]
    assert "pip install 'dedup[zstd]'" in said[2]
    assert "pip install 'dedup[cloud]'" in said[3]


JSON_FILES = {
    "array": '[{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]',
    "a line each": '[\n{"id": 1, "text": "a"},\n{"id": 2, "text": "b"}\n]\n',
    "appended": '[\n{"id": 1, "text": "a"}\n][\n{"id": 2, "text": "b"}\n]',
    "lines": '{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n',
    "pretty lines": '{\n "id": 1, "text": "a"}\n{\n "id": 2, "text": "b"\n}',
    "marked": '\ufeff [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]',
}


@pytest.mark.parametrize("name", ["a.json", "noname"])
@pytest.mark.parametrize("content", JSON_FILES.values(), ids=JSON_FILES)
def test_json(name: str, content: str) -> None:
    """Arrays, lines and values one after another are records, by name or by content."""
    assert pages(name, content) == [Page("a", "1"), Page("b", "2")]


@given(
    texts=st.lists(st.text(max_size=30), max_size=8), step=st.integers(1, 40), indent=st.booleans()
)
@slow_paths
def test_json_in_any_steps(texts: list[str], step: int, indent: bool) -> None:  # noqa: FBT001 - drawn
    """However a long file falls into steps, its elements come out whole."""
    content = json.dumps([{"text": text, "n": 1.5} for text in texts], indent=2 if indent else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "STEP", step)
        items = pages("a.json", content)
    assert [item.content for item in items if isinstance(item, Page)] == texts
    assert len(items) == len(texts)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"text": "a"}, {"text" "b"}, {"text": "c"}]', "expecting ':' delimiter"),
        ('[{"text": "a"} {"text": "b"}]', "'{' where a comma or the end of the array must be"),
        ('[{"text": "a"},', "the file ends in the middle of the array"),
        ('[{"text": "a"}, {"te', "unterminated string"),
        ('[{"text": "a"}] and more', "expecting value"),
    ],
)
def test_json_with_a_bad_place(content: str, said: str) -> None:
    """What stands before it is read; the error says that the rest was not, and what to do."""
    items = pages("a.json", content)
    assert [item.page for item in items] == ["a.json#1", "a.json#2"]
    assert said in only(items)
    assert "write JSON Lines" in only(items)


def test_json_record_over_the_limit() -> None:
    """A value in a JSON file that is longer than the limit ends its reading, with the reason."""
    content = json.dumps([{"text": "a"}, {"text": "x" * 3_000_000}])
    assert "longer than --max-page-mb allows" in only(pages("a.json", content, max_bytes=1_000_000))


ROW = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    min_size=2,
    max_size=2,
)


@given(rows=st.lists(ROW, max_size=6), delimiter=st.sampled_from(",;\t|"))
@slow_paths
def test_csv_as_python_writes_it(rows: list[list[str]], delimiter: str) -> None:
    """Whatever stands in the fields, a table is read as it was written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["url", "text"], *rows])
    name = "a.tsv" if delimiter == "\t" else "a.csv"
    items = pages(name, text.getvalue().encode())
    assert [item.content for item in items if isinstance(item, Page)] == [row[1] for row in rows]
    assert [item.page for item in items] == [
        row[0] or f"{name}#{number}" for number, row in enumerate(rows, 1)
    ]


def test_bad_rows_cost_a_row() -> None:
    """Rows with too few or too many fields and NULs are named with their lines."""
    content = 'url,text\n1,one\n2\n3,"two\nlines"\n4,a,b\n5,\0\n\n6,last\n'
    items = pages("a.csv", content)
    assert [item.page for item in items] == ["1", "a.csv#2", "3", "a.csv#4", "a.csv#5", "6"]
    errors = [str(item.error) for item in items if isinstance(item, UnreadPage)]
    assert "'a.csv#2' (line 3) has 1 fields where the first row has 2" in errors[0]
    assert "(line 6) has 3 fields" in errors[1]
    assert "(line 7) has NUL characters" in errors[2]


def test_quote_that_is_not_closed() -> None:
    """It is named with its line, for it swallows the rest of the file."""
    items = pages("a.csv", 'url,text\n1,one\n2,"two\n3,three\n4,four\n')
    assert [item.page for item in items] == ["1", "a.csv#2"]
    assert "(line 3) opens a quote that nothing closes" in only(items)


def test_row_over_the_limit() -> None:
    """A row over the limit is reported and read past, line ends in its quotes included."""
    long = '"' + 'a "" b\n' * 200_000 + '"'
    content = f"url,text\n1,one\n2,{long}\n3,three\n4,{'x' * 2_000_000}\n5,five\n"
    items = pages("a.csv", content, max_bytes=1_000_000)
    assert [item.page for item in items] == ["1", "a.csv#2", "3", "a.csv#4", "5"]
    assert all(
        "more than 1 MB" in str(item.error) for item in items if isinstance(item, UnreadPage)
    )


def test_table_in_other_charsets() -> None:
    """UTF-16 with its mark is text; other bytes are left to the detection of charsets."""
    content = "url;text\nü;Straße\n"
    assert pages("a.csv", content.encode("utf-16")) == [Page("Straße", "ü")]
    assert pages("a.csv", content.encode("utf-8-sig")) == [Page("Straße", "ü")]
    (page,) = pages("a.csv", content.encode("latin-1"))
    assert page == Page("Straße".encode("latin-1"), "\\xfc")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_table_without_the_column(name: str) -> None:
    """A table without the text, or without a column that was asked for, is one error."""
    parquet.write_table(pa.table({"link": ["a"], "words": ["w"]}), "a.parquet")
    Path("a.csv").write_text("link,words\na,w\nb,x\n")
    error = only(list(find([name])))
    assert f"'{name}' has none of the fields text, content" in error
    assert "but 'link', 'words': name the field of the text with --text-field" in error
    assert "did you mean 'words'" in only(list(find([name], text_field="wrds")))
    assert "--id-field" in only(list(find([name], text_field="words", id_field="x")))
    assert next(iter(find([name], text_field="words", id_field="link"))) == Page("w", "a")


def test_parquet() -> None:
    """Rows are pages: strings, bytes, columns in structures, nulls, in any number of row groups."""
    table = pa.table(
        {
            "meta": [{"url": f"u{n}", "x": n} for n in range(2500)],
            "html": pa.array([None if n == 7 else f"<p>{n}".encode() for n in range(2500)]),
            "unwanted": [0] * 2500,
        }
    )
    parquet.write_table(table, "a.parquet", row_group_size=700)
    items = list(find(["a.parquet"]))
    assert len(items) == 2500
    assert items[0] == Page(b"<p>0", "u0", "html")
    assert items[-1] == Page(b"<p>2499", "u2499", "html")
    assert "'a.parquet#8' has none of the fields" in only(items)
    Path("noname").write_bytes(Path("a.parquet").read_bytes())
    assert list(find(["noname"]))[1] == items[1]
    piped = find(["-"], stdin=io.BytesIO(Path("a.parquet").read_bytes()))
    assert list(piped)[1] == items[1]


def test_parquet_with_text_that_is_no_utf8() -> None:
    """A string column that holds other bytes, as some writers leave it, is read as bytes."""
    wrong = pa.array([b"caf\xe9", b"tea"]).view(pa.string())
    parquet.write_table(pa.table({"id": ["1", "2"], "text": wrong}), "a.parquet")
    assert [page.content for page in find(["a.parquet"]) if isinstance(page, Page)] == [
        b"caf\xe9",
        b"tea",
    ]


def test_cut_parquet() -> None:
    """The directory of a Parquet file is its end: a cut one says so, and wrong bytes too."""
    parquet.write_table(pa.table({"id": list(range(5000)), "text": ["x" * 50] * 5000}), "a.parquet")
    whole = Path("a.parquet").read_bytes()
    for cut in (0, 3, 8, len(whole) // 2, len(whole) - 1):
        items = pages("b.parquet", whole[:cut])
        assert "'b.parquet' is a damaged Parquet file" in only(items)
        assert len(items) == 1


def test_packed_parquet() -> None:
    """A compressed Parquet file is unpacked beside, and a bomb is refused."""
    parquet.write_table(pa.table({"id": [1], "text": ["x"]}), "a.parquet")
    assert pages("b.parquet.gz", gzip.compress(Path("a.parquet").read_bytes())) == [Page("x", "1")]
    assert "ends too early" in only(
        pages("b.parquet.gz", gzip.compress(Path("a.parquet").read_bytes())[:-3])
    )
    bomb = gzip.compress(b"PAR1" + bytes(120_000_000))
    assert "unpacks to more than 100 times its size" in only(pages("b.parquet.gz", bomb))


def test_many_errors_are_counted() -> None:
    """The first hundred records that are no pages are named; the others are one error."""
    content = '{"txt": 1}\n' * 250 + '{"text": "good", "id": 1}\n'
    items = pages("a.jsonl", content)
    assert [item.page for item in items[NAMED_ERRORS - 1 :]] == ["a.jsonl#100", "1", "a.jsonl"]
    assert "150 more records are not read" in str(getattr(items[-1], "error", ""))


def test_forced_format() -> None:
    """A format that is given decides, whatever the name says; an unknown one is refused."""
    line = '{"text": "x", "url": "u"}'
    assert pages("a.txt", line, input_format="jsonl") == [Page("x", "u")]
    assert pages("a.jsonl", line, input_format="page") == [Page(line.encode(), "a.jsonl")]
    assert pages("a.jsonl", line, input_format="html") == [Page(line.encode(), "a.jsonl", "html")]
    assert pages("a", "id\ttext\n1\tx\n", input_format="tsv") == [Page("x", "1")]
    with pytest.raises(InputError, match="'xml' is none: choose from page, text"):
        find(["a"], input_format="xml")
