"""What each HTML element does to the flow of text, as tables.

Taken from the rendering section of the HTML Standard (what browsers do before any style sheet of
the page) with the exceptions noted. Knows tag names and attributes; no parser, tree or block.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

__all__ = [
    "ASIDE",
    "BLOCK",
    "BREAK",
    "DROPPED",
    "HIDDEN",
    "INLINE",
    "LINK",
    "PREFORMATTED",
    "ROLES",
    "Role",
    "hides_by_style",
]


Role: TypeAlias = int
"""Bits that say how an element takes part in the flow of text.

Plain integers: an `enum.Flag` took four fifths of the time of the whole block walk.
"""

INLINE: Final = 0
BLOCK: Final = 1  # its start and its end are block boundaries
PREFORMATTED: Final = 2  # white space inside is kept
HIDDEN: Final = 4  # the page does not show what is inside
ASIDE: Final = 8  # hidden, in the midst of a line that is shown
DROPPED: Final = 16  # nothing inside is text of the page
BREAK: Final = 32  # <br>
LINK: Final = 64  # <a>: two that abut are two texts, though HTML puts no space between them

# Not text of the page: metadata, code, graphics, and raw text for readers that nobody has.
_DROPPED = """
    head iframe noembed noframes noscript script style svg template title annotation annotation-xml
"""

# display: block, list-item, table*, and what stands apart like a block although it flows in a line:
# adjacent buttons and options are separate texts even with no white space between their tags.
_BLOCK = """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing
    main marquee menu nav ol p plaintext pre search section summary table tbody td textarea tfoot th
    thead tr ul xmp
    button datalist optgroup option select
    audio canvas video
"""

_PREFORMATTED = "listing plaintext pre textarea xmp"

# Shown only by readers that lack the element (their content is a fallback), or not at all.
_HIDDEN = "audio canvas datalist video"


def _table() -> dict[str, Role]:
    roles = dict.fromkeys(_BLOCK.split(), BLOCK)
    for tag in _PREFORMATTED.split():
        roles[tag] |= PREFORMATTED
    for tag in _HIDDEN.split():
        roles[tag] |= HIDDEN
    roles.update(dict.fromkeys(_DROPPED.split(), DROPPED))
    roles["br"] = BREAK
    roles["a"] = LINK
    return roles


ROLES: dict[str, Role] = _table()
"""Tag name to role; a tag that is not listed is inline."""

_HIDING_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\b", re.IGNORECASE
)


def hides_by_style(style: str) -> bool:
    """Whether a `style` attribute hides its element (`display:none`, `visibility:hidden`)."""
    return _HIDING_STYLE.search(style) is not None
