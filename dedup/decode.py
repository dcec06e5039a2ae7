"""Bytes to text: which charset a page is in.

The order of evidence: a byte order mark, the charset that the transport declared, the charset that
the page declares, whether the bytes are UTF-8, a guess. Servers and pages lie, so a declaration
counts only while the bytes fit it. Bytes that are UTF-8 throughout are UTF-8 whatever was declared:
that does not happen by chance, but to a few characters of a CJK charset. Knows nothing of blocks or
of where bytes come from.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from dedup.charsets import Charset, charset_of
from dedup.errors import DecodeError

__all__ = ["Decoded", "decode", "looks_like_html"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A page as text.

    Attributes:
        text: the whole input; bytes that fit nowhere are U+FFFD; no byte order mark.
        encoding: the charset used, by its name in the WHATWG Encoding Standard.
    """

    text: str
    encoding: str


_UTF8 = Charset("utf-8", "utf-8")
_WINDOWS_1252 = Charset("windows-1252", "cp1252")
_ISO_2022_JP = Charset("iso-2022-jp", "iso2022_jp_ext")

_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, _UTF8),
    (codecs.BOM_UTF32_LE, Charset("utf-32le", "utf-32-le")),
    (codecs.BOM_UTF32_BE, Charset("utf-32be", "utf-32-be")),
    (codecs.BOM_UTF16_LE, Charset("utf-16le", "utf-16-le")),
    (codecs.BOM_UTF16_BE, Charset("utf-16be", "utf-16-be")),
)
_CJK = {"gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"}
_COINCIDENCE = 3  # characters of a CJK charset that may by chance be UTF-8 as well
_WIDE = tuple(charset for _, charset in _MARKS[1:])

# How files begin that people put beside pages by mistake.
_BINARY = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP, WAV or AVI)"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"\x7fELF", "an ELF executable"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"wOF2", "a web font"),
    (b"wOFF", "a web font"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
)
_COMPRESSED = {"gzip data", "bzip2 data", "xz data", "zstd data"}

_SAMPLE = 65536  # bytes, or characters, that are looked at where not everything need be
_PRESCAN = 8192  # the standard says 1,024; pages put long scripts before their declaration
_GUESSED = 8192  # bytes that a guess is made from

# C0 controls and DEL that no text has. Tab, the line ends, backspace and escape it may have.
_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\b\t\n\v\f\r\x1b"})


def decode(data: bytes, *, declared: str | None = None, html: bool = False) -> Decoded:
    """Decode a page.

    Args:
        data: the bytes as they were fetched, already decompressed.
        declared: the charset that the transport declared (an HTTP header), if any.
        html: the page is HTML, which may declare its charset itself.

    Raises:
        DecodeError: the bytes are no text: an image, an archive, noise.
    """
    decoded = _decode_marked(data)
    if decoded is None:
        _refuse_known_binary(data)
        decoded = _decode_wide(data) if b"\0" in data else None
    if decoded is None:
        _refuse_noise(data)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return _decode_other(data, _declarations(data, declared, html=html))
        if len(text) == len(data):
            decoded = _decode_seven_bits(data) or Decoded(text, _UTF8.name)
        elif _beyond_ascii(text) <= _COINCIDENCE:
            declarations = _declarations(data, declared, html=html)
            decoded = _decode_chance(data, declarations) or Decoded(text, _UTF8.name)
        else:
            decoded = Decoded(text, _UTF8.name)
    return decoded


def _decode_marked(data: bytes) -> Decoded | None:
    """Bytes that begin with a byte order mark."""
    for mark, charset in _MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(charset.codec, "replace")
            if _strange(text[:_SAMPLE]):
                raise DecodeError(
                    f"the page begins with a byte order mark ({mark.hex(' ')}) but what follows is "
                    "no text; pass text or HTML, or leave this file out"
                )
            return Decoded(text, charset.name)
    return None


def _decode_seven_bits(data: bytes) -> Decoded | None:
    """ASCII bytes that are Japanese by their escape sequences."""
    if b"\x1b$" in data or b"\x1b(J" in data:
        return _decode_as(data, _ISO_2022_JP)
    return None


def _decode_chance(data: bytes, declarations: list[Charset]) -> Decoded | None:
    """Bytes that are UTF-8 by chance and in the CJK charset that they are declared to be in."""
    if declarations and declarations[0].name in _CJK:
        return _decode_as(data, declarations[0])
    return None


def _declarations(data: bytes, declared: str | None, *, html: bool) -> list[Charset]:
    """The charsets that are declared for the bytes, the strongest first."""
    labels = [declared] if declared else []
    if html:
        labels += _declared_inside(data)
    return [charset for charset in map(charset_of, labels) if charset is not None]


_XML_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)[\"']")
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[\s/]([^>]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    rb"(?<![^\s/\"'])([^\s=/\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))"
)
_CONTENT_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"';]+)", re.IGNORECASE)


def _declared_inside(data: bytes) -> list[str]:
    """The charset that an HTML page declares in its `<meta>` or XML declaration, if it does."""
    head = _COMMENT.sub(b"", data[:_PRESCAN])
    labels = [found[1] for found in _XML_DECLARATION.finditer(head[:1024])][:1]
    for meta in _META.finditer(head):
        attributes: dict[bytes, bytes] = {}
        for found in _ATTRIBUTE.finditer(meta[1]):
            attributes.setdefault(found[1].lower(), found[2] or found[3] or found[4] or b"")
        label = attributes.get(b"charset", b"")
        if not label and attributes.get(b"http-equiv", b"").lower() == b"content-type":
            content = _CONTENT_CHARSET.search(attributes.get(b"content", b""))
            label = content[1] if content else b""
        if label:
            labels.insert(0, label)
            break
    # What could be read as ASCII is not UTF-16, whatever it says: the standard reads it as UTF-8.
    names = [label.decode("latin-1") for label in labels]
    return ["utf-8" if name.lower().startswith("utf-16") else name for name in names]


def _decode_other(data: bytes, declarations: list[Charset]) -> Decoded:
    """Bytes that are not UTF-8, or not throughout."""
    mostly_utf8 = _decode_as(data, _UTF8, most_bad=0.1)
    if mostly_utf8 is not None:  # a charset of single bytes would fit as well, and be mojibake
        return mostly_utf8
    for charset in declarations:
        decoded = _decode_as(data, charset)
        if decoded is not None:
            return decoded
    return _decode_as(data, _UTF8, most_bad=0.25) or _guess(data)


def _decode_as(data: bytes, charset: Charset, most_bad: float = 0.5) -> Decoded | None:
    """The bytes in this charset, or None where they do not fit it.

    They fit when at most `most_bad` of what is beyond ASCII cannot be decoded: one broken byte must
    not turn a page into mojibake. A character cut off at the very end is no evidence.
    """
    text = data.decode(charset.codec, "replace")
    if "\ufffd" in text:
        bad = text.count("\ufffd")
        good = _beyond_ascii(text) - bad
        if bad - (good > 0 and text.endswith("\ufffd")) > most_bad * good:
            return None
    if charset in _WIDE and _strange(text[:_SAMPLE]):
        return None
    return Decoded(text, charset.name)


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


# Of each four bytes, those that are NUL in ASCII characters, and those that never are.
_NULL_PLACES = (
    (_MARKS[1][1], (2, 3), (0,)),
    (_MARKS[2][1], (0, 1), (3,)),
    (_MARKS[3][1], (1, 3), (0, 2)),
    (_MARKS[4][1], (0, 2), (1, 3)),
)


def _decode_wide(data: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark: where ASCII characters leave NULs in every other place."""
    sample = data[:_SAMPLE]
    nulls = [sample[place::4].count(0) for place in range(4)]
    units = len(sample) / 4
    if sum(nulls) < 0.4 * units and (sum(nulls) < 0.02 * units or _is_utf8(sample)):
        return None  # a text with stray NULs in it
    for charset, high, low in _NULL_PLACES:
        nulls_high = min(nulls[place] for place in high)
        nulls_low = max(nulls[place] for place in low)
        if nulls_low > 0.1 * nulls_high or (len(low) == 1 and nulls_high < 0.9 * units):
            continue
        text = data.decode(charset.codec, "replace")
        if not _strange(text[:_SAMPLE]):
            return Decoded(text, charset.name)
    return None


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _strange(text: str) -> bool:
    """Whether this is not text: one in fifty characters is unassigned, private, broken or a NUL."""
    if not text:
        return False
    strange = sum(not character.isprintable() and not character.isspace() for character in text)
    strange += text.count("\ufffd")
    # Format characters (joiners, direction marks) and soft hyphens do not print and are text.
    strange -= sum(map(text.count, "\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad\u2060"))
    return strange > max(len(text) / 50, 1 if len(text) > 8 else 0)


def _refuse_known_binary(data: bytes) -> None:
    for magic, name in _BINARY:
        # A text may begin with such letters; what it does not have is bytes that are no characters.
        if data.startswith(magic) and (not magic.isascii() or _has_controls(data[:1024])):
            remedy = (
                "decompress it first"
                if name in _COMPRESSED
                else "pass text or HTML, or leave it out"
            )
            raise DecodeError(f"the page is {name}, not text; {remedy}")


def _has_controls(data: bytes) -> bool:
    return len(data.translate(None, _CONTROLS)) < len(data) or not data.isascii()


def _refuse_noise(data: bytes) -> None:
    """Binary files hold control characters everywhere; a text has a stray one at most."""
    middle = len(data) // 2
    for sample in (data[:_SAMPLE], data[middle : middle + _SAMPLE], data[-_SAMPLE:]):
        controls = len(sample) - len(sample.translate(None, _CONTROLS))
        if controls > max(len(sample) / 50, 1 if len(sample) > 8 else 0):
            raise DecodeError(
                f"the page is no text: {controls} of {len(sample)} bytes looked at are control "
                f"characters (it begins with {data[:8].hex(' ')}); pass text or HTML, "
                "or leave this file out"
            )
        if len(data) <= _SAMPLE:
            break


# What pages are in that declare nothing and are not UTF-8. More choice makes a guess worse.
_GUESSES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("cp874", "iso8859_2", "iso8859_5", "koi8_r", "koi8_u", "cp866"),
    *("cp932", "euc_jp", "cp949", "gb18030", "big5"),
]


def _guess(data: bytes) -> Decoded:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 50 ms that few pages need

    sample = _telling(data)
    charset = None
    for cut in range(4):  # the sample may end within a character
        matches = from_bytes(
            sample[: len(sample) - cut], cp_isolation=_GUESSES, enable_fallback=False
        )
        best = matches.best()
        if best is not None:
            # Where the West is as likely, it is the West: most of these pages are.
            western = any(
                "cp1252" in match.could_be_from_charset
                and match.chaos <= best.chaos
                and match.coherence >= best.coherence
                for match in matches
            )
            charset = _WINDOWS_1252 if western else charset_of(best.encoding)
            break
    decoded = _decode_as(data, charset, most_bad=0.1) if charset is not None else None
    if decoded is None:
        text = data.decode(_WINDOWS_1252.codec, "replace")
        decoded = Decoded(text, _WINDOWS_1252.name)
    if decoded.text.count("\ufffd") > len(decoded.text) / 20:
        raise DecodeError(
            f"the page is in no charset that is known here (it begins with {data[:8].hex(' ')}); "
            "declare its charset, or leave it out if it is no text"
        )
    return decoded


_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LINE_END = re.compile(rb"[<>\n\r]")


def _telling(data: bytes) -> bytes:
    """A sample with what is beyond ASCII in it: of markup and English there is nothing to learn."""
    pieces: list[bytes] = []
    size = at = 0
    while size < _GUESSED and (found := _BEYOND_ASCII.search(data, at)):
        start = max(at, found.start() - 30)
        start = max(
            start, *(data.rfind(mark, start, found.start()) + 1 for mark in (b">", b"\n", b" "))
        )
        end_found = _LINE_END.search(data, found.end(), found.end() + _GUESSED)
        at = end_found.start() if end_found else min(found.end() + _GUESSED, len(data))
        pieces.append(data[start:at])
        size += at - start
    return b"\n".join(pieces)


_PROLOGUE = re.compile(r"\s*(?:<\?xml.*?\?>|<!--.*?-->)", re.DOTALL)
_PAGE = re.compile(
    r"\s*<(?:!doctype\s+html|(?:html|head|body|title|meta|link|base|script|style|noscript)[\s/>])",
    re.IGNORECASE,
)
_FRAGMENT = re.compile(
    r"\s*<(?:(?:address|article|aside|blockquote|center|details|dialog|div|dl|fieldset|figure|footer"
    r"|form|h[1-6]|header|hgroup|hr|li|main|nav|ol|p|pre|section|table|tbody|td|template|tr|ul)[\s/>]"
    r"|(?:a|font|iframe|img|span|video)\s+[a-z-]+\s*=)",
    re.IGNORECASE,
)
_MENTION = re.compile(r"\s*<[a-z0-9]+>[ \t,.;:?!)]+[^\sA-Z<]")  # "<p> tags are ..."
_ANY_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


MAY_BEGIN_HTML = "<\ufeff \t\n\r\f"
"""First characters of a page that may turn out to be HTML; also the empty string."""


def looks_like_html(text: str) -> bool:
    """Whether a page of unknown format is HTML, judged by how it begins.

    HTML begins with a doctype, an element of a page's frame, or a block element; white space, a
    byte order mark, comments and an XML declaration may stand before it. Text that has a tag
    further down, or begins by naming one ("<p> tags are ..."), is text.
    """
    if text[:1] not in MAY_BEGIN_HTML:
        return False
    head = text[:_SAMPLE].removeprefix("\ufeff")
    at = 0
    while found := _PROLOGUE.match(head, at):
        at = found.end()
    if _PAGE.match(head, at):
        return True
    if not _FRAGMENT.match(head, at):
        return False
    mention = _MENTION.match(head, at)
    return mention is None or _ANY_TAG.search(head, mention.end()) is not None
