"""Who may come in: keys, sessions, the one-time owner link, tickets; with their audit.

The gate joins the pure rules of `access` to the rows of `state`. What it has read it believes for
five seconds, and forgets at once when it changes something itself; so a revoked key or a closed
session stops at once on this server, and within five seconds where several share a database.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import Literal

import msgspec

from upwell import access
from upwell.access import Scope, Viewer, digest
from upwell.errors import Forbidden, NotFound, Rejected, SignedOut, nearest
from upwell.period import to_instant, to_micros
from upwell.state import keys, people
from upwell.state.db import State
from upwell.web.attempts import Attempts, Paces

BELIEVED = 5_000_000  # µs
_SEEN_EVERY = 60_000_000  # µs between two writes of a session's last use
_KEPT = 10_000

Via = Literal["key", "session", "ticket"]


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor let in: who, how, the digest that proves it, and until when (UTC µs; 0: open).

    `origins`: it came with a public key, and these are the sites whose pages may hold it.
    """

    viewer: Viewer
    via: Via
    proof: str
    until: int = 0
    csrf: str = ""
    origins: frozenset[str] | None = None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh key; `key` is shown this once."""

    id: str
    key: str


class Gate:
    """The one place that decides who a request comes from."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._age = 0  # rises with every change made here, so that no stale row is kept after it
        self._passes: dict[str, tuple[Pass, int]] = {}
        self._tickets: dict[str, tuple[Pass, int]] = {}
        self._attempts = Attempts()
        self._paces = Paces()
        self._origins: tuple[frozenset[str], int, int] = (frozenset(), 0, -1)

    # Coming in

    def known(self, secret: str, now: dt.datetime) -> Pass | None:
        """The pass of a secret read within the last seconds; never touches the database."""
        found = self._passes.get(digest(secret))
        if found is None:
            return None
        visitor, read_at = found
        micros = to_micros(now)
        fresh = 0 <= micros - read_at < BELIEVED and not 0 < visitor.until <= micros
        return visitor if fresh else None

    def by_key(self, secret: str, now: dt.datetime) -> Pass:
        """The pass of an API key; raises SignedOut where it is wrong, expired or revoked."""
        found = self.known(secret, now)
        if found is not None and found.via == "key":  # a session's secret is no key
            return found
        return self._read_key(secret, to_micros(now))

    def by_session(self, secret: str, now: dt.datetime) -> Pass:
        """The pass of a session cookie; raises SignedOut where it ended."""
        found = self.known(secret, now)
        if found is not None and found.via == "session":
            return found
        return self._read_session(secret, to_micros(now))

    def by_ticket(self, secret: str, now: dt.datetime) -> Pass:
        """The pass of a one-use ticket, spent by asking; raises SignedOut."""
        with self._lock:
            found = self._tickets.pop(digest(secret), None)
        if found is None or found[1] <= to_micros(now):
            raise SignedOut(
                "bad_ticket", "This ticket is spent or expired.", fix="Ask for another one."
            )
        return found[0]

    def ticket(self, visitor: Pass, now: dt.datetime) -> str:
        """A ticket that lets the same visitor open one socket within 30 seconds."""
        secret, stored = access.mint_secret()
        micros = to_micros(now)
        with self._lock:
            live = {key: held for key, held in self._tickets.items() if held[1] > micros}
            self._tickets = live if len(live) < _KEPT else {}
            self._tickets[stored] = visitor, to_micros(now + access.TICKET_LIFE)
        return secret

    def still(self, visitor: Pass, now: dt.datetime) -> bool:
        """Whether an open connection's pass is good; reads the database, for use every 5 s."""
        micros = to_micros(now)
        if 0 < visitor.until <= micros:
            return False
        found = self._passes.get(visitor.proof)
        if found is not None and 0 <= micros - found[1] < BELIEVED:
            return True
        if visitor.viewer.kind == "key":
            key = keys.by_prefix(self._state, visitor.viewer.id.removeprefix("key_"))
            return key is not None and key.revoked_at is None and key.digest == visitor.proof
        return people.find_session(self._state, visitor.proof) is not None

    # Pages of other sites

    def known_origins(self, now: dt.datetime) -> frozenset[str] | None:
        """`public_origins` as read within the last seconds; never touches the database."""
        origins, read_at, age = self._origins
        fresh = age == self._age and 0 <= to_micros(now) - read_at < BELIEVED
        return origins if fresh else None

    def public_origins(self, now: dt.datetime) -> frozenset[str]:
        """The sites whose pages may send with a public key."""
        age, micros = self._age, to_micros(now)
        origins = keys.origins(self._state, micros)
        self._origins = origins, micros, age
        return origins

    def check_page(self, visitor: Pass, origin: str, address: str, now: dt.datetime) -> None:
        """Raises Forbidden where a public key is used elsewhere, TooFast where too often."""
        if visitor.origins is None:
            return
        if origin not in visitor.origins:
            raise Forbidden(
                "foreign_origin",
                f"This public key is not for pages of '{origin[:100] or 'no site'}'.",
                fix="Make a key for that site: `upwell key create --public --origin SITE`.",
                where="Origin",
            )
        self._paces.take(now, (f"{visitor.proof} {address}", 10, 300), (visitor.proof, 500, 5000))

    # Sessions

    def sign_in(self, email: str, password: str, address: str, now: dt.datetime) -> str:
        """A new session's secret; raises SignedOut, or Rejected(429) after too many tries.

        Takes the same time and says the same for a wrong password and an unknown address.
        """
        who = email.strip().lower()[:320]
        both = f"{address} {who}"
        self._attempts.take(now, (both, 5), (address, 30))
        person = people.by_email(self._state, who)
        long = len(password) > access.MAX_PASSWORD
        fits = access.check_password("" if long else password, person.password if person else None)
        if person is None or not fits:
            self._audit(now, who, "sign_in_failed", address=address)
            raise SignedOut(
                "wrong_password",
                "This e-mail and password do not fit together.",
                fix="Check both; capitals count in the password.",
            )
        self._attempts.forget(both)
        if access.outdated_hash(person.password):
            people.set_password(self._state, person.id, access.hash_password(password))
        self._audit(now, person.id, "sign_in", address=address)
        return self._open_session(person.id, now)

    def sign_in_demo(self, address: str, now: dt.datetime) -> str:
        """A session of the demo's visitor; the caller has made sure that it comes from here."""
        person = people.Person(
            id="per_demo",
            email="demo@localhost",
            name="Demo",
            password="!",  # no password opens it
            role="demo",
            created_at=to_micros(now),
        )
        people.add(self._state, person)
        self._audit(now, person.id, "sign_in", about="demo", address=address)
        return self._open_session(person.id, now)

    def sign_out(self, visitor: Pass, address: str, now: dt.datetime) -> None:
        """Ends the session for good."""
        people.close_session(self._state, visitor.proof)
        self._forget()
        self._audit(now, visitor.viewer.id, "sign_out", address=address)

    # The owner

    def needs_owner(self) -> bool:
        """Whether nobody owns the workspace yet."""
        return not people.has_owner(self._state)

    def owner_token(self, now: dt.datetime) -> str | None:
        """The token of a fresh one-time link (24 h); None where there is an owner."""
        if not self.needs_owner():
            return None
        secret, stored = access.mint_secret()
        expires = to_micros(now + access.INVITATION_LIFE)
        people.invite(self._state, stored, role="owner", now=to_micros(now), expires_at=expires)
        return secret

    def make_owner(
        self, token: str, email: str, password: str, name: str, address: str, now: dt.datetime
    ) -> str:
        """Makes the owner, once, and signs them in; raises Forbidden where the link is spent."""
        self._attempts.take(now, (f"owner {address}", 10))
        micros = to_micros(now)
        person = people.Person(
            id=access.mint_id("per"),
            email=access.email_of(email),
            name=name.strip()[:200] or email.split("@")[0],
            password="",
            role="owner",
            created_at=micros,
        )
        access.judge_password(password, person.email)
        person = msgspec.structs.replace(person, password=access.hash_password(password))
        outcome = people.accept(self._state, digest(token), person, micros)
        if outcome != "made":
            self._audit(now, person.email, "owner_refused", about=outcome, address=address)
            raise Forbidden("bad_link", *_REFUSED_LINK[outcome], where="token")
        self._audit(now, person.id, "owner_made", about=person.email, address=address)
        return self._open_session(person.id, now)

    # Keys

    def create_key(
        self,
        *,
        name: str,
        scopes: tuple[str, ...],
        products: tuple[str, ...] | None,
        by: Viewer,
        now: dt.datetime,
        expires_at: dt.datetime | None = None,
        known: frozenset[str] | None = None,
        origins: tuple[str, ...] = (),
    ) -> NewKey:
        """Makes an API key; the secret is in the answer and nowhere else.

        `known`: the products there are. Whoever sees some products gives keys for no others. With
        `origins` it is public: pages of these sites may send with it, and it can do nothing else.
        """
        seen = known if by.products is None else by.products
        if by.products is not None and products is None:
            products = tuple(sorted(by.products))
        for product in products or ():
            if seen is not None and product not in seen:
                raise Rejected(
                    "unknown_product",
                    f"Unknown product '{product}'.",
                    fix=nearest(product, seen),
                    where="products",
                )
        for scope in scopes:
            if scope not in access.SCOPES:
                raise Rejected(
                    "unknown_scope",
                    f"Unknown scope '{scope}'.",
                    fix=nearest(scope, access.SCOPES),
                    where="scopes",
                )
        if not scopes or not 0 < len(name.strip()) <= 100:
            field = "a name of at most 100 characters" if scopes else "at least one scope"
            raise Rejected(
                "bad_key",
                f"A key needs {field}.",
                fix='For example: "name": "website", "scopes": ["ingest"].',
                where="name" if scopes else "scopes",
            )
        if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
            raise Rejected(
                "bad_expiry",
                "'expires_at' is not a time to come with its zone.",
                fix="Send RFC 3339 such as 2027-01-31T00:00:00Z.",
                where="expires_at",
            )
        if origins:
            access.judge_public(scopes, products)
            origins = tuple(dict.fromkeys(map(access.origin_of, origins)))
        minted = access.mint_key()
        row = keys.Key(
            id=minted.id,
            prefix=minted.prefix,
            digest=minted.digest,
            name=name.strip(),
            scopes=tuple(dict.fromkeys(scopes)),
            products=products,
            origins=origins or None,
            created_at=to_micros(now),
            created_by=by.id,
            expires_at=None if expires_at is None else to_micros(expires_at),
        )
        keys.add(self._state, row)
        if origins:
            self._forget()
        self._audit(now, by.id, "key_created", about=f"{row.id} {row.name}")
        return NewKey(id=row.id, key=minted.secret)

    def keys(self) -> list[keys.Key]:
        """Every key, newest first, the revoked ones too; never a secret."""
        return keys.every(self._state)

    def revoke_key(self, id_: str, *, by: Viewer, now: dt.datetime) -> None:
        """Ends a key at once; raises NotFound where no live key has that id."""
        if not keys.revoke(self._state, id_, to_micros(now)):
            raise NotFound(
                "unknown_key",
                f"There is no live key '{id_}'.",
                fix="`upwell key list` shows their ids.",
            )
        self._forget()
        self._audit(now, by.id, "key_revoked", about=id_)

    def note(self, viewer: Viewer, action: str, about: str, address: str, now: dt.datetime) -> None:
        """Adds a line to the audit."""
        self._audit(now, viewer.id, action, about=about, address=address)

    def _audit(
        self, now: dt.datetime, who: str, action: str, *, about: str = "", address: str = ""
    ) -> None:
        entry = people.Entry(
            at=to_micros(now), who=who, action=action, about=about, address=address
        )
        people.record(self._state, entry)

    def _open_session(self, person: str, now: dt.datetime) -> str:
        secret, stored = access.mint_secret()
        micros = to_micros(now)
        session = people.Session(
            digest=stored,
            person=person,
            created_at=micros,
            seen_at=micros,
            expires_at=to_micros(now + access.SESSION_LIFE),
        )
        people.open_session(self._state, session)
        return secret

    def _read_key(self, secret: str, micros: int) -> Pass:
        age = self._age
        prefix = access.prefix_of(secret)
        key = keys.by_prefix(self._state, prefix) if prefix else None
        if key is None or not access.same(digest(secret), key.digest):
            raise SignedOut(
                "bad_key",
                "This key is not known.",
                fix="Send `Authorization: Bearer uw_…` with a key of `upwell key create`.",
                where="Authorization",
            )
        ended = key.revoked_at or key.expires_at
        if ended is not None and ended <= micros:
            verb = "was revoked" if key.revoked_at else "expired"
            raise SignedOut(
                "key_ended",
                f"This key {verb} on {to_instant(ended):%Y-%m-%d}.",
                fix="Make a new one with `upwell key create`.",
                where="Authorization",
            )
        viewer = Viewer(
            id=key.id,
            name=key.name,
            kind="key",
            scopes=frozenset(scope for scope in access.SCOPES if scope in key.scopes),
            products=None if key.products is None else frozenset(key.products),
        )
        visitor = Pass(
            viewer=viewer,
            via="key",
            proof=key.digest,
            until=key.expires_at or 0,
            origins=None if key.origins is None else frozenset(key.origins),
        )
        return self._keep(visitor, micros, age)

    def _read_session(self, secret: str, micros: int) -> Pass:
        age = self._age
        found = people.find_session(self._state, digest(secret))
        idle = to_micros(to_instant(micros) - access.SESSION_IDLE)
        if found is None or found[0].expires_at <= micros or found[0].seen_at <= idle:
            raise SignedOut("signed_out", "You are signed out.", fix="Sign in again.")
        session, person = found
        if micros - session.seen_at > _SEEN_EVERY:
            people.touch_session(self._state, session.digest, micros)
        visitor = Pass(
            viewer=Viewer(id=person.id, name=person.name, scopes=_scopes(person.role)),
            via="session",
            proof=session.digest,
            until=session.expires_at,
            csrf=access.csrf_of(secret),
        )
        return self._keep(visitor, micros, age)

    def _keep(self, visitor: Pass, micros: int, age: int) -> Pass:
        with self._lock:
            if age == self._age:
                if len(self._passes) >= _KEPT:
                    self._passes = {}
                self._passes[visitor.proof] = visitor, micros
        return visitor

    def _forget(self) -> None:
        with self._lock:
            self._age += 1
            self._passes = {}


def _scopes(role: str) -> frozenset[Scope]:
    return access.ROLES.get(role, frozenset())


_REFUSED_LINK: dict[str, tuple[str, str]] = {
    "taken": ("This workspace has an owner already.", "Sign in."),
    "unknown": ("This link is not the one that the server printed.", "Open the newest one."),
    "used": ("This link was used already.", "Sign in."),
    "expired": ("This link has expired.", "Restart `upwell serve`: it prints a new one."),
}
