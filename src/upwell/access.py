"""Who asks, and what they may see: viewers, keys, passwords, sessions. Pure; rows live in state.

Secrets of high entropy (keys, sessions, one-time tokens) are stored as SHA-256 digests; passwords
as argon2id hashes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from functools import lru_cache
from typing import Literal, get_args
from urllib.parse import urlsplit

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from upwell.errors import Rejected

Scope = Literal["ingest", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

ROLES: dict[str, frozenset[Scope]] = {"owner": frozenset({"admin"}), "demo": frozenset({"admin"})}

SESSION_LIFE = dt.timedelta(days=30)
SESSION_IDLE = dt.timedelta(days=7)
INVITATION_LIFE = dt.timedelta(hours=24)
TICKET_LIFE = dt.timedelta(seconds=30)

MIN_PASSWORD = 12
MAX_PASSWORD = 256  # argon2 reads all of it: a limit keeps one request from buying much work


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """The person or program behind a question; `products` None means every product."""

    id: str
    name: str = ""
    kind: Literal["person", "key", "system"] = "person"
    scopes: frozenset[Scope] = frozenset()
    products: frozenset[str] | None = None

    def may(self, scope: Scope) -> bool:
        """Whether this viewer holds the scope; admins hold all."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, product: str) -> bool:
        """Whether this viewer may see the product."""
        return self.products is None or product in self.products


SYSTEM = Viewer(id="system", name="Upwell", kind="system", scopes=frozenset({"admin"}))
"""The house itself: alerts, reports and commands on the machine's own socket."""


class MintedKey(msgspec.Struct, frozen=True):
    """A fresh API key: `secret` is shown once, `prefix` finds it, `digest` is what is stored."""

    id: str
    secret: str
    prefix: str
    digest: str


def mint_key() -> MintedKey:
    """A new key of 256 random bits: `uw_PREFIX_SECRET`."""
    prefix = secrets.token_hex(4)
    secret = f"uw_{prefix}_{secrets.token_urlsafe(32)}"
    return MintedKey(id=f"key_{prefix}", secret=secret, prefix=prefix, digest=digest(secret))


def digest(secret: str) -> str:
    """SHA-256 of a secret of high entropy, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(given: str, stored: str) -> bool:
    """Whether two digests are equal, in constant time."""
    return hmac.compare_digest(given.encode(), stored.encode())


def prefix_of(secret: str) -> str | None:
    """The public prefix of a key as sent, or None where it does not look like one."""
    parts = secret.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "uw" and parts[1] and parts[2] else None


def mint_secret() -> tuple[str, str]:
    """A fresh session, invitation or ticket of 256 random bits, and the digest to store."""
    secret = secrets.token_urlsafe(32)
    return secret, digest(secret)


def mint_id(noun: str) -> str:
    """A fresh row id such as `per_1f0c…`; names a row, opens nothing."""
    return f"{noun}_{secrets.token_hex(8)}"


def csrf_of(session: str) -> str:
    """The token that a page sends back with every change; only the session's holder can know it."""
    return digest("csrf:" + session)


def hash_password(password: str) -> str:
    """The argon2id hash to store (RFC 9106's second recommended parameters: 64 MiB, 3 passes)."""
    return _hasher().hash(password)


def check_password(password: str, stored: str | None) -> bool:
    """Whether the password fits; takes as long for nobody's password (`stored` None)."""
    nobody = _nobody()
    try:
        return _hasher().verify(stored or nobody, password) and stored is not None
    except InvalidHashError:  # an account that signs in another way has no hash
        check_password(password, None)
        return False
    except VerificationError:
        return False


def outdated_hash(stored: str) -> bool:
    """Whether a stored hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(stored)


def email_of(text: str) -> str:
    """The address in lower case; raises Rejected where it is none."""
    email = text.strip().lower()
    if len(email) > 320 or not re.fullmatch(r"[^@\s]+@[^@\s]+\.?[^@\s]*", email):
        raise Rejected(
            "bad_email",
            "This is not an e-mail address.",
            fix="Write it as name@company.example.",
            where="email",
        )
    return email


def origin_of(text: str) -> str:
    """A site as browsers name it, `https://shop.acme.example`; raises Rejected where it is none."""
    try:
        parts = urlsplit(text.strip().lower().rstrip("/"))
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host):
        host = ""
    if not host or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise Rejected(
            "bad_origin",
            f"'{text[:100]}' is not the address of a site.",
            fix="Write scheme and host, such as https://www.acme.example.",
            where="origins",
        )
    name = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}" + ("" if port in (None, default) else f":{port}")


def judge_public(scopes: tuple[str, ...], products: tuple[str, ...] | None) -> None:
    """Raises Rejected unless a key for everybody's eyes may only send, for one product."""
    if scopes != ("ingest",) or products is None or len(products) != 1:
        raise Rejected(
            "bad_public_key",
            "A public key is seen by everybody, so it may only send events of one product.",
            fix='Give it the one scope "ingest" and one product.',
            where="scopes" if scopes != ("ingest",) else "products",
        )


def judge_password(password: str, email: str) -> None:
    """Raises Rejected("weak_password") for one that is short, common or made of the address."""
    plain, local = (
        re.sub(r"[^a-z0-9]", "", text.lower()) for text in (password, email.split("@")[0])
    )
    if len(password) < MIN_PASSWORD:
        message = f"The password is shorter than {MIN_PASSWORD} characters."
    elif len(password) > MAX_PASSWORD:
        message = f"The password is longer than {MAX_PASSWORD} characters."
    elif len(set(password)) < 5 or plain.strip("0123456789") in _COMMON or _runs(plain):
        message = "The password is among the first that anyone would try."
    elif len(plain) - len(local) < 5 and local in plain:
        message = "The password is made of the e-mail address."
    else:
        return
    raise Rejected(
        "weak_password",
        message,
        fix="Take four words that do not belong together, or let a password manager choose.",
        where="password",
    )


_COMMON_WORDS = """
password passwort passw0rd qwerty qwertyuiop qwertz qwertzuiop azertyuiop letmein iloveyou welcome
admin administrator changeme changeit monkey dragon football baseball princess sunshine superman
trustno starwars secret master login upwell upwelladmin correcthorsebatterystaple passwordpassword
qwertyqwerty adminadmin testtest temporary default letmeinplease mypassword thisisapassword
"""
_COMMON = frozenset(["", *_COMMON_WORDS.split()])  # "": nothing but digits around


def _runs(plain: str) -> bool:
    """Whether it is one run along the alphabet, the digits or a keyboard row, or repeats of it."""
    rows = (
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890",
        "qwertyuiop",
        "qwertzuiop",
        "1qaz2wsx3edc4rfv",
    )
    return any(plain in row * 4 or plain in row[::-1] * 4 for row in rows)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))
