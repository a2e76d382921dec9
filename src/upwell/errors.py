"""Two kinds of failure, one shape on every door.

UpwellError
├── Rejected      never retry: something must be changed, and `fix` says what
│   ├── NotFound      404
│   ├── Forbidden     403
│   └── SignedOut     401
└── Unavailable   retry later: the same call may succeed (503)

Every error becomes `{"error": {"code", "message", "fix", "where"}}` over HTTP and
`error: MESSAGE` with `fix: FIX` on a terminal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in the one shape that people and programs get."""

    code: str
    message: str
    fix: str = ""
    where: str = ""


class UpwellError(Exception):
    """Base of all errors that a person may see."""

    status = 500

    def __init__(self, code: str, message: str, fix: str = "", where: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=message, fix=fix, where=where)


class Rejected(UpwellError):
    """The request, file or configuration is wrong; sending it again changes nothing."""

    status = 400

    def __init__(
        self, code: str, message: str, fix: str = "", where: str = "", status: int | None = None
    ) -> None:
        super().__init__(code, message, fix, where)
        if status is not None:
            self.status = status


class NotFound(Rejected):
    """What was asked for does not exist, or not for this viewer."""

    status = 404


class Forbidden(Rejected):
    """The viewer is known and may not do this."""

    status = 403


class SignedOut(Rejected):
    """Nobody is signed in, or the key is wrong, expired or revoked."""

    status = 401


class Unavailable(UpwellError):
    """Something outside the request is missing (disk, network, a busy part); retry."""

    status = 503

    def __init__(
        self, code: str, message: str, fix: str = "", where: str = "", retry_after: int = 5
    ) -> None:
        super().__init__(code, message, fix, where)
        self.retry_after = retry_after


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence naming the closest known words, or the known words when none is close."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=2, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    if not names:
        return "None is known yet."
    shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    return f"Known: {shown}."
