"""What is said no to, as problem details for programs (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"
PROBLEM = "application/problem+json"


class Refused(Exception):  # noqa: N818 - it says what became of the request
    """A request that is not answered; `facts` are further members of its problem details."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.facts = facts


def problem(refused: Refused) -> Response:
    """Return the answer that says so."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        **refused.facts,
    }
    return Response(orjson.dumps(content), refused.status, refused.headers, PROBLEM)


def answer(content: Any, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, None, JSON)
