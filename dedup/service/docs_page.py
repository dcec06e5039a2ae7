"""`/openapi.json`, and `/docs`: the same for people, one page without scripts or anything else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dedup.reports.json import dump
from dedup.service.openapi import description
from dedup.service.problems import KINDS
from dedup.service.state import version

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } h2 code { font-size: 1.125rem; } code, pre { font: .875rem/1.4 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .75rem; border: 1px solid #8886; border-radius: .375rem; }
table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
.method { text-transform: uppercase; font-weight: 600; }
"""  # noqa: E501 - CSS
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def docs_routes() -> list[Route]:
    """The routes."""
    return [
        Route("/openapi.json", openapi),
        Route("/docs", docs),
    ]


def _document(request: Request) -> dict[str, Any]:
    return description(version(), is_open=request.app.state.service.keys is None)


async def openapi(request: Request) -> Response:
    """`GET /openapi.json`."""
    return Response(dump(_document(request)), media_type="application/json")


async def docs(request: Request) -> Response:
    """`GET /docs`."""
    headers = {"content-security-policy": POLICY}
    return Response(docs_html(_document(request)), headers=headers, media_type="text/html")


def docs_html(document: dict[str, Any]) -> str:
    """The description as a page."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>dedup over HTTP</title><style>{STYLE}</style>",
        f"<h1>dedup {escape(document['info']['version'])} over HTTP</h1>",
        f"<p>{escape(document['info']['summary'])}",
        "The same for programs: <a href='/openapi.json'>openapi.json</a>.</p>",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation_html(path, method, operation)
    parts.append(
        "<h2>Problems</h2><p>Errors are problem details (RFC 9457). Their <code>type</code>"
    )
    parts.append(" ends with one of these names.</p><table><tr><th>name<th>status<th>what")
    parts += (
        f"<tr id='{escape(name)}'><td><code>{escape(name)}</code><td>{kind.status}"
        f"<td>{escape(kind.title)}"
        for name, kind in KINDS.items()
    )
    parts.append("</table></html>")
    return "\n".join(parts)


def prose(text: str) -> str:
    """A paragraph as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _operation_html(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    title = f"<h2><code><span class=method>{method}</span> {escape(path)}</code></h2>"
    parts = [title, f"<p><b>{escape(operation['summary'])}</b></p>"]
    parts += (f"<p>{prose(part)}</p>" for part in operation.get("description", "").split("\n\n"))
    if parameters := operation.get("parameters"):
        parts.append("<table>")
        parts += (
            f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}"
            f"<td>{escape(each.get('description', ''))}"
            for each in parameters
        )
        parts.append("</table>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        for example in content.get("examples", {}).values():
            shown = json.dumps(example["value"], indent=1, ensure_ascii=False)
            parts.append(f"<p>{escape(media)}</p><pre>{escape(shown)}</pre>")
    return parts
