"""Where the blocks of an HTML page stand: source spans, lines, CSS paths.

The parser tells where tags stand, not where text does. Text lies between two tags, and is found
there by consuming as many visible characters as the text node has. Knows the tree and the source,
and nothing of what blocks are for.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from turbohtml import Document, DocumentFragment, Element, Node, Text, unescape

from dedup.html_blocks import FoundBlock, find_blocks, role_of
from dedup.html_elements import BLOCK
from dedup.html_parse import parse_page, source_of

__all__ = ["Places"]

# Markup that has no element in the tree: comments, declarations, end tags that end nothing.
_MARKUP = re.compile(r"<!--.*?(?:--!?>|\Z)|<(?:/?[a-zA-Z]|[!?/])[^>]*(?:>|\Z)", re.DOTALL)
_SPACES = " \t\n\f\r\0"
_PLAIN_TAG = re.compile(r"[a-z][a-z0-9-]*")


class Places:
    """Answers for one page. Construction parses it; each answer then costs no more than the depth.

    Attributes:
        blocks: the page's blocks, in the same order as in a parse without locations.
    """

    def __init__(self, content: str) -> None:
        self._content = content
        self._given_source = source_of(content)
        # The parser counts offsets with line ends made one "\n" each, as the standard has it.
        self._source = self._given_source.replace("\r\n", "\n").replace("\r", "\n")
        self._document = parse_page(self._source, locations=True)
        self._steps: dict[Node, dict[Node, str]] = {}
        self.blocks: list[FoundBlock] = find_blocks(self._document)

    def span(self, position: int) -> tuple[int, int]:
        """`(start, end)` of the block in the content as given."""
        block = self.blocks[position]
        start, first_end = self._text_spans[block.first]
        _, end = self._text_spans[block.last]
        return self._given(start), self._given(max(end, first_end))

    def line(self, position: int) -> int:
        """1-based line of the block's start."""
        return bisect_left(self._newlines, self.span(position)[0]) + 1

    def path(self, position: int) -> str:
        """CSS path of the element that holds the block; in a shadow root, of its host."""
        steps = []
        node: Node | None = self._holder(position)
        while isinstance(node, Element | DocumentFragment):
            parent = node.parent
            if isinstance(node, Element):
                steps.append(self._step(parent, node))
            elif parent is not None:  # no selector sees into the <template>
                steps.clear()
                parent = parent.parent
            node = parent
        return " > ".join(reversed(steps))

    def _holder(self, position: int) -> Node:
        """The block element around it; where other blocks share that, the outermost inline one."""
        block = self.blocks[position]
        around = set(_ancestors(block.first))
        holder = next(node for node in _ancestors(block.last) if node in around)
        shared: set[Node] = set()
        if position > 0:
            shared.update(_ancestors(self.blocks[position - 1].last))
        if position + 1 < len(self.blocks):
            shared.update(_ancestors(self.blocks[position + 1].first))
        while isinstance(holder, Element) and not role_of(holder) & BLOCK:
            parent = holder.parent
            if not isinstance(parent, Element) or parent in shared:
                break
            holder = parent
        return holder

    def _step(self, parent: Node | None, element: Element) -> str:
        if parent is None:
            return element.tag
        if parent not in self._steps:
            self._steps[parent] = _steps(parent)
        return self._steps[parent][element]

    def _given(self, offset: int) -> int:
        """An offset in the parsed source as one in the content as given."""
        mark = len(self._content) - len(self._given_source)
        return mark + offset + bisect_left(self._pairs, offset)

    @cached_property
    def _pairs(self) -> list[int]:
        """Offsets, in the parsed source, of each line end that was two characters long."""
        pairs = re.finditer("\r\n", self._given_source)
        return [found.start() - before for before, found in enumerate(pairs)]

    @cached_property
    def _newlines(self) -> list[int]:
        return [found.start() for found in re.finditer("\n", self._content)]

    @cached_property
    def _text_spans(self) -> dict[Text, tuple[int, int]]:
        """Every text node that is not white space, with its span in the parsed source."""
        spans: dict[Text, tuple[int, int]] = {}
        waiting: list[Text] = []
        finder = _TextFinder(self._source)
        at = 0
        for event in _events(self._document):
            if isinstance(event, Text):
                if not event.data.isspace():
                    waiting.append(event)
                continue
            start, end = event
            if waiting:
                spans.update(finder.find(waiting, at, start if start >= at else None))
                waiting.clear()
            at = end
        spans.update(finder.find(waiting, at, None))
        return spans


def _ancestors(node: Node) -> Iterator[Node]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _steps(parent: Node) -> dict[Node, str]:
    """The last step of the CSS path of each element in `parent`."""
    by_tag: dict[str, list[Element]] = {}
    steps: dict[Node, str] = {}
    elements = (child for child in parent.children if isinstance(child, Element))
    for count, element in enumerate(elements, start=1):
        by_tag.setdefault(element.tag, []).append(element)
        steps[element] = f":nth-child({count})"
    for tag, same in by_tag.items():
        # A name that a selector would have to escape, or that HTML and SVG share, stays a number.
        if _PLAIN_TAG.fullmatch(tag) and len({element.namespace for element in same}) == 1:
            for count, element in enumerate(same, start=1):
                steps[element] = tag if len(same) == 1 else f"{tag}:nth-of-type({count})"
    return steps


def _events(document: Document) -> Iterator[Text | tuple[int, int]]:
    """In tree order: text nodes, and the `(start, end)` of each tag that the source has."""
    stack: list[tuple[Iterator[Node], tuple[int, int] | None]] = [(iter(document.children), None)]
    while stack:
        children, end_tag = stack[-1]
        for node in children:
            if isinstance(node, Text):
                yield node
            elif isinstance(node, Element):
                location = node.source_location
                closing = None
                if location is not None:
                    yield location.start_tag.start_offset, location.start_tag.end_offset
                    if location.end_tag is not None:
                        closing = (location.end_tag.start_offset, location.end_tag.end_offset)
                stack.append((iter(node.children), closing))
                break
            elif isinstance(node, DocumentFragment):
                stack.append((iter(node.children), None))
                break
        else:
            stack.pop()
            if end_tag is not None:
                yield end_tag


class _TextFinder:
    """Finds text nodes in the source between two tags."""

    def __init__(self, source: str) -> None:
        self._source = source
        # What has been moved or merged beyond recognition is searched for in vain: not for ever.
        self._budget = 8 * len(source) + 65536

    def find(
        self, nodes: list[Text], start: int, end: int | None
    ) -> Iterator[tuple[Text, tuple[int, int]]]:
        """Yield the span of each node; they stand in this order in `source[start:end]`."""
        if end is None:
            end = len(self._source)
        for node in nodes:
            span = self._find(node.data, start, end)
            yield node, span
            start = span[1]

    def _find(self, text: str, start: int, end: int) -> tuple[int, int]:
        wanted = _visible(text)
        found_start = None
        found_end = at = start
        while wanted > 0 and at < end and self._budget > 0:
            markup = _MARKUP.search(self._source, at, end)
            run_end = markup.start() if markup else end
            run = self._source[at:run_end]
            stripped = run.strip(_SPACES)
            if stripped:
                run_start = at + len(run) - len(run.lstrip(_SPACES))
                found_start = run_start if found_start is None else found_start
                found_end = run_start + len(stripped)
                wanted -= _visible(unescape(stripped) if "&" in stripped else stripped)
            next_at = markup.end() if markup else end
            self._budget -= next_at - at
            at = next_at
        return (start if found_start is None else found_start), found_end


def _visible(text: str) -> int:
    """How many characters of the text are not white space."""
    return len("".join(text.split())) - text.count("\0")
