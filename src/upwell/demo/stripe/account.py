"""A fake account's clock, its events and their delivery, its keys, and faults on request."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal

from upwell.demo.stripe import hooks
from upwell.demo.stripe.api import Api, Fault
from upwell.demo.stripe.bills import Bills
from upwell.demo.stripe.changes import Changes
from upwell.demo.stripe.hooks import Delivered
from upwell.demo.stripe.lives import Lives, Outcome
from upwell.demo.stripe.schedules import Schedules
from upwell.demo.stripe.till import Till
from upwell.demo.stripe.world import Event, Hears, Json, World

API_VERSION = "2026-10-28.endive"
Named = str | Json  # an object or its id


class Account:
    """One account in memory, with a clock that only its owner moves."""

    def __init__(
        self,
        now: int,
        seed: int = 0,
        *,
        name: str = "Quillmoor",
        livemode: bool = True,
        archive: bool = False,
        retries: Sequence[int] = (3, 5, 7),
        outcome: Outcome = "cancel",
        give_up: bool = False,
        payouts: str | None = "weekly",
        settles: Mapping[str, tuple[str, Decimal]] | None = None,
        scrambled: bool = False,
        hears: Hears | None = None,
        marks: bool = False,
        api_version: str = API_VERSION,
    ) -> None:
        self.lock = threading.RLock()
        self.name = name
        self.world = World(
            now=now, seed=seed, livemode=livemode, api_version=api_version, archive=archive
        )
        self.world.scrambled = scrambled
        self.world.hears = hears
        self.world.marks = marks
        self.api = Api(self.world, name)
        self._post = random.Random(f"post-{seed}")
        self._delivered: dict[str, int] = {}  # address -> number of the last event it was sent
        self._refused: dict[str, list[Event]] = {}
        self._till = Till(self.world, settles or {}, payouts)
        self._bills = Bills(self.world, self._till, retries)
        self._lives = Lives(self.world, self._bills, outcome, give_up=give_up)
        self._changes = Changes(self.world, self._lives, self._bills)
        self._schedules = Schedules(self.world, self._changes)

    @property
    def now(self) -> int:
        """The account's clock in seconds."""
        return self.world.now

    @property
    def account(self) -> str:
        """Its id, `acct_…`."""
        return self.world.account

    @property
    def events(self) -> list[Event]:
        """What happened, oldest first: the last 30 days, or everything with `archive`."""
        with self.lock:
            return self.world.remembered()

    @property
    def newest(self) -> int:
        """The number of the newest event, heard or not; -1 before the first."""
        return self.world.sent - 1

    def after(self, number: int) -> list[Event]:
        """The events that are still remembered and have a number greater than this one."""
        log = self.world.log
        return log[bisect_right(log, number, key=lambda event: event.number) :]

    def advance(self, seconds: int) -> None:
        """Let time pass; everything that falls due happens, in order."""
        with self.lock:
            self.world.run(self.world.now + seconds)

    def advance_to(self, at: int) -> None:
        """Let time pass until then; a time that is past changes nothing."""
        self.advance(max(0, at - self.world.now))

    def forget(self, before: int) -> None:
        """Keep no more than what has happened since then: of settled invoices and their money."""
        with self.lock:
            self.world.forget(before)

    def get(self, kind: str, identity: str) -> Json:
        """An object as it stands: `get("invoice", "in_…")`; KeyError where there is none."""
        return self.world.get(kind, identity)

    def all(self, kind: str) -> list[Json]:
        """All objects of a kind, oldest first: `all("charge")`."""
        return list(self.world.table(kind).rows.values())

    def _of(self, kind: str, named: Named) -> Json:
        return named if isinstance(named, dict) else self.world.get(kind, named)

    # -- webhooks

    def payload(self, event: Event) -> bytes:
        """The body of the event's webhook."""
        return hooks.payload(event, self.world)

    @staticmethod
    def sign(payload: bytes, secret: str, at: int) -> str:
        """The `Stripe-Signature` header of a body sent at that second."""
        return hooks.sign(payload, secret, at)

    def deliver(
        self,
        url: str,
        secret: str,
        *,
        shuffled: bool = False,
        repeats: int = 1,
        at: int | None = None,
    ) -> list[Delivered]:
        """Send an address what it has not had yet, and what it refused; each `repeats` times.

        `at` is the second of the signatures (None: now, by the account's clock).
        """
        with self.lock:
            since = self._delivered.get(url, -1)
            fresh = [event for event in self.events if event.number > since]
            if fresh:
                self._delivered[url] = fresh[-1].number
            sending = [*self._refused.pop(url, []), *fresh] * repeats
        if shuffled:
            self._post.shuffle(sending)
        done = hooks.post(sending, self.world, url, secret, self.now if at is None else at)
        refused = {one.event.id: one.event for one in done if not hooks.accepted(one)}
        if refused:
            self._refused[url] = list(refused.values())
        return done

    # -- keys and faults

    def restrict(self, key: str, *permissions: str) -> None:
        """What a restricted key (`rk_…`) may do: "customer_read", "charge_read" …"""
        self.api.restrict(key, frozenset(permissions))

    def revoke(self, key: str) -> None:
        """A key that is good no longer."""
        self.api.revoke(key)

    def fail(
        self, path: str, status: int, *, skip: int = 0, times: int = 1, message: str = ""
    ) -> None:
        """Fail `times` requests whose path begins so, after `skip` good ones; 429, 500, 400 …

        Status 0 drops the connection without an answer.
        """
        self.api.fail(Fault(path, status, skip, times, message))
