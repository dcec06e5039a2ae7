"""A small news site on loopback, written from a seed, whose repeats are known.

Three hundred pages: sections that list articles by teasers, and the articles. Every page has the
same menu and footer; every section shows some teasers twice; some articles are older ones,
reworked. Each block that a reader sees has a label, and blocks with one label say the same. Knows
nothing of dedup.
"""

from __future__ import annotations

import html
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ARTICLES_A_SECTION = 9

MENU = (
    "News from the harbour and the old town",
    "Ferries, timetables and the state of the ice",
    "Letters from readers who live abroad",
    "What the council decided behind closed doors",
    "Cranes, ropes and other things for sale",
)
FOOTER = (
    "The Harbour Courier is printed on Mondays, kept on film in the customs house, and read aloud "
    "at the fish market to whoever has forgotten a pair of glasses."
)


@dataclass
class Site:
    """The site.

    Attributes:
        pages: HTML by path.
        labels: the label of every block, by its text.
        blocks: how many blocks all pages have.
        requests: how many requests came.
    """

    pages: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    blocks: int = 0
    requests: int = 0


class _Words:
    """Made-up words that stay the same from run to run, the frequent ones first."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        starts = ["b", "br", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v"]
        ends = ["n", "r", "s", "t", "l", "m", "nd", "st"]
        words = {
            self._random.choice(starts)
            + self._random.choice("aeiou")
            + self._random.choice(["", "l", "r", "mm", "tt", "ck"])
            + self._random.choice("aeiou")
            + self._random.choice(ends)
            for _ in range(4000)
        }
        self._words = sorted(words)
        self._weights = [1 / (30 + rank) for rank in range(len(self._words))]

    def paragraph(self) -> str:
        """A paragraph of 45 to 80 words."""
        words = self._random.choices(self._words, self._weights, k=self._random.randint(45, 80))
        return " ".join(words).capitalize() + "."

    def reworked(self, paragraph: str) -> str:
        """The same with every fifteenth word or so exchanged."""
        words = paragraph.split()
        for at in range(self._random.randrange(5, 12), len(words), 15):
            words[at] = self._random.choice(self._words)
        return " ".join(words)


def write_site(seed: int = 1, sections: int = 30) -> Site:
    """Write all pages: ten a section."""
    words = _Words(seed)
    rng = random.Random(seed)
    site = Site()
    articles: list[list[str]] = []
    for number in range(sections * ARTICLES_A_SECTION):
        if number >= ARTICLES_A_SECTION and rng.random() < 0.15:  # an older one, reworked
            older = rng.randrange(number - 5)
            article = [words.reworked(paragraph) for paragraph in articles[older]]
            labels = [site.labels[paragraph] for paragraph in articles[older]]
        else:
            article = [words.paragraph() for _ in range(rng.randint(3, 7))]
            labels = [f"article {number}, paragraph {at}" for at in range(len(article))]
        articles.append(article)
        site.labels.update(zip(article, labels, strict=True))
        _add_page(site, f"/article/{number}", article, [])
    for section in range(sections):
        first = section * ARTICLES_A_SECTION
        numbers = list(range(first, first + ARTICLES_A_SECTION))
        teasers = [
            " ".join(articles[number][0].split()[:18]) + " … Read more" for number in numbers
        ]
        for teaser, number in zip(teasers, numbers, strict=True):
            site.labels.setdefault(teaser, f"teaser of {site.labels[articles[number][0]]}")
        links = [f"/article/{number}" for number in numbers]
        if section + 1 < sections:
            links.insert(0, f"/section/{section + 1}")
        _add_page(site, f"/section/{section}", teasers + rng.sample(teasers, 3), links)
    site.labels.update({line: f"menu {at}" for at, line in enumerate(MENU)})
    site.labels[FOOTER] = "footer"
    return site


def _add_page(site: Site, path: str, blocks: list[str], links: list[str]) -> None:
    shown = [*MENU, *blocks, FOOTER]
    site.blocks += len(shown)
    body = "\n".join(f"<p>{html.escape(block)}</p>" for block in shown)
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
    site.pages[path] = (
        f"<!doctype html><html><head><title>{path}</title></head>"
        f"<body>{body}<nav>{anchors}</nav></body></html>"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Of five, which is the default, a crawl that opens eight connections at once may find the queue
    # full: then it waits a second until it asks again, and so takes twice as long or not.
    request_queue_size = 128


@contextmanager
def serve(site: Site, delays: tuple[float, float] = (0, 0)) -> Iterator[str]:
    """Serve a site on a free port of loopback; gives its address.

    A page comes after so many seconds, from the least to the most, the same page always as late.
    """
    least, most = delays
    late = {path: random.Random(path).uniform(least, most) for path in site.pages} if most else {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            """Send a page."""
            site.requests += 1
            page = site.pages.get(self.path)
            body = (page or "not here").encode()
            if self.path in late:
                time.sleep(late[self.path])
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
