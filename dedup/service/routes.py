"""Requests to calls of the library, and what these return to answers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from dedup.errors import DedupError
from dedup.explanation import explain as explain_texts
from dedup.model import Page
from dedup.report import Report
from dedup.reports.explanation import Place, explanation_object
from dedup.reports.json import dump, page_entry_object, page_list_object, repeated_object
from dedup.service import metrics as metrics_module
from dedup.service.answers import Answering, noted
from dedup.service.bodies import (
    JSON,
    JSON_LINES,
    PAGES,
    body_of,
    charset,
    check_blocks,
    check_size,
    declared_length,
    decode,
    fields_of,
    from_query,
    in_thread,
    media_type,
    to_pages,
)
from dedup.service.edge import notes
from dedup.service.keys import Key, Scope, check_namespace
from dedup.service.problems import RETRY, Problem, problem_of
from dedup.service.shapes import (
    ExplainIn,
    ManyPages,
    OnePage,
    PagesIn,
    QueryWishes,
    RepeatedIn,
    Wishes,
    both,
    wishes_of,
)
from dedup.service.stream import StreamResponse
from dedup.settings import Settings

if TYPE_CHECKING:
    from dedup.service.state import Service

NAMESPACE_HEADER = "dedup-namespace"
READY_SECONDS = 2.0


class _PageConvertor(Convertor[str]):
    """A page id in a path: anything, slashes and line ends included."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("page", _PageConvertor())


def service_of(request: Request) -> Service:
    """What the routes share."""
    service: Service = request.app.state.service
    return service


def authorise(request: Request, scope: Scope) -> tuple[Key, str]:
    """The key of a request and the namespace that it means.

    Raises:
        Problem: there is no key, or it does not allow this, or it is in debt.
        SettingsError: there can be no such namespace.
    """
    service = service_of(request)
    key = service.key_of(request)
    namespace = request.headers.get(NAMESPACE_HEADER, service.options.namespace)
    check_namespace(namespace)
    notes(request.scope)["namespace"] = namespace
    allow(key, scope, namespace)
    service.rates.admit(key.name, key.rate)
    return key, namespace


def allow(key: Key, scope: Scope, namespace: str) -> None:
    """Refuse what a key does not allow.

    Raises:
        Problem: not-allowed.
    """
    if not key.allows("read", namespace):
        raise Problem("not-allowed", f"the key {key.name!r} is not for namespace {namespace!r}")
    if not key.allows(scope, namespace):
        raise Problem("not-allowed", f"the key {key.name!r} may read, and this writes")


async def check(request: Request) -> Response:
    """`POST /v1/check`: judge pages."""
    service = service_of(request)
    key, namespace = authorise(request, "read")
    media = media_type(request, JSON, JSON_LINES, *PAGES)
    asked = from_query(request, QueryWishes)
    if media == JSON_LINES:
        wishes = wishes_of(asked)
        check_wishes(wishes)
        allow(key, "read" if wishes.lookup else "write", namespace)
        return StreamResponse(request, service, key, namespace, wishes)
    service.gate.refuse_if_full(declared_length(request))
    async with body_of(request, service.limits, service.budget) as body:
        if media == JSON:
            pages, wishes, is_one = await in_thread(len(body), _read_json, body, asked, service)
        else:
            wishes, is_one = wishes_of(asked), True
            page = Page(body, asked.page, PAGES[media], charset(request))
            pages = await in_thread(len(body), _read_page, page, wishes, service)
        check_wishes(wishes)
        allow(key, "read" if wishes.lookup else "write", namespace)
        async with service.gate.work(max(len(body), 1000 * len(pages))):
            reports = await service.judge(namespace, pages, wishes)
            service.rates.charge(key.name, len(pages))
            if is_one and reports[0].error:
                raise problem_of(reports[0].error)
            answer, totals = await asyncio.to_thread(_whole, wishes, reports)
    notes(request.scope).update(totals)
    return Response(answer, media_type=JSON)


def _whole(wishes: Wishes, reports: list[Report]) -> tuple[bytes, dict[str, int]]:
    """The answer, and what is to be logged of it."""
    with Answering(wishes) as answering:
        return answering.whole(reports), noted(answering)


def check_wishes(wishes: Wishes) -> None:
    """Refuse what cannot be wished together.

    Raises:
        Problem: invalid.
    """
    if wishes.threshold is not None and not wishes.lookup:
        raise Problem(
            "invalid",
            "threshold is for a lookup, which leaves the index unchanged: an index that is written"
            " to keeps its own",
        )


def _read_json(
    body: bytes, query: QueryWishes, service: Service
) -> tuple[list[Page], Wishes, bool]:
    """Pages and wishes of a JSON body and the query, and whether it is one page by itself."""
    is_one = "pages" not in fields_of(body)
    asked = decode(body, OnePage) if is_one else decode(body, ManyPages)
    wishes = both(wishes_of(asked), wishes_of(query))
    given = asked.pages if isinstance(asked, ManyPages) else [asked]
    if isinstance(asked, OnePage) and not asked.page:
        asked.page = query.page
    return to_pages(list(given), service.limits, need_ids=not wishes.lookup), wishes, is_one


def _read_page(page: Page, wishes: Wishes, service: Service) -> list[Page]:
    """The page that a body is, within limits."""
    if not page.page and not wishes.lookup:
        raise Problem("invalid", "the page has no id: give ?page=ID, or ?lookup=true")
    check_size(page, service.limits)
    check_blocks([page], service.limits)
    return [page]


async def explain(request: Request) -> Response:
    """`POST /v1/explain`: why a block is, or is not, a repeat of another."""
    service = service_of(request)
    key, _ = authorise(request, "read")
    media_type(request, JSON)
    service.gate.refuse_if_full()
    async with body_of(request, service.limits, service.budget) as body:
        asked: ExplainIn = await in_thread(len(body), decode, body, ExplainIn)
        for name in ("block", "original"):
            if len(getattr(asked, name)) > service.limits.explain_characters:
                raise Problem(
                    "too-much",
                    f"{name} has more than {service.limits.explain_characters:,} characters: it is "
                    "no block",
                )
        given = {"threshold": asked.threshold, "min_words": asked.min_words}
        settings = Settings.from_mapping(
            {name: value for name, value in given.items() if value is not None}
        )
        async with service.gate.work(len(body) * 10):
            answer = await asyncio.to_thread(_explain, asked, settings)
            service.rates.charge(key.name, 1)
    return Response(answer, media_type=JSON)


def _explain(asked: ExplainIn, settings: Settings) -> bytes:
    found = explain_texts(asked.block, asked.original, settings=settings)
    return dump(explanation_object(found, Place("block"), Place("original")))


async def page(request: Request) -> Response:
    """`GET /v1/pages/{id}`: what a page owns and repeats; `DELETE`: forget it."""
    service = service_of(request)
    is_delete = request.method == "DELETE"
    key, namespace = authorise(request, "write" if is_delete else "read")
    name = page_id(request)
    service.rates.charge(key.name, 1)
    if is_delete:
        if await service.indexes.forget(namespace, name):
            return Response(status_code=204)
    elif entry := await service.in_time(service.indexes.page(namespace, name)):
        answer = await asyncio.to_thread(lambda: dump(page_entry_object(entry)))
        return Response(answer, media_type=JSON)
    raise Problem("not-found", f"namespace {namespace!r} has no page {name[:200]!r}")


async def pages(request: Request) -> Response:
    """`GET /v1/pages`: the pages of a namespace, some at a time."""
    service = service_of(request)
    key, namespace = authorise(request, "read")
    asked = from_query(request, PagesIn)
    service.rates.charge(key.name, 1)
    found = await service.in_time(
        service.indexes.pages(namespace, asked.prefix, asked.after, asked.limit)
    )
    return Response(dump(page_list_object(found)), media_type=JSON)


async def repeated(request: Request) -> Response:
    """`GET /v1/repeated`: the most repeated originals."""
    service = service_of(request)
    key, namespace = authorise(request, "read")
    asked = from_query(request, RepeatedIn)
    service.rates.charge(key.name, 1)
    found = await service.in_time(service.indexes.most_repeated(namespace, asked.limit, asked.site))
    return Response(dump(repeated_object(found)), media_type=JSON)


def page_id(request: Request) -> str:
    """The page id in a path, as it was percent-encoded.

    Raises:
        Problem: it is no UTF-8.
    """
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    try:
        return unquote_to_bytes(raw.partition(b"/v1/pages/")[2]).decode()
    except UnicodeDecodeError as error:
        raise Problem("malformed", "the page id is no percent-encoded UTF-8") from error


async def stats(request: Request) -> Response:
    """`GET /v1/stats`: what a namespace holds."""
    service = service_of(request)
    _, namespace = authorise(request, "read")
    found, settings = await service.indexes.stats(namespace)
    answer = asdict(found) | {"settings": settings.to_mapping()}
    return Response(dump(answer), media_type=JSON)


async def healthz(_request: Request) -> Response:
    """`GET /healthz`: the process runs."""
    return Response(b'{"status": "ok"}', media_type=JSON)


async def readyz(request: Request) -> Response:
    """`GET /readyz`: the index answers, and is as the settings have it."""
    service = service_of(request)
    if service.stopping.is_set():
        raise Problem("index", "the service is stopping", RETRY)
    try:
        async with asyncio.timeout(READY_SECONDS):
            await service.indexes.ready(service.options.namespace)
    except TimeoutError:
        raise Problem("index", f"no answer within {READY_SECONDS:g} s", RETRY) from None
    except DedupError as error:
        notes(request.scope)["error"] = str(error)
        raise Problem("index", "the service's log tells why", RETRY) from error
    return Response(b'{"status": "ok"}', media_type=JSON)


async def metrics(request: Request) -> Response:
    """`GET /metrics`: for Prometheus; for a key that is for all namespaces."""
    service = service_of(request)
    key = service.key_of(request)
    if not key.allows("read", None):
        raise Problem("not-allowed", f"the key {key.name!r} is not for all namespaces")
    service.measure()
    await service.indexes.measure()
    text = await asyncio.to_thread(service.metrics.text)
    return Response(text, headers={"content-type": metrics_module.CONTENT_TYPE})
