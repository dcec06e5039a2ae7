"""What a client asks of a service and makes of the answers, without input or output.

Calls are generators: they yield a `Send` or a `Pause`, are sent an `Answer` or a `Lost`, and return
a result. `client.py` has the two drivers. Every call is idempotent, so one whose answer was lost,
or that met a service with no time, is sent again.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from dedup.client_report import original_of, page_entry_of, page_list_of, report_of
from dedup.detector import whole
from dedup.errors import (
    DedupError,
    IndexFailure,
    IndexFullError,
    PageError,
    PageTooLargeError,
    ServiceError,
    SettingsError,
)
from dedup.model import Original, Page, PageEntry, PageList, Stats
from dedup.pages import PageLike
from dedup.report import Report

T = TypeVar("T")

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses of a service, or a proxy before it, that has no time now."""
TOO_LARGE = frozenset({"too-large", "too-much", "page-too-large"})
"""Problems of a request that may pass in two halves."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0


class Send(NamedTuple):
    """A request."""

    method: str
    path: str
    body: bytes | None = None


class Pause(NamedTuple):
    """A time to wait, in seconds."""

    seconds: float


class Answer(NamedTuple):
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """Nothing came back, and why."""

    reason: str


Steps: TypeAlias = Generator[Send | Pause, Answer | Lost | None, T]


class Calls:
    """The calls of a client.

    Args:
        url: of the service.
        tries: how often a request is sent at most.
    """

    def __init__(self, url: str, tries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"service {url!r}: give a URL, as in http://localhost:8000")
        if isinstance(tries, bool) or not isinstance(tries, int) or tries < 1:
            raise SettingsError(f"tries={tries!r}: give a whole number from 1 on")
        self._url = url.rstrip("/")
        self._tries = tries

    def check(self, pages: Sequence[PageLike], **wishes: Any) -> Steps[list[Report]]:
        """The reports on pages, in order; of a page that cannot be judged, its error.

        Raises:
            DedupError: the service failed or refused.
        """
        given = [page if isinstance(page, Page) else Page(*page) for page in pages]
        wanted = {"blocks": True, "unique_text": True, **wishes}
        body = json.dumps({"pages": [_page(page) for page in given], **wanted}, ensure_ascii=False)
        answer = yield from self._ask(Send("POST", "/v1/check", body.encode()))
        name, detail = _problem(answer)
        if name in TOO_LARGE and len(given) > 1:
            half = len(given) // 2
            first = yield from self.check(given[:half], **wishes)
            return first + (yield from self.check(given[half:], **wishes))
        if name in TOO_LARGE:
            return [Report(given[0].page, error=PageTooLargeError(detail))]
        found = self._result(answer).get("pages")
        if not isinstance(found, list) or len(found) != len(given):
            raise self._no_service(answer)
        try:
            return [report_of(page, said) for page, said in zip(given, found, strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_service(answer) from error

    def page(self, page: str) -> Steps[PageEntry | None]:
        """See `Deduper.page`."""
        answer = yield from self._ask(Send("GET", _path_of(page)))
        if _problem(answer)[0] == "not-found":
            return None
        return self._read(answer, page_entry_of)

    def pages(self, prefix: str, after: str, limit: int) -> Steps[PageList]:
        """See `Deduper.pages`."""
        asked = {"prefix": prefix, "after": after, "limit": whole(limit, "limit")}
        answer = yield from self._ask(Send("GET", f"/v1/pages?{_query(asked)}"))
        return self._read(answer, page_list_of)

    def most_repeated(self, limit: int, site: str | None = None) -> Steps[list[Original]]:
        """See `Deduper.most_repeated`."""
        asked = {"limit": whole(limit, "limit"), "site": site}
        answer = yield from self._ask(Send("GET", f"/v1/repeated?{_query(asked)}"))
        return self._read(answer, lambda said: [original_of(each) for each in said["originals"]])

    def forget(self, page: str) -> Steps[bool]:
        """See `Deduper.forget`."""
        lost: list[str] = []
        answer = yield from self._ask(Send("DELETE", _path_of(page)), lost)
        if _problem(answer)[0] == "not-found":
            # Where an answer was lost, it was this call that removed it, as far as anybody knows.
            return bool(lost)
        self._result(answer)
        return True

    def stats(self) -> Steps[Stats]:
        """See `Deduper.stats`."""
        answer = yield from self._ask(Send("GET", "/v1/stats"))
        return self._read(
            answer, lambda said: Stats(**{name: said[name] for name in Stats.__slots__})
        )

    def _ask(self, send: Send, lost: list[str] | None = None) -> Steps[Answer]:
        """Send a request until there is an answer that would not be another one soon.

        Args:
            send: the request.
            lost: gets why answers were lost.
        """
        for at in range(self._tries):
            answer = yield send
            is_last = at + 1 == self._tries
            if isinstance(answer, Lost):
                if lost is not None:
                    lost.append(answer.reason)
                if is_last:
                    raise ServiceError(
                        f"{self._url} does not answer ({answer.reason}): see that the service runs "
                        "and that the address is right"
                    )
            elif answer is not None and (answer.status not in AGAIN or is_last):
                return answer
            yield Pause(_pause(at, answer))
        raise AssertionError("the last try returns or raises")

    def _result(self, answer: Answer) -> dict[str, Any]:
        """What stands in a good answer.

        Raises:
            DedupError: it is a problem, in the words of the service.
        """
        if answer.status == 204:
            return {}
        if answer.status == 200:
            found = _json(answer)
            if isinstance(found, dict):
                return found
            raise self._no_service(answer)
        name, detail = _problem(answer)
        if not name:
            raise self._no_service(answer)
        kind = _ERRORS.get(name)
        if kind is not None:
            raise kind(detail)
        raise ServiceError(
            f"{self._url}: {detail}",
            status=answer.status,
            problem=name,
            request_id=answer.headers.get("x-request-id"),
        )

    def _read(self, answer: Answer, read: Callable[[dict[str, Any]], T]) -> T:
        """What a good answer tells.

        Raises:
            DedupError: it is a problem, or something else than a dedup service says.
        """
        found = self._result(answer)
        try:
            return read(found)
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_service(answer) from error

    def _no_service(self, answer: Answer) -> ServiceError:
        return ServiceError(
            f"{self._url} answered {answer.status} with something else than a dedup service does:"
            " see that the address is right and that both are of one version",
            status=answer.status,
        )


_ERRORS: dict[str, type[DedupError]] = {
    "page": PageError,
    "page-too-large": PageTooLargeError,
    "invalid": SettingsError,
    "index": IndexFailure,
    "full": IndexFullError,
}
"""The library's errors by the names of problems; others are of the service."""


def _pause(at: int, answer: Answer | Lost | None) -> float:
    """How long to wait before the next try: what the service says, or longer each time."""
    said = answer.headers.get("retry-after", "") if isinstance(answer, Answer) else ""
    least = min(float(said), LONGEST_PAUSE) if said.isdecimal() else FIRST_PAUSE * 2**at
    # Clients that were refused together shall not come back together.
    return min(least * random.uniform(1, 1.5), LONGEST_PAUSE)  # noqa: S311 - no secret


def _page(page: Page) -> dict[str, Any]:
    """A page as the service takes it."""
    sent: dict[str, Any] = {"page": _sendable(page.page), "format": page.format}
    if isinstance(page.content, bytes):
        sent["content_base64"] = base64.b64encode(page.content).decode()
        if page.encoding is not None:
            sent["encoding"] = page.encoding
    elif isinstance(page.content, str):
        sent["content"] = whole_text(page.content)
    else:
        raise SettingsError(
            f"a page of {type(page.content).__name__} with id {page.page!r}: give str or bytes"
        )
    return sent


def whole_text(text: str) -> str:
    """The text, with U+FFFD for each lone surrogate, which JSON over HTTP cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _sendable(name: str) -> str:
    """A page id that can be sent.

    Raises:
        SettingsError: it cannot be.
    """
    if not isinstance(name, str) or whole_text(name) != name:
        raise SettingsError(f"page id {name!r}: give a str of whole characters")
    return name


def _query(asked: Mapping[str, Any]) -> str:
    """What is asked as a query; what is empty is left out."""
    given = {name: value for name, value in asked.items() if value not in ("", None)}
    return urlencode({name: _sendable(str(value)) for name, value in given.items()})


def _path_of(page: str) -> str:
    """The path of a page: a proxy must find nothing in its id to act on."""
    return "/v1/pages/" + quote(_sendable(page), safe="").replace(".", "%2E")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _problem(answer: Answer) -> tuple[str, str]:
    """Name and detail of a problem; both empty where there is none."""
    if answer.headers.get("content-type") != "application/problem+json":
        return "", ""
    found = _json(answer)
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("type", "")).rpartition("#")[2], str(found.get("detail", ""))
