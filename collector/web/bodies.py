"""The body of a request, taken up to a bound."""

from starlette.requests import Request

from collector.web.problems import Refused


async def body_of(request: Request, max_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        Refused: it is longer than that.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise Refused(413, f"more than {max_bytes} bytes are not accepted here")
    return body
