"""Bytes to text: which charset is believed, and what is no text at all."""

from __future__ import annotations

import codecs
import gzip
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.charsets import charset_of
from dedup.decode import Decoded, decode, looks_like_html
from dedup.errors import DecodeError

GERMAN = "Die größte Straße führt über die Brücke, während am Ufer die Bäume blühen.\n"
RUSSIAN = "Зимой вода в реке замерзает, и дети катаются на коньках до самого вечера.\n"
JAPANESE = "冬になると川の水が凍り、子どもたちは夕方までスケートをして遊びます。\n"
CHINESE = "冬天河水结冰的时候，孩子们在河面上滑冰，一直玩到傍晚才回家。\n"


NOISE = bytes(at * at * 7919 % 65521 % 256 for at in range(5000))


# Byte order marks


@pytest.mark.parametrize(
    ("mark", "codec", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16le"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16be"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32le"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32be"),
    ],
)
def test_a_byte_order_mark_decides_and_is_stripped(mark: bytes, codec: str, name: str) -> None:
    """A mark outranks every declaration, and is no character of the text."""
    assert decode(mark + GERMAN.encode(codec), declared="koi8-r") == Decoded(GERMAN, name)
    assert decode(mark) == Decoded("", name)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN, "plain ASCII, and short", RUSSIAN, JAPANESE + "1, 2.\n"])
def test_wide_charsets_are_recognised_without_a_mark(codec: str, text: str) -> None:
    """The NULs of ASCII characters give UTF-16 and UTF-32 away."""
    assert decode((text * 3).encode(codec)) == Decoded(text * 3, codec[:6] + codec[7:])


# Declarations


@pytest.mark.parametrize(
    ("text", "label", "name"),
    [
        (GERMAN, "ISO-8859-1", "windows-1252"),
        ("“Quoted” – €5\n", "latin1", "windows-1252"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, '"Windows-1251"', "windows-1251"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "iso-2022-jp", "iso-2022-jp"),
        (CHINESE, "gb2312", "gb18030"),
        (GERMAN, "utf-16", "utf-16le"),
    ],
)
def test_a_declared_charset_is_used(text: str, label: str, name: str) -> None:
    """What the transport declares is believed, by the web's meaning of the label."""
    charset = charset_of(label)
    assert charset is not None
    assert decode(text.encode(charset.codec), declared=label) == Decoded(text, name)


@pytest.mark.parametrize(
    "label", ["klingon", "", "rot13", "unicode_escape", "x" * 9999, "a\0b", "ü"]
)
def test_an_unknown_charset_is_passed_over(label: str) -> None:
    """A label that means nothing, or no charset of pages, is no reason to fail."""
    assert charset_of(label) is None
    assert decode(GERMAN.encode(), declared=label) == Decoded(GERMAN, "utf-8")
    assert decode(GERMAN.encode("cp1252"), declared=label).text == GERMAN


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1251", "gbk", "utf-16", "us-ascii"])
def test_utf8_is_utf8_whatever_was_declared(label: str) -> None:
    """Servers declare their default; bytes that are UTF-8 throughout do not lie."""
    assert decode(RUSSIAN.encode(), declared=label) == Decoded(RUSSIAN, "utf-8")


def test_a_few_characters_of_a_cjk_charset_may_be_utf8_by_chance() -> None:
    """Two Chinese characters in GBK can be valid UTF-8; then the declaration counts."""
    data = "模式".encode("gbk")
    assert decode(data, declared="gbk").text == "模式"
    assert decode(data).encoding == "utf-8"


def test_a_declaration_that_does_not_fit_falls_through() -> None:
    """Latin bytes declared as UTF-8 or as Shift_JIS are read as what they are."""
    assert decode(GERMAN.encode("cp1252"), declared="utf-8").text == GERMAN
    assert decode(JAPANESE.encode("cp932"), declared="utf-8").text == JAPANESE


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('<meta charset="koi8-r">', "koi8-r"),
        ("<META CHARSET=koi8-r />", "koi8-r"),
        ("<meta name=x content='charset=big5'><meta charset='koi8-r'>", "koi8-r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ("<meta content='text/html;charset = koi8-r' http-equiv=content-type>", "koi8-r"),
        ('<?xml version="1.0" encoding="koi8-r"?><html>', "koi8-r"),
        ("<!-- <meta charset=big5> --><meta charset=koi8-r>", "koi8-r"),
    ],
)
def test_an_html_page_may_declare_its_charset(head: str, name: str) -> None:
    """The meta element and the XML declaration count, where the transport declares nothing."""
    page = f"{head}<p>{RUSSIAN}"
    assert decode(page.encode("koi8-r"), html=True) == Decoded(page, name)
    assert decode(page.encode("cp1251"), declared="cp1251", html=True).text == page


def test_a_page_cannot_declare_utf16_in_ascii() -> None:
    """A meta element that says UTF-16 can only have been read as UTF-8."""
    page = '<meta charset="utf-16"><p>grün'
    assert decode(page.encode(), html=True) == Decoded(page, "utf-8")


def test_text_is_not_searched_for_meta_elements() -> None:
    """A text that shows a meta element does not declare anything."""
    data = f"<meta charset=koi8-r> {GERMAN * 3}".encode("cp1252")
    assert decode(data).text.endswith(GERMAN)


# Damage


def test_a_few_broken_bytes_do_not_spoil_a_page() -> None:
    """UTF-8 with some broken bytes is UTF-8 with as many replacement characters."""
    data = GERMAN.encode() * 5 + b"\xff caf\xe9 " + GERMAN.encode() * 5
    expected = Decoded(GERMAN * 5 + "\ufffd caf\ufffd " + GERMAN * 5, "utf-8")
    assert decode(data) == expected
    assert decode(data, declared="iso-8859-1") == expected
    assert decode(JAPANESE.encode("cp932") + b"\xff\n", declared="shift_jis").text.startswith(
        JAPANESE
    )


def test_a_character_cut_off_at_the_end_is_no_evidence() -> None:
    """A truncated download decodes up to the cut."""
    data = "Zwölf".encode()
    assert decode(data + "ö".encode()[:1]) == Decoded("Zwölf\ufffd", "utf-8")


def test_one_latin_letter_is_not_broken_utf8() -> None:
    """An ASCII text with a single Latin-1 letter is Latin-1."""
    assert decode(b"un caf\xe9, deux th\xe9s") == Decoded("un café, deux thés", "windows-1252")
    assert decode(b"caf\xe9").text == "café"


def test_a_stray_nul_does_not_make_it_binary() -> None:
    """One NUL in a text is kept, and does not look like UTF-16."""
    assert decode(b"Hello\0 world, this is text") == Decoded("Hello\0 world, this is text", "utf-8")


# Guesses


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
    ],
)
def test_an_undeclared_charset_is_guessed(text: str, codec: str) -> None:
    """Bytes that nobody declares and that are not UTF-8 are read by their language."""
    assert decode((text * 4).encode(codec)).text == text * 4
    page = f"<html><body>{'<div class=a>' * 999}<p>{text * 4}".encode(codec)
    assert text in decode(page, html=True).text


# What is no text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG image"),
        (gzip.compress(GERMAN.encode(), mtime=0), "gzip data, not text; decompress it first"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF document"),
        (b"\x7fELF\2\1\1" + bytes(99), "an ELF executable"),
        (b"PK\x03\x04\x14\0\6\0", "a ZIP archive"),
        (b"GIF89a\1\0\1\0", "a GIF image"),
        (NOISE, "control characters"),
        (zlib.compress(GERMAN.encode() * 20), "control characters"),
        (bytes(5000), "control characters"),
        (b"\xff\xfe" + NOISE, "byte order mark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_binary_files_are_refused_by_name(data: bytes, message: str) -> None:
    """What is no text raises, and the message says what was found and what to do."""
    with pytest.raises(DecodeError, match=message) as caught:
        decode(data)
    assert ";" in str(caught.value)


def test_a_text_about_file_formats_is_text() -> None:
    """Letters that open a binary file may open a text as well."""
    for text in ("GIF89a is a format of images.", "%PDF- starts a PDF.", "BZh, RIFF and PK."):
        assert decode(text.encode()).text == text


# Laws


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=300),
    st.none() | st.sampled_from(["utf-8", "utf-16", "shift_jis", "latin1", "?", "iso-2022-jp"]),
    st.booleans(),
)
def test_any_bytes_are_text_or_a_decode_error(
    data: bytes,
    declared: str | None,
    html: bool,  # noqa: FBT001 - Hypothesis draws it
) -> None:
    """Nothing but DecodeError is ever raised, and no mark is left in front of the text."""
    try:
        decoded = decode(data, declared=declared, html=html)
    except DecodeError:
        return
    assert charset_of(decoded.encoding) is not None
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        assert not (data.startswith(mark) and data.count(mark) == 1 and "\ufeff" in decoded.text)


@settings(max_examples=400, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"], exclude_characters="\ufeff"))
)
def test_utf8_text_comes_back_whole(text: str) -> None:
    """Whatever can be written comes back from UTF-8 character by character."""
    assert decode(text.encode()) == Decoded(text, "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GERMAN.encode() * 250_000, id="utf-8"),
        pytest.param(GERMAN.encode("cp1252") * 250_000, id="windows-1252"),
        pytest.param(b"\xff" + GERMAN.encode() * 250_000, id="broken utf-8"),
        pytest.param(b"x" * 20_000_000 + b"\xe9", id="one letter"),
        pytest.param("字".encode("cp932") * 10_000_000, id="no ASCII"),
        pytest.param(GERMAN.encode("utf-16-le") * 125_000, id="utf-16"),
        pytest.param(b"<meta " * 3_000_000 + b"\xe9", id="meta"),
        pytest.param(b"<!--" * 5_000_000 + b"\xe9", id="comments"),
    ],
)
def test_large_pages_decode_in_time(data: bytes) -> None:
    """Twenty megabytes take seconds at most, whatever they are."""
    started = time.process_time()
    decode(data, html=True)
    assert time.process_time() - started < 5  # a tenth of it is usual


# HTML or not


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><p>a",
        "\ufeff \n<!doctype HTML PUBLIC 'x'>",
        "<html lang=en>",
        "<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<html xmlns='x'>",
        "<head><title>a</title>",
        "<title>a</title>b",
        "<body class=x>",
        "<div>a</div>",
        "<p>Hello",
        "<p>a <b>b</b>",
        "<p> tags <p> here</p>",
        "<article id=1>a",
        "<H2>A</H2>",
        "<ul>\n<li>a",
        "<a href='/x'>a</a>",
        "<!-- only --><section>",
    ],
)
def test_html_is_recognised_by_its_beginning(text: str) -> None:
    """Pages, and fragments that begin with a block element, are HTML."""
    assert looks_like_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Plain words.",
        "The <div> element is a container.",
        "<p> tags are for paragraphs.",
        "<div>, unlike <b> and so on".replace("<b>", "b"),
        "# Title\n\n<div>html in Markdown</div>",
        "`<html>` begins a page",
        "<b> is bold",
        "<someone@example.org> wrote:",
        "<http://example.org/> is a link",
        "<?xml version='1.0'?><rss version='2.0'>",
        "<!-- a comment -->\nText.",
        "<!-- never closed <html>",
        "< div>",
        "<paragraph>",
        "a < b and <html>",
    ],
)
def test_text_that_mentions_tags_is_text(text: str) -> None:
    """Prose and Markdown stay text, whatever tags they name further down."""
    assert not looks_like_html(text)


def test_the_look_is_cheap() -> None:
    """Only the beginning is looked at, and no beginning takes long."""
    started = time.process_time()
    for text in ("<!--" * 5_000_000, " " * 20_000_000, "<!---->" * 3_000_000, "<?xml" * 4_000_000):
        assert not looks_like_html(text)
    assert time.process_time() - started < 2
