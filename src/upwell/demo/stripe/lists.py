"""Pages of lists, single objects, filters and expansion, as https://docs.stripe.com/api says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from upwell.demo.stripe.hooks import shown
from upwell.demo.stripe.kinds import KINDS, PERMISSIONS, PREFIXES, Kind, Match
from upwell.demo.stripe.world import Event, Json, World

_DEPTH = 4  # https://docs.stripe.com/api/expanding_objects


class Refusal(Exception):
    """An error as the API words it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self._shape = {"code": code, "message": message, "param": param, "type": kind}

    def error(self) -> Json:
        """The body's `error`; what is not known is left out, as Stripe does."""
        return {key: value for key, value in self._shape.items() if value is not None}


_PAGING = frozenset({"limit", "starting_after", "ending_before"})


def key_of(authorization: str | None) -> str:
    """The key of a request: Bearer, or Basic with the key as user name."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(value).decode("utf-8", "replace").partition(":")[0]
    return value.strip() if scheme.lower() == "bearer" else ""


class Reader:
    """One request: its parameters and what its key may see."""

    def __init__(
        self, world: World, query: list[tuple[str, str]], allowed: frozenset[str] | None
    ) -> None:
        self._world = world
        self._allowed = allowed
        self._expand = [value for key, value in query if key.startswith("expand[")]
        self._types = {value for key, value in query if key.startswith("types[")}
        self._given = {
            key: value for key, value in query if not key.startswith(("expand[", "types["))
        }
        for path in self._expand:
            if path.count(".") >= _DEPTH:
                raise Refusal(
                    400,
                    f"You cannot expand more than {_DEPTH} levels of a property. Property: {path}",
                    code="property_expansion_max_depth",
                )

    def permit(self, kind: str) -> None:
        """Refuse where the key lacks the permission, with its name."""
        if self._allowed is None:
            return
        needed = f"{PERMISSIONS[kind]}_read"
        if needed not in self._allowed:
            key = next(name[4:] for name in self._allowed if name.startswith("key:"))
            raise Refusal(
                403,
                f"The provided key '{key}' does not have the required permissions for this "
                f"endpoint on account '{self._world.account}'. Having the 'rak_{needed}' "
                "permission would allow this request to continue.",
            )

    # -- lists

    def page(self, plural: str) -> Json:
        """One page of a list, newest first."""
        kind = KINDS[plural]
        self.permit(kind.object)
        if kind.object == "subscription_item":
            return self._items()
        table = self._world.table(kind.object)
        matches = self._matches(kind)
        return self._paged(
            f"/v1/{plural}",
            table.place,
            lambda place: table.rows[table.ids[place]],
            len(table.ids),
            matches,
            kind.object,
        )

    def _matches(self, kind: Kind) -> Callable[[Json], bool]:
        tests: list[tuple[Match, str]] = []
        for name, value in self._given.items():
            if name in _PAGING or name.startswith("created"):
                continue
            if name not in kind.filters:
                raise Refusal(
                    400,
                    f"Received unknown parameter: {name}",
                    code="parameter_unknown",
                    param=name,
                )
            tests.append((kind.filters[name], value))
        world, gone = self._world, self._world.deleted
        hides = kind.object == "subscription" and "status" not in self._given

        def matches(row: Json) -> bool:
            if row["id"] in gone or (hides and row["status"] == "canceled"):
                return False
            return all(test(world, row, value) for test, value in tests)

        return matches

    def _paged(
        self,
        url: str,
        places: dict[str, int],
        row_at: Callable[[int], Json],
        count: int,
        matches: Callable[[Json], bool],
        kind: str,
    ) -> Json:
        limit = self._limit()
        after, before = self._given.get("starting_after"), self._given.get("ending_before")
        if before is not None:
            order: Iterable[int] = range(
                self._place(places, before, kind, "ending_before") + 1, count
            )
        elif after is not None:
            order = range(self._place(places, after, kind, "starting_after") - 1, -1, -1)
        else:
            order = range(count - 1, -1, -1)
        found: list[Json] = []
        for row in self._in_time(order, row_at, forward=before is not None):
            if matches(row):
                found.append(row)
                if len(found) > limit:
                    break
        has_more = len(found) > limit
        rows = found[:limit]
        if before is not None:
            rows.reverse()
        paths = [path.split(".")[1:] for path in self._expand if path.startswith("data.")]
        data = [self._opened(row, paths) for row in rows]
        return {"object": "list", "data": data, "has_more": has_more, "url": url}

    def _place(self, places: dict[str, int], identity: str, kind: str, param: str) -> int:
        place = places.get(identity)
        if place is None:
            raise _missing(kind, identity, param)
        return place

    def _limit(self) -> int:
        text = self._given.get("limit", "10")
        limit = int(text) if text.isdigit() else 0
        if not 1 <= limit <= 100:
            raise Refusal(
                400,
                "This value must be greater than or equal to 1 and at most 100.",
                code="parameter_invalid_integer",
                param="limit",
            )
        return limit

    def _in_time(
        self, order: Iterable[int], row_at: Callable[[int], Json], *, forward: bool
    ) -> Iterator[Json]:
        """Rows within `created[…]`; they are in order of creation, so the end is known early."""
        given = self._given
        least = max(
            int(given.get("created[gte]", 0)),
            int(given.get("created[gt]", -1)) + 1,
            int(given.get("created", 0)),
        )
        most = min(
            int(given.get("created[lte]", 1 << 60)),
            int(given.get("created[lt]", 1 << 60)) - 1,
            int(given.get("created", 1 << 60)),
        )
        for place in order:
            row = row_at(place)
            at = row["date"] if "date" in row else row["created"]
            if least <= at <= most:
                yield row
            elif (at > most) if forward else (at < least):
                return

    def _items(self) -> Json:
        identity = self._given.get("subscription", "")
        subscription = self._found("subscription", identity)
        rows = subscription["items"]["data"]
        places = {row["id"]: place for place, row in enumerate(rows)}
        return self._listed("/v1/subscription_items", rows, places, "subscription_item")

    def lines(self, invoice: str) -> Json:
        """The lines of an invoice, in their own order."""
        self.permit("invoice")
        self._found("invoice", invoice)
        rows = self._world.lines[invoice]
        places = {row["id"]: place for place, row in enumerate(rows)}
        return self._listed(f"/v1/invoices/{invoice}/lines", rows, places, "line_item")

    def _listed(self, url: str, rows: list[Json], places: dict[str, int], kind: str) -> Json:
        limit, after = self._limit(), self._given.get("starting_after")
        start = 0 if after is None else self._place(places, after, kind, "starting_after") + 1
        paths = [path.split(".")[1:] for path in self._expand if path.startswith("data.")]
        data = [self._opened(row, paths) for row in rows[start : start + limit]]
        has_more = len(rows) > start + limit
        return {"object": "list", "data": data, "has_more": has_more, "url": url}

    # -- events

    def events(self) -> Json:
        """Events of the last 30 days, newest first."""
        self.permit("event")
        world = self._world
        log = world.log[world.oldest() :]
        if world.scrambled:
            log.sort(key=lambda event: (event.created, event.id))
        places = {event.id: place for place, event in enumerate(log)}
        kinds = self._types or ({self._given["type"]} if "type" in self._given else set())

        def matches(row: Json) -> bool:
            return not kinds or _typed(row["type"], kinds)

        page = self._paged(
            "/v1/events",
            places,
            lambda place: {"created": log[place].created, "type": log[place].type, "n": place},
            len(log),
            matches,
            "event",
        )
        page["data"] = [self._event(log[row["n"]]) for row in page["data"]]
        return page

    def event(self, identity: str) -> Json:
        """One event that is still remembered."""
        self.permit("event")
        world = self._world
        for event in reversed(world.log[world.oldest() :]):
            if event.id == identity:
                return self._event(event)
        raise _missing("event", identity, "id")

    def _event(self, event: Event) -> Json:
        return shown(event, self._world)

    # -- objects

    def one(self, plural: str, identity: str) -> Json:
        """One object; a deleted one says so."""
        kind = KINDS[plural].object
        self.permit(kind)
        if self._world.deleted.get(identity) == kind:
            if kind == "customer":
                return {"id": identity, "object": kind, "deleted": True}
            raise _missing(kind, identity, "id")
        row = self._found(kind, identity)
        return self._opened(row, [path.split(".") for path in self._expand])

    def _found(self, kind: str, identity: str) -> Json:
        row = self._world.table(kind).rows.get(identity)
        if row is None:
            raise _missing(kind, identity, "id")
        return row

    def _opened(self, row: Json, paths: list[list[str]]) -> Json:
        """The row with what was asked for expanded; the stored one stays as it is."""
        row = self._present(row)
        for path in paths:
            row = self._expanded(row, path, "")
        return row

    def _present(self, row: Json) -> Json:
        if row.get("object") == "balance_transaction" and row["available_on"] <= self._world.now:
            return {**row, "status": "available"}
        return row

    def _expanded(self, value: Any, path: list[str], field: str) -> Any:
        if isinstance(value, list):
            return [self._expanded(one, path, field) for one in value]
        if isinstance(value, str):
            return self._expanded(self._object(value, field), path, field)
        if not path or value is None:
            return value
        name, rest = path[0], path[1:]
        inner = self._included(value, name)
        if inner is None:
            if name not in value:
                raise _unexpandable(name)
            inner = value[name]
        return {**value, name: self._expanded(inner, rest, name)}

    def _object(self, identity: str, field: str) -> Json:
        kind = "coupon" if field == "coupon" else PREFIXES.get(identity.partition("_")[0])
        row = self._world.table(kind).rows.get(identity) if kind else None
        if kind is None or row is None:
            raise _unexpandable(field)
        self.permit(kind)
        if self._world.deleted.get(identity) == "customer":
            return {"id": identity, "object": "customer", "deleted": True}
        return self._present(row)

    def _included(self, row: Json, name: str) -> Any:
        """What the API shows only on request."""
        world = self._world
        if row.get("object") == "price" and name == "tiers":
            return world.tiers.get(row["id"], [])
        if row.get("object") == "price" and name == "currency_options":
            amounts = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
            return {row["currency"]: {each: row[each] for each in amounts}}
        if row.get("object") == "invoice" and name == "payments":
            intent = world.intents.get(row["id"])
            held = [world.get("invoice_payment", world.payments[intent])] if intent else []
            return {
                "object": "list",
                "data": held,
                "has_more": False,
                "url": "/v1/invoice_payments",
            }
        if row.get("object") == "charge" and name == "refunds":
            held = [r for r in world.table("refund").rows.values() if r["charge"] == row["id"]]
            url = f"/v1/charges/{row['id']}/refunds"
            return {"object": "list", "data": held[::-1], "has_more": False, "url": url}
        return None


def _typed(kind: str, asked: set[str]) -> bool:
    return kind in asked or any(
        one.endswith("*") and kind.startswith(one.removesuffix("*")) for one in asked
    )


def _unexpandable(name: str) -> Refusal:
    return Refusal(400, f"This property cannot be expanded ({name}).")


def _missing(kind: str, identity: str, param: str) -> Refusal:
    status = 404 if param == "id" else 400
    words = kind.replace("_", " ")
    return Refusal(status, f"No such {words}: '{identity}'", code="resource_missing", param=param)
