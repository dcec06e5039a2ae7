"""The OpenAPI 3.1 description: shapes from the types, the rest in one table of operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dedup.service import shapes
from dedup.service.bodies import JSON, JSON_LINES
from dedup.service.problems import KINDS, MEDIA_TYPE

REF = "#/components/schemas/{name}"
TEASER = "The old customs house on the north quay opens its doors to the public on Sunday."
EVERYWHERE = ("malformed", "key-needed", "not-allowed", "wrong-host", "internal")
WITH_INDEX = ("invalid", "rate", "index", "overloaded", "timeout", "full")
WITH_BODY = ("too-slow", "too-large", "media-type")
SHAPES = (
    shapes.OnePage,
    shapes.ManyPages,
    shapes.QueryWishes,
    shapes.ExplainIn,
    shapes.CheckOut,
    shapes.ExplainOut,
    shapes.StatsOut,
    shapes.PageEntryOut,
    shapes.PagesOut,
    shapes.RepeatedOut,
    shapes.HealthOut,
    shapes.ProblemOut,
)

CHECK = """Judges a page's blocks, in order: each is new, or a repeat of an original that was seen
earlier, on the page or on another. New blocks are remembered, unless `lookup` is set. Checking a
page of the same id again is idempotent, so a request whose answer was lost can be sent again.

The body is JSON with one page or many; or text or HTML, the page itself, with its id in the query;
or JSON Lines, a page a line, answered by a line each while more lines come (read
while you write). What is wished may stand in the query with any of them. A page among many that
cannot be judged has an `error` in its place."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    path: str
    method: str
    name: str
    title: str
    description: str
    answer: str | None
    problems: Sequence[str]
    body: dict[str, Any] | None = None
    parameters: Sequence[dict[str, Any]] = ()
    examples: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False


NAMESPACE = {
    "name": "Dedup-Namespace",
    "in": "header",
    "description": "One independent index inside the store. Left out: the service's own.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"},
    "example": "news",
}
PAGE_ID = {
    "name": "page",
    "in": "path",
    "required": True,
    "description": "The page's id, percent-encoded as a whole.",
    "schema": {"type": "string"},
    "example": "https://example.org/a",
}
ORIGINAL = {
    "page": "https://example.org/a",
    "position": 1,
    "first_seen": "2026-11-24T05:30:00Z",
    "last_seen": "2026-11-26T05:30:00Z",
    "seen": 412,
    "pages": 398,
    "text": None,
}
PAGE_ENTRY = {
    "version": 1,
    "page": "https://example.org/a",
    "checked": "2026-11-24T05:30:00Z",
    "blocks": [
        {"position": 1, "owned": True, "original": ORIGINAL},
        {"position": None, "owned": False, "original": ORIGINAL},
    ],
}
"""The second block repeats the first."""
PAGE_SUMMARY = {
    "page": "https://example.org/a",
    "checked": "2026-11-24T05:30:00Z",
    "originals": 12,
    "repeats": 3,
}


def _query(shape: type[Any]) -> list[dict[str, Any]]:
    """What is wished, as parameters of the query."""
    components: dict[str, Any] = msgspec.json.schema_components([shape], ref_template=REF)[1]
    properties = components[shape.__name__]["properties"]
    found = []
    for name, schema in properties.items():
        # In a query what is not meant is left out: there is no null.
        kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        plain = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        plain |= kinds[0] if kinds else {}
        description = plain.pop("description", "")
        found.append({"name": name, "in": "query", "description": description, "schema": plain})
    return found


def _json(name: str, **examples: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": REF.format(name=name)}}
    if examples:
        content["examples"] = {key: {"value": value} for key, value in examples.items()}
    return content


ANYTHING: dict[str, Any] = {}
"""The schema of a body that is no JSON: OpenAPI 3.1 has none for it."""

_CHECK_BODY = {
    JSON: {
        "schema": {"oneOf": [{"$ref": REF.format(name=n)} for n in ("OnePage", "ManyPages")]},
        "examples": {
            "one": {"value": {"page": "https://example.org/a", "content": f"Popular\n\n{TEASER}"}},
            "many": {
                "value": {
                    "pages": [
                        {"page": "https://example.org/a", "content": TEASER},
                        {"page": "https://example.org/b", "content": f"<p>{TEASER}</p>"},
                    ],
                    "originals": True,
                }
            },
        },
    },
    "text/plain": {"schema": ANYTHING, "example": TEASER},
    "text/html": {"schema": ANYTHING, "example": f"<p>{TEASER}</p>"},
    "application/xhtml+xml": {"schema": ANYTHING, "example": f"<p>{TEASER}</p>"},
    JSON_LINES: {
        "schema": ANYTHING,
        "example": '{"page": "https://example.org/a", "content": "…"}\n',
    },
}

OPERATIONS = (
    Operation(
        "/v1/check", "post", "check", "Check pages, or look them up", CHECK, "CheckOut",
        (*EVERYWHERE, *WITH_BODY, *WITH_INDEX, "page", "page-too-large", "too-much"),
        body=_CHECK_BODY,
        parameters=(NAMESPACE, *_query(shapes.QueryWishes)),
    ),
    Operation(
        "/v1/explain", "post", "explain", "Explain a verdict",
        "Why a block is, or is not, a repeat of another: both texts aligned, every number, the rule"
        " that decided. No index is asked.",
        "ExplainOut",
        (*EVERYWHERE, *WITH_BODY, "invalid", "rate", "overloaded", "too-much"),
        body={
            JSON: _json(
                "ExplainIn",
                teaser={"block": TEASER, "original": TEASER.replace("Sunday", "Monday")},
            )
        },
        parameters=(NAMESPACE,),
    ),
    Operation(
        "/v1/pages", "get", "pages", "The pages of a namespace",
        "Some at a time, in the index's own order: of one in memory or in a file as they were"
        " first checked, of one in Redis none. A page that is there all the while is given; what"
        " comes and goes meanwhile may be missing, or be given twice. For a prefix all pages are"
        " looked at, one such request at a time.",
        "PagesOut",
        (*EVERYWHERE, *WITH_INDEX),
        parameters=(NAMESPACE, *_query(shapes.PagesIn)),
        examples={"pages": {"version": 1, "pages": [PAGE_SUMMARY], "after": "1"}},
    ),
    Operation(
        "/v1/pages/{page}", "get", "page", "What a page owns and repeats",
        "The page's blocks that count in the index, in order: originals of its own, and repeats of"
        " originals. Blocks that are too short, and those whose original is gone, are not there.",
        "PageEntryOut",
        (*EVERYWHERE, *WITH_INDEX, "not-found"),
        parameters=(NAMESPACE, PAGE_ID),
        examples={"page": PAGE_ENTRY},
    ),
    Operation(
        "/v1/pages/{page}", "delete", "forget", "Forget a page",
        "Removes what a page owns, and what it counted.", None,
        (*EVERYWHERE, *WITH_INDEX, "not-found"),
        parameters=(NAMESPACE, PAGE_ID),
    ),
    Operation(
        "/v1/repeated", "get", "repeated", "The most repeated originals",
        "Most repeats first, of all pages or of one site. It goes through the whole index: for"
        " people, not for pipelines. One such request is worked on at a time, and the others wait.",
        "RepeatedOut",
        (*EVERYWHERE, *WITH_INDEX),
        parameters=(NAMESPACE, *_query(shapes.RepeatedIn)),
        examples={"repeated": {"version": 1, "originals": [ORIGINAL]}},
    ),
    Operation(
        "/v1/stats", "get", "stats", "What a namespace holds",
        "Totals, and the settings that it was made with.", "StatsOut",
        (*EVERYWHERE, *WITH_INDEX),
        parameters=(NAMESPACE,),
    ),
    Operation(
        "/healthz", "get", "health", "The process runs", "", "HealthOut",
        ("wrong-host", "internal"), is_open=True,
    ),
    Operation(
        "/readyz", "get", "ready", "The index answers",
        "And was made with the settings that the service was started with.", "HealthOut",
        ("wrong-host", "internal", "index"), is_open=True,
    ),
    Operation(
        "/metrics", "get", "metrics", "Metrics for Prometheus",
        "For a key that is for all namespaces.", "text",
        EVERYWHERE,
    ),
)  # fmt: skip


def description(version: str, *, is_open: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        version: of dedup.
        is_open: the service has no keys.
    """
    _, schemas = msgspec.json.schema_components(SHAPES, ref_template=REF)
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, is_open)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "dedup",
            "version": version,
            "summary": "Finds repeated text blocks in scraped web pages.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if not is_open:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "dedup serve-key makes one"}
        }
    return document


def _operation(operation: Operation, is_open: bool) -> dict[str, Any]:  # noqa: FBT001 - private
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.title,
        "responses": {**_success(operation), **_problems(operation)},
    }
    if operation.description:
        found["description"] = operation.description
    if operation.parameters:
        found["parameters"] = list(operation.parameters)
    if operation.body:
        found["requestBody"] = {"required": True, "content": operation.body}
    if not is_open and not operation.is_open:
        found["security"] = [{"key": []}]
    return found


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        return {"204": {"description": "Done."}}
    if operation.answer == "text":
        content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {JSON: _json(operation.answer, **operation.examples)}
    if operation.name == "check":
        content[JSON_LINES] = {"schema": ANYTHING}
    return {"200": {"description": operation.title, "content": content}}


def _problems(operation: Operation) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for name in operation.problems:
        by_status.setdefault(str(KINDS[name].status), []).append(name)
    found = {}
    for status, names in sorted(by_status.items()):
        titles = "; ".join(f"`{name}`: {KINDS[name].title.lower()}" for name in names)
        content = {MEDIA_TYPE: _json("ProblemOut")}
        found[status] = {"description": titles, "content": content}
    return found
