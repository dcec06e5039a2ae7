"""Text pages to blocks: the contract for any text, and the policy on pages of every shape."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.blocks import TextBlocks, split_texts
from dedup.model import PageBlocks

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TERMINATOR = re.compile("\r+\n|[\n\v\f\r\x85\u2028\u2029]")
PADDING = "\ufeff\u200b"


def paragraphs(text: str) -> list[str]:
    """Paragraphs that stand wrapped between blank lines here, each in one line."""
    return unwrapped(text.split("\n\n"))


def unwrapped(texts: list[str]) -> list[str]:
    """Texts with one space for all white space, and without the marks of a quotation inside."""
    return [" ".join(re.sub(r"\n> ", "\n", text).split()) for text in texts]


ENGLISH = paragraphs("""\
The ferry leaves the northern harbour at six in the morning, and whoever wants to be on it has
to stand at the pier by half past five. Tickets are sold on board. Dogs travel free of charge,
bicycles do not, and for a car there is room only in winter, when few people care to cross.

On the island itself nothing has changed since the lighthouse was rebuilt. The road goes once
around it, past the church, the school and the three farms that are left; in the evening the
keeper walks down to the shop and asks for the paper of the day before.

Those who stay overnight sleep at the inn, which has five rooms and a view of the breakers.
Breakfast is served when the baker has come, and nobody can say when that will be.
""")
RUSSIAN = paragraphs("""\
Паром уходит из северной гавани в шесть часов утра, и тот, кто хочет на него попасть, должен
стоять на пристани уже в половине шестого. Билеты продаются на борту, собак перевозят даром.

На самом острове ничего не изменилось с тех пор, как перестроили маяк. Дорога обходит его
кругом, мимо церкви, школы и трёх дворов, которые ещё остались, и кончается у магазина.
""")
CHINESE = [
    (
        "渡船每天早上六点从北边的港口出发，想要乘船的人必须在五点半以前到达码头。船票在船上出售，带狗不收费，"
        "带自行车却要另外付钱，至于汽车，只有在冬天人少的时候才有地方停放。"
    ),
    (
        "岛上自从灯塔重建以后就没有什么变化。一条小路绕岛一周，经过教堂、学校和剩下的三户农家，"
        "到了傍晚，看守灯塔的人会走到商店去买前一天的报纸。"
    ),
]


def blocks(content: str) -> list[str]:
    """The texts of a page's blocks."""
    page = split_texts([content])[0]
    return [page.text(position) for position in range(len(page))]


def lines(content: str) -> list[str]:
    """The lines that are not blank, stripped: what a block a line must give."""
    return [line.strip() for line in content.splitlines() if line.strip()]


def folded(texts: list[str]) -> list[str]:
    """Texts without their white space, to compare wrapped with unwrapped."""
    return ["".join(text.split()) for text in texts]


def is_white(character: str) -> bool:
    """White space as the scan of lines defines it."""
    return character.isspace() or character in PADDING


characters = st.one_of(
    st.sampled_from("\n\r \t\v\f\x85\u2028\u2029\u200b\ufeff\u00a0\u3000\x00\ud800\udfff"),
    st.sampled_from("ab.,;-*>#|1(é漢😀A"),
    st.characters(),
)
sentences = st.sampled_from(
    [
        "a word",
        "Some words,",
        "and on it goes for quite a while here",
        "1. One",
        "> quoted",
        "",
        "  ",
    ],
)
contents = st.one_of(
    st.text(characters, max_size=80),
    st.lists(sentences, max_size=30).map("\n".join),
)


@given(contents)
def test_the_contract_for_any_text(content: str) -> None:
    """Blocks are stripped slices in order, and hold all that is not white space, once."""
    batch = split_texts([content])
    page: PageBlocks = batch[0]
    end = 0
    rest = ""
    for position in range(len(page)):
        start, stop = page.span(position)
        text = page.text(position)
        assert end <= start < stop
        assert content[start:stop] == text
        assert text == text.strip()
        assert not is_white(text[0])
        assert not is_white(text[-1])
        assert page.line(position) == 1 + len(TERMINATOR.findall(content[:start]))
        assert page.path(position) is None
        assert page.hidden(position) is False
        raw = batch.buffer[batch.starts[position] : batch.ends[position]]
        assert raw.decode("utf-8", "surrogatepass") == text
        rest += content[end:start]
        end = stop
    rest += content[end:]
    assert all(is_white(character) for character in rest)


@given(st.lists(contents, max_size=5))
def test_a_page_does_not_depend_on_its_batch(pages: list[str]) -> None:
    """A page has the same blocks alone and among others, and the columns are the pages' in turn."""
    batch = split_texts(pages)
    assert len(batch) == len(pages)
    assert batch.bounds.tolist()[0] == 0
    assert batch.bounds.tolist()[-1] == len(batch.starts)
    for page, content in zip(batch, pages, strict=True):
        alone = split_texts([content])[0]
        assert [page.span(i) for i in range(len(page))] == [
            alone.span(i) for i in range(len(alone))
        ]
        assert [page.line(i) for i in range(len(page))] == [
            alone.line(i) for i in range(len(alone))
        ]


@given(st.lists(st.sampled_from([*ENGLISH, *RUSSIAN, *CHINESE]), max_size=6), st.integers(30, 110))
def test_wrapped_neighbours_do_not_matter(paragraphs: list[str], width: int) -> None:
    """Wrapped or not, pages of real prose have the same blocks alone and among others."""
    pages = ["\n".join(textwrap.wrap(paragraph, width)) for paragraph in paragraphs]
    pages.append("\n".join(pages))
    together = split_texts(pages)
    for page, content in zip(together, pages, strict=True):
        assert [page.text(i) for i in range(len(page))] == blocks(content)


@given(contents, st.data())
def test_text_without(content: str, data: st.DataObject) -> None:
    """Blocks are cut out with the white space behind them; the rest stays byte for byte."""
    page = split_texts([content])[0]
    chosen = [i for i in range(len(page)) if data.draw(st.booleans())]
    starts = [page.span(i)[0] for i in range(len(page))] + [len(content)]
    wanted = content[: starts[0]] + "".join(
        content[starts[i] : starts[i + 1]] for i in range(len(page)) if i not in chosen
    )
    assert page.text_without(chosen) == wanted
    assert page.text_without([]) == content


def test_no_pages_and_empty_pages() -> None:
    """A batch may be empty, and so may any of its pages."""
    assert len(split_texts([])) == 0
    batch = split_texts(["", "one", " \n", "two"])
    assert batch.bounds.tolist() == [0, 0, 1, 1, 2]
    assert [len(page) for page in batch] == [0, 1, 0, 1]
    assert batch[-1].text(0) == "two"
    assert [len(page) for page in batch[1:3]] == [1, 0]


def test_positions_outside_the_page_are_errors() -> None:
    """A position of another page is an IndexError, not that page's block."""
    batch = split_texts(["one", "two"])
    for position in (-1, 1):
        with pytest.raises(IndexError, match="1 blocks"):
            batch[0].text(position)
    with pytest.raises(IndexError):
        batch[2]


def test_columns_are_int64() -> None:
    """The columns go straight into the kernel, which reads int64."""
    batch = split_texts(["one\n\ntwo"])
    for column in (batch.starts, batch.ends, batch.bounds):
        assert column.dtype == np.int64
        assert column.flags.c_contiguous
    assert isinstance(batch[0], TextBlocks)


WIDTHS = [40, 50, 60, 66, 72, 80, 100]


@pytest.mark.parametrize("prose", [ENGLISH, RUSSIAN], ids=["English", "Russian"])
@pytest.mark.parametrize("width", WIDTHS)
def test_wrapped_paragraphs_between_blank_lines(prose: list[str], width: int) -> None:
    """Hard-wrapped paragraphs come back whole at any usual width."""
    wrapped = [textwrap.fill(paragraph, width, break_on_hyphens=False) for paragraph in prose]
    assert blocks("\n\n".join(wrapped)) == wrapped
    assert blocks("\r\n\r\n".join(wrapped)) == wrapped


@pytest.mark.parametrize("width", WIDTHS)
def test_wrapped_paragraphs_with_indented_first_lines(width: int) -> None:
    """In a book, an indented line begins a paragraph without a blank line before it."""
    wrapped = [textwrap.fill(text, width, initial_indent="    ") for text in ENGLISH]
    assert blocks("\n".join(wrapped)) == [text.strip() for text in wrapped]


@pytest.mark.parametrize("width", [20, 25, 30, 36])
def test_wrapped_without_case_or_spaces(width: int) -> None:
    """Chinese wrapped at a fixed number of characters is told by its widths alone."""
    wrapped = [
        "\n".join(text[at : at + width] for at in range(0, len(text), width)) for text in CHINESE
    ]
    assert blocks("\n\n".join(wrapped)) == wrapped


@pytest.mark.parametrize("separator", ["\n", "\n\n", "\r\n", "\u2028", "\n\n\n"])
def test_a_block_a_line(separator: str) -> None:
    """Where lines are not wrapped, each is a block, with or without blank lines between."""
    paragraphs = [*ENGLISH, "News", "Editor's choice", *RUSSIAN, *CHINESE, "the ferry: a portrait"]
    assert blocks(separator.join(paragraphs)) == paragraphs


def test_labels_and_headlines_are_blocks_of_their_own() -> None:
    """Short lines follow one another on a page; none is glued to its neighbours."""
    page = (
        "Home\nNews\nsport\nabout us\nFive things to know before the ferry leaves tomorrow\n"
        "Why the price of bread rises again on the islands\nthe weekend read: a house by the sea\n"
        + ENGLISH[0]
        + "\nRead more\nEditor's choice\n"
    )
    assert blocks(page) == lines(page)


def test_chinese_headlines_are_not_wrapped_text() -> None:
    """Headlines of much the same width in a script without case stay apart."""
    page = "首页\n新闻\n"
    page += "北方港口渡船明年春天恢复通航\n灯塔重建工程历时三年终于全部完工\n"
    page += "岛上旅馆夏季客房预订已满\n更多\n"
    assert blocks(page) == lines(page)


def test_an_email() -> None:
    """Headers, wrapped text, lists, quotations of two depths, a poem and a signature."""
    page = """\
From: Anna <anna@example.org>
Subject: Minutes of the meeting on Tuesday evening

Dear all,

thank you for coming on Tuesday. As promised, here are the minutes in
short form; please send me your corrections by Friday so that I can put
the final version on the web site before the weekend.

- The summer party takes place on 20 June, and everybody who wants to
  help should tell Martin before the end of May at the latest.
- Membership fees stay as they are.
1. First, we will ask the town for a room that is large enough for all
   of us, with a kitchen.
2. Then we decide.

> I think that the party should be held in the park, since the hall
> is too small for all of us and the weather is good in June.
>> Who will bring the chairs?
> Me.

Roses are red,
Violets are blue,
And the ferry is late

--
Anna
12 Long Street
"""
    assert unwrapped(blocks(page)) == paragraphs("""\
From: Anna <anna@example.org>

Subject: Minutes of the meeting on Tuesday evening

Dear all,

thank you for coming on Tuesday. As promised, here are the minutes in short form; please send me
your corrections by Friday so that I can put the final version on the web site before the
weekend.

- The summer party takes place on 20 June, and everybody who wants to help should tell Martin
before the end of May at the latest.

- Membership fees stay as they are.

1. First, we will ask the town for a room that is large enough for all of us, with a kitchen.

2. Then we decide.

> I think that the party should be held in the park, since the hall is too small for all of us
and the weather is good in June.

>> Who will bring the chairs?

> Me.

Roses are red,

Violets are blue,

And the ferry is late

--

Anna

12 Long Street
""")


def test_markdown() -> None:
    """Headings, underlines, rules, fences and table rows stand alone; wrapped text does not."""
    page = """\
The ferry
=========

A first paragraph that is hard wrapped at some sixty columns or
so, and goes on for a while until it ends here.
## Fares
Text right below the heading which is wrapped as well, since the
author's editor does it that way for every paragraph.

| name | fare |
|------|------|
| dogs | free |

```
fare = 0
```

* one item that is long enough to be wrapped onto the next line
  with a hanging indent
* two
    * three
***
"""
    assert unwrapped(blocks(page)) == paragraphs("""\
The ferry

=========

A first paragraph that is hard wrapped at some sixty columns or so, and goes on for a while
until it ends here.

## Fares

Text right below the heading which is wrapped as well, since the author's editor does it that
way for every paragraph.

| name | fare |

|------|------|

| dogs | free |

```

fare = 0

```

* one item that is long enough to be wrapped onto the next line with a hanging indent

* two

* three

***
""")


def test_scanned_print() -> None:
    """Sections, a page number, a running head, hyphenated words and ragged lines, no blank line."""
    page = """\
SEC. 2. After the lapse of five years from the first voyage of the
ferry, the keeper may ask for a new lamp only on leave of the coun
cil, after ten days' notice to the owner of the vessel, unless he be
absent.
SEC. 3. When the lamp requires oil, or any other thing that
the keeper cannot find on the island, the same shall be brought by
32
THE LIGHTHOUSE ACT.
the ferry, as provided in this chapter, and no
fare shall be asked for it.
§ 4. This act shall take effect on the first day of May.
"""
    assert unwrapped(blocks(page)) == paragraphs("""\
SEC. 2. After the lapse of five years from the first voyage of the ferry, the keeper may ask for
a new lamp only on leave of the coun cil, after ten days' notice to the owner of the vessel,
unless he be absent.

SEC. 3. When the lamp requires oil, or any other thing that the keeper cannot find on the
island, the same shall be brought by

32

THE LIGHTHOUSE ACT.

the ferry, as provided in this chapter, and no fare shall be asked for it.

§ 4. This act shall take effect on the first day of May.
""")


def test_mended_hyphens_do_not_end_a_paragraph() -> None:
    """A line that took in the rest of a hyphenated word, and of its line, is wrapped text still."""
    wrapped = textwrap.wrap(" ".join(ENGLISH), 60)
    wrapped[1:3] = [" ".join(wrapped[1:3])]
    assert blocks("\n".join(wrapped)) == ["\n".join(wrapped)]


def test_wrapped_among_unwrapped() -> None:
    """One wrapped paragraph on a page of a block a line is put together, and nothing else is."""
    wrapped = textwrap.fill(ENGLISH[0], 70)
    page = (
        f"Home\nNews\nsport\n\n{ENGLISH[1]}\n{ENGLISH[2]}\nRead more\n\n{wrapped}\n\nAbout\nnews\n"
    )
    assert blocks(page) == [
        *(
            "Home",
            "News",
            "sport",
            ENGLISH[1],
            ENGLISH[2],
            "Read more",
            wrapped,
            "About",
            "news",
        ),
    ]


def test_a_form_feed_ends_a_paragraph() -> None:
    """A wrapped paragraph stops at a form feed and at a paragraph separator."""
    wrapped = textwrap.wrap(ENGLISH[0], 60)
    for boundary in ("\f", "\u2029", "\n\f"):
        page = "\n".join(wrapped[:2]) + boundary + "\n".join(wrapped[2:])
        assert blocks(page) == ["\n".join(wrapped[:2]), "\n".join(wrapped[2:])]


def test_many_lines() -> None:
    """A page of 200,000 short lines, more than were reckoned with, is split like a short one."""
    page = split_texts(["News\n" * 200_000])[0]
    assert len(page) == 200_000
    assert page.line(199_999) == 200_000


def test_one_long_line() -> None:
    """A line of five million characters is one block."""
    page = split_texts(["  " + "word " * 1_000_000])[0]
    assert len(page) == 1
    assert page.span(0) == (2, 5_000_001)


def test_the_page_that_the_project_started_from() -> None:
    """Each of its lines is a block: labels, doubled headlines and long teasers."""
    path = DATA / "horn-of-africa-page.txt"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: ../shared/data holds the real texts")
    content = path.read_text(encoding="utf-8")
    assert blocks(content) == lines(content)
    assert len(blocks(content)) == 24


def test_folded_prose_survives_every_width() -> None:
    """From 40 to 110 columns, no width loses a paragraph of the sample prose."""
    for width in range(40, 111):
        page = "\n\n".join(textwrap.fill(text, width) for text in [*ENGLISH, *RUSSIAN])
        assert folded(blocks(page)) == folded([*ENGLISH, *RUSSIAN])


@pytest.mark.parametrize(
    "lines",
    [
        ["alpha beta gamma delta epsilon zeta"] * 2,
        ["the quick brown fox jumps over the lazy dog near the river"] * 3,
        [f"this is block number {number} of very many" for number in range(60)],
        [f"item {number} costs {number * 7 % 13} crowns at the fair in may" for number in range(9)],
        [f"row {n} has some words {'and more ' * (n * 5 % 7)}in it" for n in range(40)],
    ],
)
def test_lists_in_lower_case_are_a_block_a_line(lines: list[str]) -> None:
    """Lines in lower case that begin alike, or do not fill their width, are no wrapped prose."""
    assert blocks("\n".join(lines)) == lines
