"""The web page at `/`, and what it is made of: one style, one script, nothing from elsewhere.

Its parts are in `web/`, and, where the HTML report has them too, in `dedup/reports/assets/`. It
asks the service what any client asks. What pages hold reaches it as JSON and is shown as text: the
policy lets no string become markup (`require-trusted-types-for`). Knows nothing of indexes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from html import escape
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dedup.reports.html_assets import SHARED, asset, bundle, filled
from dedup.service.problems import Problem
from dedup.service.state import version

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
SCRIPTS = (
    *("connection.js", "api.js", "given.js", "marked.js", "original.js", "answers.js"),
    *("check.js", "browse.js", "lists.js", "app.js"),
)
"""The page's own scripts, in the order of use, after those that it shares with the report."""

_own = partial(asset, package="dedup.service", folder="web")


class _File(NamedTuple):
    content: bytes
    media_type: str
    tag: str


def web_routes() -> list[Route]:
    """The routes."""
    return [Route("/", home), Route("/web/{name}", file)]


async def home(request: Request) -> Response:
    """`GET /`: the page."""
    service = request.app.state.service
    values = {
        "namespace": escape(service.options.namespace),
        "keys": "" if service.keys is None else "needed",
        "version": escape(version()),
    }
    content = filled(_own("page.html"), values)
    headers = {"content-security-policy": POLICY}
    return Response(content, headers=headers, media_type="text/html")


async def file(request: Request) -> Response:
    """`GET /web/{name}`: a part of the page."""
    name = request.path_params["name"]
    found = _files().get(name)
    if found is None:
        raise Problem("not-found", f"the page has no part {name[:100]!r}")
    # Kept by the browser, who asks whether it is still so.
    headers = {"etag": found.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)


@lru_cache
def _files() -> dict[str, _File]:
    """The parts by their names."""
    script = bundle((*map(asset, SHARED), *map(_own, SCRIPTS)))
    return {
        "page.css": _file(asset("report.css") + _own("page.css"), "text/css"),
        "page.js": _file(script, "text/javascript"),
        "icon.svg": _file(_own("icon.svg"), "image/svg+xml"),
        # A page to try, which is read and never shown as HTML.
        "harbour-news.html": _file(_own("harbour-news.html"), "text/plain"),
    }


def _file(content: str, media_type: str) -> _File:
    encoded = content.encode()
    return _File(encoded, media_type, f'"{hashlib.sha256(encoded).hexdigest()[:32]}"')
