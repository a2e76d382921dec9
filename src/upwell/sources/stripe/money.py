"""Invoices, refunds, disputes and balance transactions: what was paid, given back and charged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, cast

from upwell import billing
from upwell.period import MICROS
from upwell.sources.stripe import shapes, units
from upwell.sources.stripe.reading import Moment, Reading, Unusable, Waits, Want, micros
from upwell.sources.stripe.shapes import id_of

_Status = Literal["open", "paid", "void", "uncollectible"]


class Share(NamedTuple):
    """A product's part of an invoice: its weight in minor units, and its largest plan."""

    weight: int
    plan: str


def invoice(
    read: Reading, found: shapes.Invoice, moment: Moment, failed: bool, past: bool = False
) -> None:
    """What an invoice brought or failed to bring; `failed`: its event says so, at `moment`.

    `past`: a list shows it, and no event may tell of a failure any more. The first is then booked
    at the first try, when the invoice was finalized.
    """
    currency = _currency(found.currency, found.id)
    status = found.status or ""
    if status == "draft" or not status:
        read.unknown["invoice.draft"] += 1
        return
    if found.lines and found.lines.has_more and read.many:
        raise Waits(frozenset({Want("lines", found.id)}))
    shares = shares_of(read, found)
    _payment(read, found, currency, shares, moment, failed)
    times = found.status_transitions or shapes.Moments()
    about = {
        "country": found.customer_address.country if found.customer_address else None,
        "invoice": found.id,
        "subscription_id": subscription_of(found),
        "email": (found.customer_email or "").lower(),  # who is left out is known by it
    }
    actor = id_of(found.customer)
    tried = past and found.attempt_count > (1 if status == "paid" else 0)
    if tried or (failed and found.attempt_count <= 1):
        # The number of tries, not the object's state, tells the first failure from later ones.
        at = (times.finalized_at or found.created) if tried else moment.at // MICROS
        for product, part, plan in split(found.amount_due, shares):
            value = units.major(part, currency)
            read.add(
                "payment_failed",
                f"{found.id}:failed",
                at,
                product=product,
                value=value,
                currency=currency,
                actor=actor,
                plan=plan,
                reconstructed=tried or None,
                **about,
            )
    if status != "paid" or times.paid_at is None or found.amount_paid <= 0:
        return
    for product, part, plan in split(found.amount_paid - _tax_paid(found), shares):
        value = units.major(part, currency)
        said = {**about, "plan": plan}
        read.add(
            "revenue",
            f"{found.id}:paid",
            times.paid_at,
            product=product,
            value=value,
            currency=currency,
            actor=actor,
            **said,
        )
        if found.attempt_count > 1:
            read.add(
                "payment_recovered",
                f"{found.id}:recovered",
                times.paid_at,
                product=product,
                value=value,
                currency=currency,
                actor=actor,
                **said,
            )


def refund(read: Reading, found: shapes.Refund) -> None:
    """Money given back, on its own day; one that is not through yet is counted and waits.

    One that failed after its money had left stays, and is taken back on the day that it came again.
    """
    currency = _currency(found.currency, found.id)
    left = found.status in ("succeeded", None)
    if not left and not (found.status == "failed" and found.balance_transaction):
        read.unknown[f"refund.{found.status}"] += 1
        return
    shares, actor, about = _traced(read, found.charge, found.payment_intent, found.metadata)
    for product, part, plan in split(found.amount, shares):
        read.add(
            "refund",
            found.id,
            found.created,
            product=product,
            value=units.major(part, currency),
            currency=currency,
            actor=actor,
            plan=plan,
            reason=found.reason or "",
            **about,
        )
    paid = read.extra.invoices.get(id_of(found.charge) or id_of(found.payment_intent))
    if paid is not None:
        _of_subscription(read, found, paid, currency)


def _of_subscription(
    read: Reading, found: shapes.Refund, paid: shapes.Invoice, currency: str
) -> None:
    """The same for counting rules by which refunds change MRR: which time was given back.

    Prorations name no time that was paid as a whole.
    """
    customer, subscription = id_of(paid.customer), subscription_of(paid)
    if not customer or not subscription:
        return
    amount = units.whole(found.amount, currency)
    failed = ((-amount, "failed"),) if found.status == "failed" else ()
    for part, order in ((amount, ""), *failed):
        read.records.append(
            billing.Refund(
                source=read.source,
                id=found.id,
                at=found.created * MICROS,
                order=order,
                customer=customer,
                subscription=subscription,
                invoice=paid.id,
                amount=part,
                paid=units.whole(paid.amount_paid, currency),
                currency=currency,
                spans=tuple(sorted(set(_charged(paid)))),
            )
        )


def _charged(found: shapes.Invoice) -> Iterator[tuple[str, int, int]]:
    """The items that the invoice charges for, each with its time; '' where not all are here."""
    whole = not (found.lines and found.lines.has_more)
    for line in found.lines.data if found.lines else ():
        own = line.parent.subscription_item_details if line.parent else None
        item = own.subscription_item if own else line.subscription_item
        prorated = own.proration if own else line.proration
        span = line.period
        if item and not prorated and span and span.start is not None and span.end is not None:
            yield item if whole else "", span.start * MICROS, span.end * MICROS


def dispute(read: Reading, found: shapes.Dispute) -> None:
    """Money that a bank took back, and money that came again when the dispute was won."""
    currency = _currency(found.currency, found.id)
    moved = found.balance_transactions or ()
    taken = next((one for one in moved if one.amount < 0), None)
    given = next((one for one in moved if one.amount > 0), None)
    if taken is None:
        read.unknown["dispute without money"] += 1
        return
    shares, actor, about = _traced(read, found.charge, found.payment_intent, found.metadata)
    for product, part, plan in split(found.amount, shares):
        value = units.major(part, currency)
        for kind, key, how in (
            ("refund", "withdrawn", taken),
            ("revenue", "reinstated", given),
        ):
            if how is not None:
                read.add(
                    kind,
                    f"{found.id}:{key}",
                    how.created,
                    product=product,
                    value=value,
                    currency=currency,
                    actor=actor,
                    plan=plan,
                    reason="dispute",
                    **about,
                )


def balance(read: Reading, found: shapes.BalanceTransaction) -> None:
    """One movement of the account's balance, and the fee in it."""
    currency = _currency(found.currency, found.id)
    source = id_of(found.source)
    # Not traced to an invoice: three questions for each charge of years would take days.
    own = found.source.metadata if isinstance(found.source, shapes.Named) else None
    product = read.product((), own)
    presented, presented_currency = _presented(found)
    read.records.append(
        billing.Cash(
            source=read.source,
            id=found.id,
            at=found.created * MICROS,
            kind=found.reporting_category or found.type,
            amount=units.whole(found.amount, currency),
            fee=units.whole(found.fee, currency),
            net=units.whole(found.net, currency),
            currency=currency,
            cause=source,
            product=product,
            presented=presented,
            presented_currency=presented_currency,
        )
    )
    if "refund_failure" in (found.reporting_category, found.type):
        _returned(read, found, currency)
    fee = found.fee
    if found.type in ("stripe_fee", "stripe_fx_fee", "tax_fee") and found.amount < 0:
        fee -= found.amount
    if fee < 0:
        read.doubt("fee_given_back", found.id)
    elif fee > 0:
        read.add(
            "fee",
            f"{found.id}:fee",
            found.created,
            product=product,
            value=units.major(fee, currency),
            currency=currency,
            charge=source,
            email=_email(found.source).lower(),
            customer=id_of(found.source.customer) if isinstance(found.source, shapes.Named) else "",
        )


def _returned(read: Reading, found: shapes.BalanceTransaction, currency: str) -> None:
    """The money of a refund that failed has come back: its balance transaction says when.

    Only an expanded refund says of which charge it is and what it was in the customer's currency.
    """
    of = found.source if isinstance(found.source, shapes.Named) else shapes.Named(id=found.id)
    amount, known = found.amount, units.known(of.currency or "")
    if of.amount is not None and known is not None:
        amount, currency = of.amount, known
    shares, actor, about = _traced(read, of.charge, of.payment_intent, of.metadata)
    for product, part, plan in split(amount, shares):
        read.add(
            "refund",
            f"{id_of(found.source) or found.id}:failed",
            found.created,
            product=product,
            value=-units.major(part, currency),
            currency=currency,
            actor=actor,
            plan=plan,
            reason="refund_failed",
            **about,
        )


def _presented(found: shapes.BalanceTransaction) -> tuple[int | None, str]:
    """The amount before Stripe changed it into the account's currency, where it did."""
    of = found.source
    if not isinstance(of, shapes.Named) or not of.currency or of.amount is None:
        return None, ""
    currency = units.known(of.currency)
    if currency is None or currency == units.known(found.currency):
        return None, ""
    amount = of.amount if of.amount_captured is None else of.amount_captured
    return units.whole(amount if found.amount > 0 else -amount, currency), currency


def shares_of(read: Reading, found: shapes.Invoice) -> dict[str, Share]:
    """How an invoice is shared by products: by what each line asks for, less tax and discounts."""
    weights: dict[str, int] = {}
    plans: dict[str, tuple[int, str]] = {}
    details = found.parent.subscription_details if found.parent else None
    of_subscription = details.metadata if details else None
    for line in found.lines.data if found.lines else ():
        price, vendor = price_of(line)
        product = read.product((price, vendor), line.metadata, of_subscription, found.metadata)
        weight = max(0, net_of(line))
        weights[product] = weights.get(product, 0) + weight
        plan = (weight, read.plan(price, vendor))
        if plan[1] and plan > plans.get(product, (-1, "")):
            plans[product] = plan
    if not weights:
        weights = {read.product((), of_subscription, found.metadata): 1}
    return {
        product: Share(weight, plans.get(product, (0, ""))[1])
        for product, weight in weights.items()
    }


def split(amount: int, shares: Mapping[str, Share]) -> list[tuple[str, int, str]]:
    """An amount by product in whole minor units that add up: largest remainders get the rest."""
    total = sum(share.weight for share in shares.values())
    if total <= 0:
        first = min(shares)
        return [(first, amount, shares[first].plan)]
    parts = {name: amount * share.weight // total for name, share in shares.items()}
    rests = sorted(shares, key=lambda name: (-(amount * shares[name].weight % total), name))
    for name in rests[: amount - sum(parts.values())]:
        parts[name] += 1
    return [(name, part, shares[name].plan) for name, part in sorted(parts.items()) if part]


def net_of(line: shapes.Line) -> int:
    """What a line asks for, less its discounts and the tax within it."""
    taxes = line.taxes or line.tax_amounts or ()
    within = sum(tax.amount for tax in taxes if tax.within)
    return line.amount - sum(one.amount for one in line.discount_amounts or ()) - within


def price_of(line: shapes.Line) -> tuple[str, str]:
    """The ids of the price and of Stripe's product that a line charges, or ''."""
    details = line.pricing.price_details if line.pricing else None
    if details is not None:
        return id_of(details.price), id_of(details.product)
    older = line.price or (line.plan.as_price() if line.plan else None)
    return (older.id, id_of(older.product)) if older else ("", "")


def known_price(read: Reading, line: shapes.Line) -> shapes.Price | None:
    """The price that a line charges, where it is known: read for it, or told with the line."""
    price, _ = price_of(line)
    older = line.plan.as_price() if line.plan else None
    return read.extra.prices.get(price) or line.price or older


def metered(read: Reading, line: shapes.Line) -> bool:
    """Whether a line charges for use, as far as its price is known."""
    known = known_price(read, line)
    return bool(known and known.recurring and known.recurring.usage_type == "metered")


def subscription_of(found: shapes.Invoice) -> str:
    """The subscription that an invoice is for, or ''."""
    details = found.parent.subscription_details if found.parent else None
    return id_of(details.subscription if details else found.subscription)


def tax_of(found: shapes.Invoice) -> int:
    """All tax of an invoice, within its prices or on top."""
    taxes = found.total_taxes or found.total_tax_amounts
    return sum(tax.amount for tax in taxes) if taxes else found.tax or 0


def _tax_paid(found: shapes.Invoice) -> int:
    """The tax in what was paid: in proportion where not all was paid in money."""
    tax = tax_of(found)
    if found.total <= 0 or found.amount_paid == found.total:
        return min(tax, found.amount_paid)
    share = Decimal(tax) * found.amount_paid / found.total
    return min(int(share.to_integral_value()), found.amount_paid)


def _payment(
    read: Reading,
    found: shapes.Invoice,
    currency: str,
    shares: Mapping[str, Share],
    moment: Moment,
    failed: bool,
) -> None:
    """How collecting the invoice stands, from the moment that its own dates give."""
    times = found.status_transitions or shapes.Moments()
    first_failed = moment.at if failed and found.attempt_count <= 1 else None
    dates = {
        "paid": times.paid_at,
        "void": times.voided_at,
        "uncollectible": times.marked_uncollectible_at,
    }
    status = found.status if found.status in dates else "open"
    at = dates.get(status or "open") or times.finalized_at or found.created
    order = {"open": "0", "uncollectible": "2", "void": "3", "paid": "4"}[status or "open"]
    if failed and status == "open":
        at, order = moment.at // MICROS, "1"
    read.records.append(
        billing.Payment(
            source=read.source,
            id=found.id,
            at=at * MICROS,
            order=order,
            customer=id_of(found.customer),
            subscription=subscription_of(found),
            product=max(shares, key=lambda name: (shares[name].weight, name)),
            currency=currency,
            due=units.whole(found.amount_due, currency),
            paid=units.whole(found.amount_paid, currency),
            tax=units.whole(tax_of(found), currency),
            status=cast(_Status, status or "open"),
            first_failed=first_failed if status == "open" else None,
            paid_at=micros(times.paid_at),
            period_start=micros(found.period_start),
            period_end=micros(found.period_end),
            usage=tuple(_usage(read, found, currency)),
        )
    )


def _usage(read: Reading, found: shapes.Invoice, currency: str) -> Iterator[billing.Usage]:
    """What the invoice charges for use: subscription lines whose time was over when it was made.

    All other prices are charged ahead. So a webhook, which names a price and no more, and a list
    with all prices say the same.
    """
    details = found.parent.subscription_details if found.parent else None
    of_subscription = details.metadata if details else None
    for line in found.lines.data if found.lines else ():
        amount, span = net_of(line), line.period
        if amount <= 0 or span is None or span.start is None or span.end is None:
            continue
        own = line.parent.subscription_item_details if line.parent else None
        item = own.subscription_item if own else line.subscription_item
        prorated = own.proration if own else line.proration
        if item and not prorated and span.start < span.end <= found.created:
            named = (line.metadata, of_subscription, found.metadata)
            yield billing.Usage(
                product=read.product(price_of(line), *named),
                amount=units.whole(amount, currency),
                end=span.end * MICROS,
            )


class _Traced(NamedTuple):
    """What is behind a charge: the invoice it paid, with its products and customer."""

    shares: Mapping[str, Share]
    actor: str
    about: dict[str, str]


def _traced(
    read: Reading,
    charge: shapes.Reference,
    intent: shapes.Reference,
    metadata: shapes.Metadata,
) -> _Traced:
    """Who paid and for what: neither a refund nor a dispute says it itself."""
    name, extra = id_of(charge) or id_of(intent), read.extra
    if name and name not in extra.invoices:
        raise Waits(frozenset({Want("invoice", name, id_of(intent))}))
    about = {"charge": id_of(charge)}
    paid = extra.invoices.get(name)
    if paid is not None:
        about |= {"invoice": paid.id, "email": (paid.customer_email or "").lower()}
        return _Traced(shares_of(read, paid), id_of(paid.customer), about)
    if isinstance(charge, str) and charge not in extra.charges:
        raise Waits(frozenset({Want("charge", charge)}))
    whole = extra.charges.get(charge) if isinstance(charge, str) else charge
    own = whole.metadata if whole else None
    shares = {read.product((), metadata, own): Share(1, "")}
    about["email"] = _email(whole).lower()
    return _Traced(shares, id_of(whole.customer) if whole else "", about)


def _email(charge: shapes.Reference) -> str:
    if not isinstance(charge, shapes.Named):
        return ""
    details = charge.billing_details
    return (details and details.email) or charge.receipt_email or ""


def _currency(code: str, of: str) -> str:
    known = units.known(code)
    if known is None:
        raise Unusable("unknown_currency", f"{of} is in '{code}', which is no known currency.")
    return known
