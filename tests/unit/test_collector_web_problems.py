"""collector.web.problems: what is said no to, for programs."""

import json

from collector.web.problems import PROBLEM, Refused, answer, problem


def test_problem_details() -> None:
    """RFC 9457: its members, its media type, and what else helps."""
    refused = Refused(400, "no such thing", {"Retry-After": "2"}, parameter="x")
    response = problem(refused)
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert response.headers["retry-after"] == "2"
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "no such thing",
        "parameter": "x",
    }
    assert str(refused) == "no such thing"


def test_answer_is_json() -> None:
    """What is no finite number is null."""
    response = answer({"value": float("nan")})
    assert (response.body, response.headers["content-type"]) == (
        b'{"value":null}',
        "application/json",
    )
