"""HTML to blocks: what a block is, where it stands, and that nothing is lost on the way."""

from __future__ import annotations

import gzip
import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import turbohtml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from dedup import html_parse
from dedup.errors import PageError
from dedup.html import HtmlBlocks, split_html
from dedup.html_blocks import role_of
from dedup.html_elements import BLOCK, DROPPED, ROLES, hides_by_style
from dedup.html_parse import parse_page
from dedup.model import PageBlocks

NEWS = Path(__file__).parents[1] / ".." / "shared" / "data" / "fundus_news"
needs_news = pytest.mark.skipif(not NEWS.is_dir(), reason=f"real pages are not at {NEWS}")

BLANK = re.compile(
    "[\\s\0-\x1f\xad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0]"
)


def texts(html: str) -> list[str]:
    """The texts of the page's blocks."""
    return split_html(html).texts


def sources(html: str) -> list[str]:
    """The source of each block."""
    blocks = split_html(html)
    return [html[slice(*blocks.span(at))] for at in range(len(blocks))]


def paths(html: str) -> list[str | None]:
    """The CSS path of each block."""
    blocks = split_html(html)
    return [blocks.path(at) for at in range(len(blocks))]


def hidden(html: str) -> list[bool]:
    """Whether each block is hidden."""
    blocks = split_html(html)
    return [blocks.hidden(at) for at in range(len(blocks))]


def visible(text: str) -> str:
    """The characters that show something."""
    return BLANK.sub("", text)


# What is a block


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>One</p><p>Two</p>", ["One", "Two"]),
        ("<p>One<p>Two", ["One", "Two"]),
        ("plain words", ["plain words"]),
        ("bare <p>one</p> between <p>two</p> after", ["bare", "one", "between", "two", "after"]),
        ("<h1>Head</h1>text", ["Head", "text"]),
        ("<ul><li>a<li>b<ul><li>c</ul>d</ul>", ["a", "b", "c", "d"]),
        ("<dl><dt>Term<dd>Meaning</dl>", ["Term", "Meaning"]),
        (
            "<table><caption>Cap</caption><tr><th>H<td>1</td></tr><tr><td>2<td><p>3<p>4</table>",
            ["Cap", "H", "1", "2", "3", "4"],
        ),
        ("<details><summary>Sum</summary>Body</details>", ["Sum", "Body"]),
        ("<figure><img alt=no><figcaption>Cap</figcaption></figure>", ["Cap"]),
        ("<select><option>Red<option>Blue</select>", ["Red", "Blue"]),
        ("<button>Save</button><button>Cancel</button>", ["Save", "Cancel"]),
        ("<fieldset><legend>Who</legend><label>Name</label></fieldset>", ["Who", "Name"]),
        ("One<hr>Two", ["One", "Two"]),
        ("<math><mi>x</mi><mo>=</mo><mn>1</mn></math>", ["x=1"]),
    ],
)
def test_block_elements_bound_blocks(html: str, expected: list[str]) -> None:
    """Every block-level element, and the text between two of them, is a block."""
    assert texts(html) == expected


def test_inline_elements_never_split_a_word() -> None:
    """Words go on through inline tags, comments, <wbr> and the soft hyphen."""
    assert texts("<b>W</b>ord, no<wbr>where, so<!-- -->on, a<i></i>b") == [
        "Word, nowhere, soon, ab"
    ]
    assert texts("hy&shy;phen") == ["hy\xadphen"]


def test_a_teaser_in_one_link_is_several_blocks() -> None:
    """A link around a headline, a paragraph and a date is no block; what stands in it is."""
    html = (
        '<a href="/a"><h3>Rain <em>again</em></h3><p>The fourth week of it.</p>'
        "<span>By A. Writer</span> <time>2 May</time></a>"
    )
    assert texts(html) == ["Rain again", "The fourth week of it.", "By A. Writer 2 May"]


def test_one_line_break_is_white_space_and_two_part_paragraphs() -> None:
    """Headlines and addresses are broken by one <br>; an empty line parts two texts."""
    assert texts("<p>1 Quay Street<br>Old Town<br/>") == ["1 Quay Street Old Town"]
    assert texts("<div>First.<br><br>Second.<br> &nbsp;<br>\n<br>Third.</div>") == [
        "First.",
        "Second.",
        "Third.",
    ]
    assert texts("<div><br><br>Only</div>") == ["Only"]


def test_white_space_collapses_as_browsers_do_it() -> None:
    """Runs of HTML white space are one space; a no-break space inside is a character."""
    assert texts("<p> a \n\t b&nbsp; c <b> d</b> e </p>") == ["a b\xa0 c d e"]
    assert texts("<p>a</p>\n \n<p>\xa0</p><p>&ZeroWidthSpace; &shy;</p>") == ["a"]


def test_preformatted_text_keeps_its_lines() -> None:
    """<pre> and <textarea> are one block each, with white space as written."""
    assert texts("<pre>\n def f():\n\n   <b>return</b> 1<br><br>end\n</pre>") == [
        "def f():\n\n   return 1\n\nend"
    ]
    assert texts("a <textarea>b\n c</textarea>  d  e") == ["a", "b\n c", "d e"]


@pytest.mark.parametrize(
    "html",
    [
        "<head><title>no</title><style>no</style></head>",
        "<script>no()</script>",
        "<noscript><p>no</p></noscript>",
        "<template><p>no</p></template>",
        "<svg><title>no</title><text>no</text></svg>",
        "<iframe>no</iframe>",
        "<math><semantics><annotation>no</annotation></semantics></math>",
        "<!-- no -->",
        "<title>no</title>",
    ],
)
def test_what_is_no_text_is_dropped(html: str) -> None:
    """Metadata, code, graphics and raw text for readers that nobody has are no blocks."""
    assert texts(f"{html}<p>yes</p>{html}") == ["yes"]


def test_an_image_in_a_noscript_does_not_end_the_head() -> None:
    """Pages are parsed as a browser with scripts does, so the head stays whole."""
    html = "<head><noscript><img src=p></noscript><meta charset=utf-8><title>T</title></head><p>x"
    assert paths(html) == ["html > body > p"]


def test_a_declarative_shadow_root_is_shown() -> None:
    """The content of <template shadowrootmode> is on the page, so it is text."""
    html = "<my-card><template shadowrootmode=open><p>in</p></template>light</my-card>"
    assert texts(html) == ["in", "light"]
    assert sources(html) == ["in", "light"]
    assert paths(html) == ["html > body > my-card"] * 2


# Hidden text


@pytest.mark.parametrize(
    "attribute",
    [
        "hidden",
        'hidden="until-found"',
        'style="display:none"',
        'style="color:red; DISPLAY : none !important"',
        'style="visibility:hidden"',
        'aria-hidden="true"',
    ],
)
def test_hidden_blocks_are_marked_and_kept(attribute: str) -> None:
    """What an attribute hides is a block with the mark, with everything inside."""
    html = f"<p>a</p><div {attribute}><p>b</p>c</div><p>d</p>"
    assert texts(html) == ["a", "b", "c", "d"]
    assert hidden(html) == [False, True, True, False]


def test_what_only_looks_hidden_is_shown() -> None:
    """Other values and other properties do not hide."""
    html = (
        '<p aria-hidden="false">a<p style="content-visibility:hidden">b<p style="display:block">c'
        "<dialog open>d</dialog>"
    )
    assert hidden(html) == [False] * 4
    assert not hides_by_style("x-display:none")


def test_closed_dialogs_and_fallbacks_are_hidden() -> None:
    """What browsers do not show by default is marked too."""
    html = "<dialog>a</dialog><video>b</video><datalist><option>c</datalist><canvas>d</canvas>"
    assert texts(html) == ["a", "b", "c", "d"]
    assert hidden(html) == [True] * 4


def test_hidden_text_in_a_shown_line_stands_apart() -> None:
    """The shown text reads as the page shows it; the hidden text follows as its own block."""
    html = (
        "<p>Read <span hidden>all about it </span>more, W<i style='display:none'>x</i>ord.</p><p>z"
    )
    assert texts(html) == ["Read more, Word.", "all about it", "x", "z"]
    assert hidden(html) == [False, True, True, False]


def test_white_space_of_hidden_text_still_parts_words() -> None:
    """A separator that is hidden from some readers leaves the space in which it stood."""
    assert texts('<h2>Kicker<span aria-hidden="true">: </span>Headline</h2>') == [
        "Kicker Headline",
        ":",
    ]


def test_hidden_text_before_the_shown_text_keeps_its_place() -> None:
    """Blocks are in the order of their first characters."""
    html = "<p> <span hidden>one<p>two</p></span>three"
    assert texts(html)[0] == "one"
    starts = [split_html(html).span(at)[0] for at in range(len(texts(html)))]
    assert starts == sorted(starts)


# Where blocks stand


def test_spans_cover_the_source_of_a_block() -> None:
    """A span runs from the block's first character to after its last, inline tags included."""
    html = "<p class=x> One <b>two</b> &amp; <i>three</i> </p>bare<!-- c --><br>word<ul><li>a<li>b"
    assert sources(html) == ["One <b>two</b> &amp; <i>three", "bare<!-- c --><br>word", "a", "b"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_shift_spans(newline: str) -> None:
    """Offsets count characters of the input as given, whatever its line ends."""
    html = newline.join(["<!doctype html>", "<p>one", "more</p>", "", "<p>two</p>", "three"])
    assert sources(html) == [f"one{newline}more", "two", "three"]


def test_lines_count_from_one() -> None:
    """`line` is the line of the block's first character."""
    for newline in ("\n", "\r\n"):
        html = newline.join(["<p>", "one</p>", "<p>two</p>", "", "three"])
        blocks = split_html(html)
        assert [blocks.line(at) for at in range(len(blocks))] == [2, 3, 5]


def test_odd_characters_do_not_shift_spans() -> None:
    """A byte order mark, NULs, lone surrogates and astral characters count as one each."""
    html = "\ufeff<p>\0a\0</p><p>\ud800 b</p>\U0001f600<p>c</p>"
    assert texts(html) == ["a", "\ud800 b", "\U0001f600", "c"]
    assert sources(html) == ["a", "\ud800 b", "\U0001f600", "c"]
    assert paths("\ufeff<!doctype html><title>t</title><p>a") == ["html > body > p"]


def test_text_between_tags_that_are_not_in_the_tree_is_found() -> None:
    """Stray end tags and comments in the source do not hide where text is."""
    html = "</b>one</i> <!-- <p> -->two</p>three</div><body class=x>four<p>five"
    assert sources(html) == ["one</i> <!-- <p> -->two", "three</div><body class=x>four", "five"]


def test_text_that_the_parser_moves_keeps_its_own_span() -> None:
    """Cells stand where they are written, though the text beside them is moved out of the table."""
    html = "<table><tr>moved<td>cell</td></tr></table><p>after"
    blocks = split_html(html)
    assert blocks.texts == ["moved", "cell", "after"]
    assert [html[slice(*blocks.span(at))] for at in (1, 2)] == ["cell", "after"]


def test_paths_name_the_holding_element() -> None:
    """The path is that of the block element, or of the inline element that is the block alone."""
    html = (
        "<body><div>x</div><div><p>one <b>two</b></p><a><h3>head</h3><span>text</span></a></div>"
        "<o:p>odd</o:p>bare<ol><li><svg></svg><a>link</a> and text<o:p><p>in</p></o:p></ol>"
    )
    assert paths(html) == [
        "html > body > div:nth-of-type(1)",
        "html > body > div:nth-of-type(2) > p",
        "html > body > div:nth-of-type(2) > a > h3",
        "html > body > div:nth-of-type(2) > a > span",
        "html > body",  # two stand in it, in one block
        "html > body > ol > li",
        "html > body > ol > li > :nth-child(3) > p",
    ]


def test_text_without_joins_the_other_blocks() -> None:
    """What is left is the other blocks' texts, a blank line between two."""
    blocks = split_html("<p>a<p>b<p>c<p>d")
    assert blocks.text_without([1, 3]) == "a\n\nc"
    assert blocks.text_without([]) == "a\n\nb\n\nc\n\nd"
    assert blocks.text_without([0, 1, 2, 3]) == ""


def test_html_blocks_are_page_blocks() -> None:
    """They satisfy the protocol of the model."""
    blocks: PageBlocks = split_html("<p>a")
    assert (blocks.content, len(blocks), blocks.text(0)) == ("<p>a", 1, "a")
    assert texts("") == []


def test_a_failing_parser_is_a_page_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the parser raises, the caller sees one page that cannot be judged."""

    def fail(*_: object, **__: object) -> None:
        raise OverflowError("too much")

    monkeypatch.setattr(html_parse, "parse", fail)
    with pytest.raises(PageError, match="OverflowError: too much"):
        split_html("<p>a")


# Laws

_PIECES = st.one_of(
    st.sampled_from(
        [
            *(f"<{tag}>" for tag in ("p", "div", "b", "i", "a href=x", "span", "li", "ul", "h2")),
            *(f"</{tag}>" for tag in ("p", "div", "b", "i", "a", "span", "li", "ul", "h2", "br")),
            *("<table>", "<tr>", "<td>", "</td>", "</table>", "<select>", "<option>", "<button>"),
            *("<br>", "<hr>", "<wbr>", "<img>", "<pre>", "</pre>", "<textarea>", "</textarea>"),
            *("<svg>", "</svg>", "<math>", "<title>", "</title>", "<style>", "</style>", "<head>"),
            *(
                "<script>",
                "</script>",
                "<template>",
                "<template shadowrootmode=open>",
                "</template>",
                "<body>",
                "</body>",
                "</html>",
            ),
            *(
                "<!-- x -->",
                "<!--",
                "-->",
                "<!doctype html>",
                "<![CDATA[x]]>",
                "<",
                ">",
                "&",
                "<o:p>",
            ),
            *("<p hidden>", "<b hidden>", "<i aria-hidden=true>", "<div style=display:none>"),
            *(
                "&amp;",
                "&nbsp;",
                "&lt;p>",
                "&#0;",
                "&#x80;",
                "&shy;",
                "\r\n",
                "\r",
                "\n",
                " ",
                "\t",
            ),
            *("\0", "\ud800", "\ufeff", "\U0001f600", "\x0c", "\u200b", "word", "two words"),
        ]
    ),
    st.text(max_size=8),
)
_SOUP = st.lists(_PIECES, max_size=30).map("".join)
_SLOW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_SLOW
@given(_SOUP)
def test_any_string_splits_into_clean_blocks(html: str) -> None:
    """No input fails; texts are stripped, not blank, and their white space is collapsed."""
    blocks = split_html(html)
    assert isinstance(blocks, HtmlBlocks)
    for text in blocks.texts:
        assert visible(text)
        assert text == text.strip()
    if not re.search("pre|textarea|listing|xmp|plaintext", html, re.IGNORECASE):
        assert not any(re.search("[\t\n\f\r]|  ", text) for text in blocks.texts)


@_SLOW
@given(_SOUP)
def test_nothing_is_lost(html: str) -> None:
    """The visible characters outside dropped elements are those of the blocks, in order.

    Hidden text in a shown line is moved behind it, so with hidden elements the order may differ.
    """
    kept = "".join(
        node.data
        for node in parse_page(html.removeprefix("\ufeff")).descendants
        if isinstance(node, turbohtml.Text)
        and not any(
            isinstance(parent, turbohtml.Element) and role_of(parent) & DROPPED
            for parent in node.ancestors
        )
    )
    found = visible("".join(split_html(html).texts))
    assert Counter(found) == Counter(visible(kept))
    if "hidden" not in html and "none" not in html:
        assert found == visible(kept)


@_SLOW
@given(_SOUP)
def test_spans_stay_inside_and_paths_select(html: str) -> None:
    """Spans lie inside the input, on their line; every path selects one element with the text."""
    blocks = split_html(html)
    tree = parse_page(html.removeprefix("\ufeff"))
    for at in range(len(blocks)):
        start, end = blocks.span(at)
        assert 0 <= start <= end <= len(html)
        assert blocks.line(at) == html.count("\n", 0, start) + 1
        path = blocks.path(at)
        assert path is not None
        (holder,) = tree.select(path)
        assert not Counter(visible(blocks.text(at))) - Counter(visible(holder.text))


_NAMES = st.sampled_from(["p", "div", "li", "h3", "td", "span", "b", "a", "em", "section"])
_WORDS = st.text(
    st.characters(categories=["L", "N"], exclude_characters="\0"), min_size=1, max_size=6
)


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inner = st.lists(children, max_size=4).map(" ".join)
    return st.builds(lambda tag, content: f"<{tag}>{content}</{tag}>", _NAMES, inner)


_SANE = st.lists(st.recursive(_WORDS, _element, max_leaves=12), min_size=1, max_size=6).map(
    " ".join
)


@_SLOW
@given(_SANE)
def test_spans_ascend_and_hold_the_text_in_sane_pages(html: str) -> None:
    """Where every tag is closed, spans ascend, do not overlap, and parse to their block's text."""
    blocks = split_html(html)
    spans = [blocks.span(at) for at in range(len(blocks))]
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for at, span in enumerate(spans):
        source = re.sub("<[^>]*>", "", html[slice(*span)])
        assert source.split() == blocks.text(at).split()


def _reference(node: LexborNode, blocks: list[str]) -> None:
    """The block walk at its plainest, on another parser's tree; `blocks[-1]` is being written."""
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            blocks[-1] += child.text_content or ""
            continue
        role = ROLES.get(tag, 0)
        if role & DROPPED or tag.startswith("-"):
            continue
        if role & BLOCK:
            blocks.append("")
        _reference(child, blocks)
        if role & BLOCK:
            blocks.append("")


@_SLOW
@given(_SANE)
def test_another_parser_gives_the_same_blocks_and_paths(html: str) -> None:
    """On selectolax's tree a plain recursive walk finds the same texts; the paths select there."""
    tree = LexborHTMLParser(html)
    expected = [""]
    assert tree.root is not None
    _reference(tree.root, expected)
    blocks = split_html(html)
    joined = (" ".join(text.split()) for text in expected)
    assert [text for text in joined if text] == [" ".join(text.split()) for text in blocks.texts]
    for at in range(len(blocks)):
        found = tree.css(blocks.path(at) or "")
        assert len(found) == 1
        assert "".join(blocks.text(at).split()) in "".join(found[0].text().split())


# Hostile input

_MANY = 50_000


@pytest.mark.parametrize(
    ("html", "characters"),
    [
        pytest.param("<div>" * _MANY + "x" + "</div>" * _MANY + "y", 2, id="nested"),
        pytest.param("<div>x" * _MANY, _MANY, id="nested text"),
        pytest.param("<span>x" * _MANY, _MANY, id="unclosed inline"),
        pytest.param("<p>x\n" * 2 * _MANY, 2 * _MANY, id="blocks"),
        pytest.param("x" * 10_000_000, 10_000_000, id="one text node"),
        pytest.param(
            "<div " + " ".join(f"a{at}=1" for at in range(_MANY)) + ">x", 1, id="attributes"
        ),
        pytest.param("<b><i>" * _MANY + "x" + "</b></i>" * _MANY, 1, id="formatting"),
        pytest.param("<b>x<i>x</b>x</i>" * _MANY, 3 * _MANY, id="misnested"),
        pytest.param(
            "".join(f"<font a{at}>" for at in range(512)) + "<p>x" * 50_000, 50_000, id="rebuilt"
        ),
        pytest.param("<table>x" * 20_000, 20_000, id="moved out of tables"),
        pytest.param("<i hidden>x<p>" * 20_000, 20_000, id="hidden"),
        pytest.param(
            "".join(f"<x{at}><p>x</p></x{at}>" for at in range(_MANY)), _MANY, id="distinct tags"
        ),
        pytest.param("x<!-- c -->" * _MANY, _MANY, id="comments"),
        pytest.param("x<br>" * _MANY, _MANY, id="line breaks"),
        pytest.param("\0" * _MANY + "\ud800", 1, id="NUL and surrogate"),
    ],
)
def test_hostile_pages_are_linear_and_lose_nothing(html: str, characters: int) -> None:
    """Input made to exhaust a parser is split in seconds, with every character."""
    started = time.process_time()
    blocks = split_html(html)
    assert sum(len(visible(text)) for text in blocks.texts) == characters
    for at in {0, len(blocks) // 2, len(blocks) - 1}:
        start, end = blocks.span(at)
        assert 0 <= start <= end <= len(html)
        assert blocks.path(at)
    assert time.process_time() - started < 10  # a tenth of it is usual; quadratic takes minutes


# Real pages


def _news(step: int) -> list[str]:
    files = sorted(NEWS.glob("*.html.gz"))[::step]
    return [gzip.decompress(file.read_bytes()).decode("utf-8", "replace") for file in files]


@needs_news
def test_another_parser_sees_the_same_text_in_real_pages() -> None:
    """On real pages selectolax's tree has the characters that the blocks have."""
    for html in _news(step=4):
        tree = LexborHTMLParser(html)
        reference = [""]
        assert tree.root is not None
        _reference(tree.root, reference)
        expected = Counter(visible("".join(reference)))
        found = Counter(visible("".join(split_html(html).texts)))
        assert found == expected


@needs_news
def test_spans_and_paths_hold_in_real_pages() -> None:
    """On real pages spans ascend and overlap only around hidden text; paths select one element."""
    for html in _news(step=8):
        blocks = split_html(html)
        tree = parse_page(html)
        spans = [blocks.span(at) for at in range(len(blocks))]
        assert all(first[0] <= second[0] for first, second in pairwise(spans))
        overlaps = [at for at, (one, two) in enumerate(pairwise(spans)) if one[1] > two[0]]
        assert all(blocks.hidden(at + 1) for at in overlaps)
        for at in range(0, len(blocks), 7):
            (holder,) = tree.select(blocks.path(at) or "")
            assert not Counter(visible(blocks.text(at))) - Counter(visible(holder.text))


def test_abutting_links_are_parted() -> None:
    """A row of links with no white space between reads as words; a link inside a word does not."""
    assert texts("<nav><a>News</a><a>Sport</a><span><a>Arts</a></span></nav>") == [
        "News Sport Arts"
    ]
    assert texts("<p><a>W</a>ord and pre<a>fix</a>es</p>") == ["Word and prefixes"]
