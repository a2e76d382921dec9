"""Subscription schedules: phases that follow one another by the account's clock.

https://docs.stripe.com/api/subscription_schedules, for schedules made from a subscription.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from upwell.demo.stripe.changes import Changes, Edit
from upwell.demo.stripe.lives import ENDED, UPDATED
from upwell.demo.stripe.world import Json, Refused, World

KIND = "subscription_schedule"
LIVE = frozenset({"not_started", "active"})


class Stage(NamedTuple):
    """One phase as it is asked for: until when, and what the subscription is for in it."""

    end: int
    items: Sequence[tuple[Json, int]]  # price and quantity


class Schedules:
    """The schedules of an account."""

    def __init__(self, world: World, changes: Changes) -> None:
        self._world, self._changes = world, changes
        world.handlers["phase"] = self._due

    def begin(self, subscription: Json, stages: Sequence[Stage], *, ends: bool) -> Json:
        """Set what follows the subscription's present period; `ends`: it is over after the last.

        Stripe makes it in two calls: a schedule of the present phase, which is then changed.
        """
        world, now = self._world, self._world.now
        if subscription["schedule"] is not None:
            raise Refused(f"{subscription['id']} is under a schedule already")
        items = subscription["items"]["data"]
        end = min(item["current_period_end"] for item in items)
        present = [(item["price"], item.get("quantity", 1)) for item in items]
        begun = _phase(subscription, now, Stage(end, present))
        row = world.add(_schedule(world, subscription, begun))
        world.emit(row, f"{KIND}.created")
        world.change(subscription, {"schedule": row["id"]}, UPDATED)
        self.change(row, stages, ends=ends)
        return row

    def change(self, row: Json, stages: Sequence[Stage], *, ends: bool) -> Json:
        """Other phases after the present one."""
        self._alive(row)
        subscription = self._world.get("subscription", row["subscription"])
        now = self._world.now
        phases = [phase for phase in row["phases"] if phase["start_date"] <= now]
        for stage in stages:
            phases.append(_phase(subscription, phases[-1]["end_date"], stage))
        behavior = "cancel" if ends else "release"
        self._world.change(row, {"phases": phases, "end_behavior": behavior}, f"{KIND}.updated")
        self._plan(row)
        return row

    def release(self, row: Json) -> Json:
        """The subscription goes on as it is."""
        self._alive(row)
        self._over(row, "released", "released_at")
        return row

    def cancel(self, row: Json) -> Json:
        """It is over, and the subscription with it."""
        self._alive(row)
        subscription = self._world.get("subscription", row["subscription"])
        self._over(row, "canceled", "canceled_at", keeps=True)
        self._end(subscription)
        return row

    def _alive(self, row: Json) -> None:
        if row["status"] not in LIVE:
            raise Refused(f"{row['id']} is {row['status']}")

    def _plan(self, row: Json) -> None:
        """Come back where the present phase ends."""
        self._world.later(row["current_phase"]["end_date"], "phase", row["id"], rank=1)

    def _due(self, identity: str) -> None:
        world = self._world
        row = world.get(KIND, identity)
        if row["status"] not in LIVE or row["current_phase"]["end_date"] != world.now:
            return  # it was changed since
        subscription = world.get("subscription", row["subscription"])
        if subscription["status"] in ENDED:
            self._over(row, "canceled", "canceled_at", kind="aborted", keeps=True)
            return
        phase = next((one for one in row["phases"] if one["start_date"] == world.now), None)
        if phase is None:
            ends = row["end_behavior"] == "cancel"
            self._over(row, "completed", "completed_at", keeps=ends)
            if ends:
                self._end(subscription)
            return
        self._apply(subscription, phase)
        current = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
        world.change(row, {"current_phase": current}, f"{KIND}.updated")
        self._plan(row)

    def _apply(self, subscription: Json, phase: Json) -> None:
        """Let the subscription be for what the phase says, from its next period on."""
        world = self._world
        prices = [world.get("price", item["price"]) for item in phase["items"]]
        wanted = list(zip(prices, (item["quantity"] for item in phase["items"]), strict=True))
        edits = []
        for item in subscription["items"]["data"]:
            if wanted:
                price, quantity = wanted.pop(0)
                edits.append(Edit(item["id"], price, quantity))
            else:
                edits.append(Edit(item["id"], deleted=True))
        edits += [Edit(None, price, quantity) for price, quantity in wanted]
        self._changes.edit(subscription, edits, "none")

    def _over(
        self, row: Json, status: str, field: str, *, kind: str = "", keeps: bool = False
    ) -> None:
        world = self._world
        subscription = world.get("subscription", row["subscription"])
        changes: Json = {"status": status, field: world.now, "current_phase": None}
        if not keeps:
            changes |= {"subscription": None, "released_subscription": subscription["id"]}
        world.change(row, changes)
        world.emit(row, f"{KIND}.{kind or status}")
        if subscription["status"] not in ENDED and not keeps:
            world.change(subscription, {"schedule": None}, UPDATED)

    def _end(self, subscription: Json) -> None:
        details = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
        if subscription["status"] not in ENDED:
            self._changes.cancel_now(subscription, details, prorate=False)


def _schedule(world: World, subscription: Json, phase: Json) -> Json:
    return {
        "id": world.new_id("sub_sched"),
        "object": KIND,
        "application": None,
        "canceled_at": None,
        "completed_at": None,
        "created": world.now,
        "current_phase": {"start_date": phase["start_date"], "end_date": phase["end_date"]},
        "customer": subscription["customer"],
        "default_settings": {"billing_cycle_anchor": "automatic", "description": None},
        "end_behavior": "release",
        "livemode": world.livemode,
        "metadata": {},
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }


def _phase(subscription: Json, start: int, stage: Stage) -> Json:
    return {
        "add_invoice_items": [],
        "currency": subscription["currency"],
        "default_tax_rates": [],
        "description": None,
        "discounts": [
            {"coupon": None, "discount": name, "promotion_code": None}
            for name in subscription["discounts"]
        ],
        "end_date": stage.end,
        "items": [
            {
                "discounts": [],
                "metadata": {},
                "plan": price["id"],
                "price": price["id"],
                "quantity": quantity,
                "tax_rates": [],
            }
            for price, quantity in stage.items
        ],
        "metadata": {},
        "proration_behavior": "none",
        "start_date": start,
        "trial_end": None,
    }
