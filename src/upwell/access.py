"""Who asks, and what they may see: viewers, keys, passwords, sessions. Pure; rows live in state."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal

import msgspec

Scope = Literal["ingest", "read", "admin"]


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
