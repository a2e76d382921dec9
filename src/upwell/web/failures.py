"""Every failure in the one shape, whoever raised it: ours, Litestar's, or nobody's."""

from __future__ import annotations

import re
import secrets
import traceback
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from upwell.errors import Problem, Rejected, Unavailable, UpwellError, nearest
from upwell.web.shapes import Failure

_NEWLINE = b"\n"
_log = structlog.get_logger(__name__)

_GENERIC = {
    401: ("signed_out", "You are not signed in.", "Sign in, or send a key."),
    403: ("forbidden", "This is not allowed.", "Ask the owner of the workspace."),
    404: ("not_found", "There is nothing at this address.", "/schema lists every address."),
    405: ("method_not_allowed", "This address does not take that method.", ""),
    413: ("too_large", "The body is too large.", "Send less at a time."),
    415: ("unknown_type", "This content type is not understood.", "Send JSON."),
    421: ("unknown_host", "This server does not answer to that name.", ""),
}


def judge(error: Exception) -> tuple[int, Problem, dict[str, str]]:
    """Status, problem and headers of an error; what nobody expected is logged, never shown."""
    if (isinstance(error, UpwellError) and error.status < 500) or isinstance(error, Unavailable):
        return error.status, error.problem, _headers(error)
    if isinstance(error, ValidationException):
        return 400, _invalid(error), {}
    if isinstance(error, HTTPException) and error.status_code < 500:
        status = error.status_code
        code, message, fix = _GENERIC.get(status, ("refused", "The request was refused.", ""))
        headers = dict(error.headers or {})
        allowed = headers.get("Allow") or headers.get("allow")
        return (
            status,
            Problem(code=code, message=message, fix=f"Allowed: {allowed}." if allowed else fix),
            headers,
        )
    mark = secrets.token_hex(4)
    # Text, not exc_info: pretty tracebacks print local variables, and those hold secrets.
    trace = "".join(traceback.format_exception(error))
    _log.error("request_failed", mark=mark, trace=trace)
    problem = Problem(
        code="internal",
        message="Something broke inside Upwell.",
        fix=f"Try again. If it stays, look for {mark} in the server's log and report it.",
    )
    return 500, problem, {}


def _answer(_: Request[Any, Any, Any], error: Exception) -> Response[Failure]:
    status, problem, headers = judge(error)
    return Response(
        Failure(error=problem),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


HANDLERS: ExceptionHandlersMap = {Exception: _answer, HTTPException: _answer}


def encode(error: Exception) -> tuple[int, bytes, dict[str, str]]:
    """The same for answers outside Litestar: status, JSON body, headers."""
    status, problem, headers = judge(error)
    return status, msgspec.json.encode(Failure(error=problem)), headers


def decode_json(body: bytes) -> Any:
    """The JSON of a body; raises Rejected with line and column where it breaks."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(
            "not_json",
            f"The body is not JSON: {_plain(str(error))}",
            fix="Send one JSON object as UTF-8.",
            where=_place(body, str(error)),
        ) from error


def _headers(error: UpwellError) -> dict[str, str]:
    headers = {}
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _plain(message: str) -> str:
    text = message.removeprefix("JSON is malformed: ").partition(" (byte")[0]
    return text[:1].lower() + text[1:] + "."


def _place(body: bytes, message: str) -> str:
    found = re.search(r"\(byte (\d+)\)", message)
    at = int(found[1]) if found else len(body)
    before = body[:at]
    column = at - (before.rfind(_NEWLINE) + 1) + 1
    return f"body, line {before.count(_NEWLINE) + 1}, column {column}"


def _invalid(error: ValidationException) -> Problem:
    """Litestar's list of complaints as one problem about the first of them."""
    extra = error.extra if isinstance(error.extra, list) else []
    first = extra[0] if extra and isinstance(extra[0], dict) else {}
    if not first or first.get("message") == "'data'":  # Litestar's words for a body that is none
        return Problem(
            code="missing_body",
            message="The request has no body.",
            fix="Send one JSON object.",
            where="body",
        )
    message = str(first.get("message", "The request is not as expected."))
    key = str(first.get("key", ""))
    where = {"": "body", "data": "body"}.get(key, key.removeprefix("data."))
    unknown = re.search(r"unknown field `([^`]+)`", message)
    missing = re.search(r"missing required field `([^`]+)`", message)
    if unknown:
        return Problem(
            code="unknown_field",
            message=f"Unknown field '{unknown[1]}'.",
            fix="Leave it out, or correct its name.",
            where=where,
        )
    if missing:
        return Problem(
            code="missing_field",
            message=f"'{missing[1]}' is missing.",
            fix=f'Add "{missing[1]}".',
            where=where,
        )
    return Problem(
        code="bad_field", message=f"{message.rstrip('.')}.", fix="Correct it.", where=where
    )


def unknown_parameter(name: str, known: set[str]) -> Rejected:
    """The refusal of a query parameter that the address does not have."""
    if known:
        fix = nearest(name, known)
    else:
        fix = "This address takes no parameters."
    return Rejected("unknown_parameter", f"Unknown parameter '{name}'.", fix=fix, where=name)
