"""HTML source to a tree: the one place that calls the parser.

Keeps a page of a few kilobytes from growing to gigabytes on the way. Knows nothing of blocks.
"""

from __future__ import annotations

import re
from itertools import accumulate

from turbohtml import Document, parse

from dedup.errors import PageError

__all__ = ["parse_page", "source_of"]

_BOM = "\ufeff"

# A formatting element that is left open is built again in every paragraph that follows (HTML
# Standard, "reconstruct the active formatting elements"): 500 <font> and 16,000 <p>, 70 kB of
# source, are 8 million nodes and a gigabyte. The parser nests 512 deep, so that is the factor.
_FORMATTING = re.compile(
    r"<(/?)[abcefinstu](?:|ig|ode|m|ont|obr|mall|trike|trong|t)[\s/>]", re.IGNORECASE | re.ASCII
)
_MOST_REBUILT = 512
_MOST_NODES = 4_000_000


def source_of(content: str) -> str:
    """The part of a page that is HTML: without the byte order mark, which would be text."""
    return content.removeprefix(_BOM)


def parse_page(source: str, *, locations: bool = False) -> Document:
    """Parse a page the way a browser does that runs scripts.

    Args:
        source: the page without a byte order mark.
        locations: record where each tag stands (`Element.source_location`).

    Raises:
        PageError: the parser gave up.
    """
    try:
        # With scripting, <noscript> is raw text; without, the <img> inside a <noscript> in the head
        # would end the head. Declarative shadow roots stay where they are written, as templates.
        return parse(
            _without_explosives(source),
            positions=False,
            source_locations=locations,
            scripting=True,
            allow_declarative_shadow_roots=False,
        )
    except Exception as exc:
        msg = f"the HTML parser gave up on this page ({type(exc).__name__}: {exc}); pass it as text"
        raise PageError(msg) from exc


def _without_explosives(source: str) -> str:
    """The source, its formatting tags made comments of the same length where they would explode."""
    tags = source.count("<")
    if tags * _MOST_REBUILT <= _MOST_NODES:
        return source
    steps = (-1 if found[1] else 1 for found in _FORMATTING.finditer(source))
    left_open = max(accumulate(steps), default=0)
    if tags * min(left_open, _MOST_REBUILT) <= _MOST_NODES:
        return source
    return _FORMATTING.sub(_comment, source)


def _comment(found: re.Match[str]) -> str:
    """`<b ` as `<! `, `</font>` as `<!font>`: a comment up to the next `>`."""
    return "<!" + found[0][2:]
