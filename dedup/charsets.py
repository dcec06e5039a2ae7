"""Charset labels of the web and the Python codecs that stand for them.

The WHATWG Encoding Standard decides what a label means (`latin1` is windows-1252, `gb2312` is
gb18030); Python's codec registry knows most of the labels but takes them literally. Knows nothing
of bytes.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

__all__ = ["Charset", "charset_of"]


class Charset(NamedTuple):
    """A charset: its WHATWG name, and the Python codec that decodes it."""

    name: str
    codec: str


# Python's name for a codec (`codecs.lookup(label).name`) -> the charset that the web means by it.
_BY_CODEC = {
    python: Charset(name, codec)
    for name, codec, pythons in (
        ("utf-8", "utf-8", "utf-8 utf-8-sig"),
        ("utf-16le", "utf-16-le", "utf-16 utf-16-le"),
        ("utf-16be", "utf-16-be", "utf-16-be"),
        ("utf-32le", "utf-32-le", "utf-32 utf-32-le"),  # not on the web; files have it
        ("utf-32be", "utf-32-be", "utf-32-be"),
        ("windows-1252", "cp1252", "cp1252 iso8859-1 ascii"),
        ("windows-1250", "cp1250", "cp1250"),
        ("windows-1251", "cp1251", "cp1251"),
        ("windows-1253", "cp1253", "cp1253"),
        ("windows-1254", "cp1254", "cp1254 iso8859-9"),
        ("windows-1255", "cp1255", "cp1255"),
        ("windows-1256", "cp1256", "cp1256"),
        ("windows-1257", "cp1257", "cp1257"),
        ("windows-1258", "cp1258", "cp1258"),
        ("windows-874", "cp874", "cp874 iso8859-11 tis-620"),
        ("iso-8859-2", "iso8859-2", "iso8859-2"),
        ("iso-8859-3", "iso8859-3", "iso8859-3"),
        ("iso-8859-4", "iso8859-4", "iso8859-4"),
        ("iso-8859-5", "iso8859-5", "iso8859-5"),
        ("iso-8859-6", "iso8859-6", "iso8859-6"),
        ("iso-8859-7", "iso8859-7", "iso8859-7"),
        ("iso-8859-8", "iso8859-8", "iso8859-8"),
        ("iso-8859-10", "iso8859-10", "iso8859-10"),
        ("iso-8859-13", "iso8859-13", "iso8859-13"),
        ("iso-8859-14", "iso8859-14", "iso8859-14"),
        ("iso-8859-15", "iso8859-15", "iso8859-15"),
        ("iso-8859-16", "iso8859-16", "iso8859-16"),
        ("ibm866", "cp866", "cp866"),
        ("ibm437", "cp437", "cp437"),  # the console's, not the web's; files have these too
        ("ibm850", "cp850", "cp850"),
        ("ibm852", "cp852", "cp852"),
        ("koi8-r", "koi8-r", "koi8-r"),
        ("koi8-u", "koi8-u", "koi8-u"),
        ("macintosh", "mac-roman", "mac-roman"),
        ("x-mac-cyrillic", "mac-cyrillic", "mac-cyrillic"),
        ("gb18030", "gb18030", "gb18030 gbk gb2312"),
        ("big5", "big5hkscs", "big5hkscs big5 cp950"),
        ("shift_jis", "cp932", "cp932 shift_jis"),
        ("euc-jp", "euc_jp", "euc_jp"),
        ("iso-2022-jp", "iso2022_jp_ext", "iso2022_jp iso2022_jp_ext iso2022_jp_1 iso2022_jp_2"),
        ("euc-kr", "cp949", "cp949 euc_kr"),
    )
    for python in pythons.split()
}

# Labels that Python does not know, or knows as something else.
_ALIASES = {
    "ansi_x3.4-1968": "cp1252",
    "csgb2312": "gb18030",
    "csiso88598i": "iso8859-8",
    "csunicode": "utf-16-le",
    "dos-874": "cp874",
    "iso-10646-ucs-2": "utf-16-le",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-8-i": "iso8859-8",
    "koi": "koi8-r",
    "koi8-ru": "koi8-u",
    "logical": "iso8859-8",
    "sun_eu_greek": "iso8859-7",
    "ucs-2": "utf-16-le",
    "unicode": "utf-16-le",
    "unicode-1-1-utf-8": "utf-8",
    "unicode11utf8": "utf-8",
    "unicode20utf8": "utf-8",
    "unicodefeff": "utf-16-le",
    "unicodefffe": "utf-16-be",
    "utf8mb4": "utf-8",
    "visual": "iso8859-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "win-1251": "cp1251",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "x-mac-ukrainian": "mac-cyrillic",
    "x-sjis": "cp932",
    "x-unicode20utf8": "utf-8",
    "x-x-big5": "big5",
}

_LONGEST_LABEL = 40
_SPELLING = re.compile(r"^x-(?=cp125)|(?<=^iso)(?=8859\d)")


def charset_of(label: str) -> Charset | None:
    """The charset that a label means on the web, or None if no page can be in it.

    White space, quotes and case do not matter: headers have all of these.
    """
    label = label.strip(" \t\n\f\r\"';").lower()
    if len(label) > _LONGEST_LABEL:  # the registry would remember it, found or not
        return None
    label = _ALIASES.get(label, label)
    label = _SPELLING.sub("", label, count=1)
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError, UnicodeError):  # unknown; a NUL or no ASCII in the label
        return None
    return _BY_CODEC.get(name.lower()) or _BY_CODEC.get(name.lower().replace("_", "-"))
