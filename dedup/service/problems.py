"""Errors as answers: problem details (RFC 9457), one table of all there are.

A problem's `type` is a reference into the service's own documentation page, its `detail` names the
value and the remedy. Knows nothing of routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from dedup.errors import (
    DedupError,
    IndexFailure,
    IndexFullError,
    PageError,
    PageTooLargeError,
    SettingsError,
)
from dedup.reports.json import dump

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem: its HTTP status and its title."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read"),
    "key-needed": Kind(401, "A key is needed"),
    "not-allowed": Kind(403, "This key may not do that"),
    "cross-origin": Kind(403, "A page of another site asked"),
    "not-found": Kind(404, "There is no such thing"),
    "method": Kind(405, "This method does not exist here"),
    "too-slow": Kind(408, "The body came too slowly"),
    "too-large": Kind(413, "The body is too large"),
    "media-type": Kind(415, "This media type is not understood"),
    "wrong-host": Kind(421, "The service has another name"),
    "invalid": Kind(422, "The request does not say what it should"),
    "page": Kind(422, "The page cannot be judged"),
    "page-too-large": Kind(422, "The page is too large"),
    "too-much": Kind(422, "The request asks for too much at once"),
    "rate": Kind(429, "Too many pages in too short a time"),
    "internal": Kind(500, "A bug in dedup"),
    "index": Kind(503, "The index does not answer"),
    "overloaded": Kind(503, "Too many requests at once"),
    "timeout": Kind(503, "The answer took too long"),
    "full": Kind(507, "The index is full"),
}
"""Every kind of problem by the name that ends its `type`."""

RETRY = {"retry-after": "1"}
"""Sent with problems that pass by themselves."""


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An error that becomes an answer.

    Attributes:
        name: the kind of problem.
        detail: what is wrong with this request, and what to do.
        headers: HTTP headers that belong to it.
    """

    def __init__(self, name: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Its HTTP status."""
        return KINDS[self.name].status

    def to_object(self, request_id: str) -> dict[str, Any]:
        """The problem as JSON has it."""
        return {
            "type": f"/docs#{self.name}",
            "title": KINDS[self.name].title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }


_BY_ERROR: tuple[tuple[type[DedupError], str], ...] = (
    (PageTooLargeError, "page-too-large"),
    (PageError, "page"),
    (SettingsError, "invalid"),
    (IndexFullError, "full"),
    (IndexFailure, "index"),
)


def problem_of(error: DedupError) -> Problem:
    """An error of the library as a problem; one that nobody expects here is a bug."""
    for kind, name in _BY_ERROR:
        if isinstance(error, kind):
            return Problem(name, str(error), RETRY if name == "index" else None)
    return bug()


def bug() -> Problem:
    """What is said of an unexpected error: the log has the rest."""
    return Problem("internal", "the service's log tells more under this request_id")


def by_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for a status that the router chose."""
    name = next((name for name, kind in KINDS.items() if kind.status == status), "internal")
    return Problem(name, detail, headers)


class ProblemResponse(Response):
    """A problem as an HTTP answer."""

    def __init__(self, problem: Problem, request_id: str) -> None:
        super().__init__(
            dump(problem.to_object(request_id)),
            problem.status,
            problem.headers,
            MEDIA_TYPE,
        )
