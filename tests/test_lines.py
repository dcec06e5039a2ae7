"""The scan of lines: what it says of a line, and that both kernels say the same of any bytes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.kernel import reference

_Int64s: TypeAlias = npt.NDArray[np.int64]
Scan: TypeAlias = Callable[[bytes, _Int64s, _Int64s, _Int64s], int]

START, END, CHAR_START, CHAR_END, NUMBER, INDENT, EDGE, FIRST, FLAGS = range(9)
BREAK, STRUCTURE, BARE, MARKER, WEAK, LOWER, UPPER, DIGIT, CAPS = (1 << bit for bit in range(9))
TERMINAL, CONTINUES, GAP, FIGURES, WIDE = (1 << bit for bit in range(9, 14))


def native() -> Scan:
    """The C kernel's scan; skips the test where it is not built."""
    try:
        module = importlib.import_module("dedup.kernel._native")
    except ImportError:
        pytest.skip("the native kernel is not built")
    scan: Scan = module.scan_lines
    return scan


@pytest.fixture(params=["reference", "native"])
def scan(request: pytest.FixtureRequest) -> Scan:
    """The scan of each kernel in turn."""
    return reference.scan_lines if request.param == "reference" else native()


def describe(
    scan: Scan, buffer: bytes, bounds: list[int] | None = None, capacity: int = 100
) -> tuple[int, _Int64s, _Int64s]:
    """What the scan returns and writes; arrays are poisoned first, so that gaps show."""
    page_bounds = np.array([0, len(buffer)] if bounds is None else bounds, np.int64)
    fields = np.full((9, capacity), -7, np.int64)
    line_bounds = np.full(len(page_bounds), -7, np.int64)
    count = scan(buffer, page_bounds, fields, line_bounds)
    return count, fields, line_bounds


def line(scan: Scan, text: str) -> dict[str, int]:
    """What the scan says of the first line of a text."""
    _, fields, _ = describe(scan, text.encode("utf-8", "surrogatepass"))
    names = ("start", "end", "char_start", "char_end", "number", "indent", "edge", "first", "flags")
    return dict(zip(names, fields[:, 0].tolist(), strict=True))


# Bytes that matter: terminators, white space, pieces of characters, markers, quotes.
PIECES = [
    *(b"\r", b"\n", b"\r\n", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9"),
    *(
        b" ",
        b"    ",
        b"\t",
        b"\x1c",
        b"\xc2\xa0",
        b"\xe2\x80\x8b",
        b"\xe3\x80\x80",
        b"\xef\xbb\xbf",
    ),
    *(
        b"\xc2",
        b"\xe2\x80",
        b"\xe0",
        b"\xf0\x9f",
        b"\xff",
        b"\x80",
        b"\xed\xa0\x80",
        b"\x00",
        b"\xc1\xbc",
        b"\xc0\xae",
    ),
    *(b"a", b"The", b"IV", b"words and", b"ABC", b"12", b"1.", b"(a)", b"[3]", b"Art. 5.", b"o  "),
    *(b">", b"> ", b"-", b"--", b"*", b"#", b"==", b"|", b"```", b"\\", b".", b",", b"'", b")"),
    *(text.encode() for text in ("é", "Ж", "ω", "漢字", "。", "“", "”", "•", "—", "§", "ก็", "😀")),
]
pages = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join),
    st.lists(st.sampled_from(PIECES), min_size=100, max_size=200).map(b"".join),
)


@given(batch=st.lists(pages, max_size=4), capacity=st.sampled_from([0, 3, 300]))
def test_both_kernels_agree_on_any_bytes(batch: list[bytes], capacity: int) -> None:
    """The C scan and its twin do the same, malformed UTF-8 and full arrays included."""
    scan = native()
    bounds = np.cumsum([0, *map(len, batch)]).tolist()
    ours = describe(reference.scan_lines, b"".join(batch), bounds, capacity)
    theirs = describe(scan, b"".join(batch), bounds, capacity)
    assert ours[0] == theirs[0]
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[2], theirs[2])


@given(buffer=pages, cuts=st.lists(st.integers(0, 80), max_size=4))
def test_both_kernels_agree_where_pages_cut_characters(buffer: bytes, cuts: list[int]) -> None:
    """Bounds in the middle of a character give the same on both sides: no look past a page."""
    scan = native()
    bounds = sorted(min(cut, len(buffer)) for cut in [*cuts, 0])
    ours = describe(reference.scan_lines, buffer, bounds)
    theirs = describe(scan, buffer, bounds)
    assert ours[0] == theirs[0]
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[2], theirs[2])


def test_twins_share_their_docstring() -> None:
    """Both kernels document the scan in the same words."""
    doc = getattr(native(), "__doc__", "") or ""
    assert " ".join(doc.split()) == " ".join((reference.scan_lines.__doc__ or "").split())


@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_terminator_ends_one_line(scan: Scan, terminator: str) -> None:
    """Each of the eight terminators ends one line; CR LF is one of them."""
    count, fields, _ = describe(scan, f"one{terminator}two".encode())
    assert count == 2
    assert fields[NUMBER, :2].tolist() == [1, 2]
    assert fields[CHAR_START, :2].tolist() == [0, 3 + len(terminator)]


def test_returns_before_a_newline_are_one_terminator(scan: Scan) -> None:
    """CR CR LF, a file converted twice, ends one line; CRs alone end one each."""
    _, fields, _ = describe(scan, b"one\r\r\ntwo\r\r\rthree")
    assert fields[NUMBER, :3].tolist() == [1, 2, 5]
    assert (fields[FLAGS, :3] & BREAK).tolist() == [BREAK, 0, BREAK]


@pytest.mark.parametrize("gap", ["\n\n", "\n \t\n", "\f", "\n\f", "\u2029", "\n\u200b\n"])
def test_what_sets_lines_apart(scan: Scan, gap: str) -> None:
    """A blank line, a form feed and a paragraph separator are breaks; a page begins with one."""
    _, fields, _ = describe(scan, f"one{gap}two".encode())
    assert (fields[FLAGS, :2] & BREAK).tolist() == [BREAK, BREAK]


def test_offsets_in_bytes_and_characters(scan: Scan) -> None:
    """Offsets cover the line without its white space, in the buffer and within the page."""
    first, second = "é\n".encode(), "\ufeff \u3000naïve 漢字\u00a0\u200b\r\nb".encode()
    count, fields, line_bounds = describe(scan, first + second, [0, 3, len(first + second)])
    assert count == 3
    assert line_bounds.tolist() == [0, 1, 3]
    assert fields[START, :3].tolist() == [0, 10, 30]
    assert fields[END, :3].tolist() == [2, 23, 31]
    assert fields[CHAR_START, :3].tolist() == [0, 3, 15]
    assert fields[CHAR_END, :3].tolist() == [1, 11, 16]
    assert fields[NUMBER, :3].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("text", "indent", "edge", "first"),
    [
        ("two words", 0, 9, 3),
        ("  \ttwo words", 8, 17, 3),
        ("\u3000\u3000漢字かな", 4, 12, 2),
        ("\ufeffone", 0, 3, 3),
        ("> > quoted text", 4, 15, 6),
        ("ที่ กัน", 0, 4, 3),
        ("a\u00a0b c", 0, 5, 3),
        ("x" * 100, 0, 100, 64),
    ],
)
def test_columns(scan: Scan, text: str, indent: int, edge: int, first: int) -> None:
    """Indent, edge and first word are columns as a reader sees them."""
    facts = line(scan, text)
    assert (facts["indent"], facts["edge"], facts["first"]) == (indent, edge, first)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("and so on", LOWER),
        ("“and so on”", LOWER),
        ("This is a sentence.", UPPER | TERMINAL),
        ("ça va ?", LOWER | TERMINAL),
        ("Élan, with a comma,", UPPER | CONTINUES),
        ("a word that is hyphen-", LOWER | CONTINUES),
        ("добрый день", LOWER),
        ("ΑΘΗΝΑ", UPPER | CAPS),
        ("BREAKING NEWS", UPPER | CAPS),
        ("12 March", DIGIT),
        ("漢字。", TERMINAL | WIDE),
        ('He said "yes."', UPPER | TERMINAL),
        ("# A heading", STRUCTURE | UPPER),
        ("#hashtag", LOWER),
        ("| a | b |", STRUCTURE | LOWER),
        ("```python", STRUCTURE | LOWER),
        ("* item", MARKER | LOWER),
        ("*emphasis* here", LOWER),
        ("• item", MARKER | LOWER),
        ("§ 12. Whoever", MARKER | DIGIT),
        ("1. First", WEAK | DIGIT),
        ("2.1 Scope", WEAK | DIGIT),
        ("3.5", WEAK | DIGIT | FIGURES),
        ("3\\. Escaped", WEAK | DIGIT),
        ("(iv) the fourth", WEAK | LOWER),
        ("b) the second", WEAK | LOWER),
        ("[12] A reference", WEAK | DIGIT),
        ("Art. 5. Whoever", WEAK | UPPER),
        ("SEC. 12.", WEAK | UPPER | CAPS | TERMINAL),
        ("— Yes", WEAK | UPPER),
        ("-----", BARE | CONTINUES),
        ("* * *", BARE | MARKER),
        ("- 32 -", MARKER | DIGIT | FIGURES | CONTINUES),
        ("32", DIGIT | FIGURES),
        ("32      Civil Procedure", DIGIT | GAP),
        ("name\tvalue", LOWER | GAP),
        (">> quoted", LOWER | 2 << 16),
    ],
)
def test_flags(scan: Scan, text: str, flags: int) -> None:
    """How a line starts, ends and looks."""
    assert line(scan, text)["flags"] == flags | BREAK


def test_full_arrays_are_not_overrun(scan: Scan) -> None:
    """With too little room the first lines are described, and all are counted."""
    count, fields, line_bounds = describe(scan, b"a\nb\nc\nd", capacity=2)
    assert (count, line_bounds.tolist()) == (4, [0, 4])
    assert fields[NUMBER].tolist() == [1, 2]


def test_no_pages(scan: Scan) -> None:
    """No pages have no lines; neither has an empty or a blank one."""
    assert describe(scan, b"", [0])[0] == 0
    count, _, line_bounds = describe(scan, b" \n\t", [0, 0, 3])
    assert (count, line_bounds.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize("bounds", [[0, 4], [2, 1], [-1, 2], []])
def test_bounds_outside_the_buffer_are_refused(scan: Scan, bounds: list[int]) -> None:
    """Bounds that do not ascend within the buffer are an error, not a read elsewhere."""
    with pytest.raises(ValueError, match="page_bounds"):
        describe(scan, b"abc", bounds)


def test_arrays_that_do_not_fit_are_refused(scan: Scan) -> None:
    """Fields must be nine rows, and line_bounds as long as page_bounds."""
    bounds = np.array([0, 3], np.int64)
    with pytest.raises(ValueError, match="fields"):
        scan(b"abc", bounds, np.zeros(10, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="line_bounds"):
        scan(b"abc", bounds, np.zeros((9, 1), np.int64), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    "page",
    [
        b"\r" * 300_000,
        b"x" + b"\xc2\xa0" * 100_000,
        b"\xe2\x80" * 150_000,
        b"." * 100_000,
        b">" * 300_000,
        b"1." * 150_000,
        b"word " * 100_000,
    ],
    ids=["returns", "no-break spaces", "half characters", "dots", "quotes", "numbers", "one line"],
)
def test_hostile_pages_take_linear_time(scan: Scan, page: bytes) -> None:
    """Runs of one thing are gone through once (going back over them would take minutes)."""
    assert describe(scan, page, capacity=1)[0] <= 1
