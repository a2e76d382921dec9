"""Who asks Google: the key of a service account, or nobody."""

from __future__ import annotations

import json

from google.auth import credentials as auth
from google.auth import exceptions as refused
from google.oauth2 import service_account

from upwell.sources.contract import SignIn

NO_KEY = "The credentials are no key of a service account."


def signer(key: str, scope: str, fix: str, missing: str = NO_KEY) -> service_account.Credentials:
    """What signs each request itself, so that no second host is called.

    `key` is the file of a service account; SignIn, with `fix`, where it is none (`missing`: empty).
    """
    try:
        made = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            json.loads(key), scopes=[scope], always_use_jwt_access=True
        )
    except (ValueError, KeyError, AttributeError, TypeError, refused.GoogleAuthError) as error:
        raise SignIn("bad_key", NO_KEY if key else missing, fix=fix, where="credentials") from error
    return made  # type: ignore[no-any-return]


def nobody() -> auth.AnonymousCredentials:
    """Over plain http no token of anybody is sent."""
    return auth.AnonymousCredentials()  # type: ignore[no-untyped-call]
