"""Who plays in the demo company: twelve products, each with a character, and what happened to them.

Levels are a day or a month at scale 1. Everything here is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rhythm = Literal["office", "desk", "shifts", "home", "school", "machine"]
"""How a week and a day of use look; `rhythm.py` holds the curves."""

Season = Literal["office", "january", "school", "new_year", "none"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One price of a product: a month, per seat where `seats` is more than 1, in whole units."""

    name: str
    share: float  # of new customers
    price: int
    churn: float  # share of its customers lost a month
    seats: float = 1.0  # mean number bought; 1 is a flat price
    yearly: float = 0.08  # share of customers who pay ten months for a year at once
    was: int | None = None  # the price before the product's price rise
    prices: tuple[tuple[str, int], ...] = ()  # price list in other currencies


@dataclass(frozen=True, slots=True)
class Product:
    """One product: what it is, how big it is, and how its users behave."""

    id: str
    name: str
    character: str
    rhythm: Rhythm
    season: Season
    signups: tuple[float, float]  # a day: 24 months ago, now
    customers: int  # paying, 24 months ago
    activation: float  # share of signups that activate
    conversion: float  # share of signups that come to pay
    trial: float  # share of signups that start a trial
    paid_use: float  # chance that a paying user is active on a good day
    free_use: float  # the same for a free user in the first days
    stays: float  # share of activated free users who make it a habit
    plans: tuple[Plan, ...]
    countries: tuple[tuple[str, float], ...]
    channels: tuple[tuple[str, float], ...]
    actions: tuple[tuple[str, float], ...]
    paths: tuple[str, ...]
    tracked: int  # days before now since the browser SDK reports page views and actions
    fading: float = 1.0  # churn now, as a multiple of churn 24 months ago
    born: int | None = None  # days before now of its launch, if within the history
    people: bool = False  # customers are persons, not companies


@dataclass(frozen=True, slots=True)
class Launch:
    """A dated change of one product and what it did to its signups."""

    product: str
    title: str
    days_ago: int  # at least; the Tuesday on or before it
    lift: float = 1.0  # signups on the day, as a multiple of the day before
    fades: float = 14.0  # days until most of the lift is gone
    lasting: float = 1.0  # what remains
    churn: float = 1.0  # churn in the month after, as a multiple
    prices: bool = False  # from this day the plans' new prices are paid


@dataclass(frozen=True, slots=True)
class Outage:
    """Some hours of one working day in which several products could hardly be used."""

    title: str
    days_ago: int  # at least; the Tuesday on or before it
    opens: int  # seconds after local midnight
    closes: int
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Company:
    """The demo company; hashable, so that what is worked out from it can be kept."""

    seed: int
    name: str
    timezone: str
    currency: str
    products: tuple[Product, ...]
    launches: tuple[Launch, ...]
    outage: Outage
    burst: str = "mail"  # the product that loses customers while you watch
    always_on: str = "relay"  # the product whose customers are machines
    apart: str = "rota"  # the product that came with an account of its own at the billing system

    def product(self, id: str) -> Product:
        """The product of that id; raises KeyError where there is none."""
        for product in self.products:
            if product.id == id:
                return product
        raise KeyError(id)


_WORLD = (("US", 0.46), ("GB", 0.14), ("DE", 0.10), ("CA", 0.08), ("FR", 0.06), ("AU", 0.06))
_ENGLISH = (*_WORLD, ("IN", 0.06), ("NL", 0.04))
_TECH = (("US", 0.40), ("DE", 0.13), ("GB", 0.12), ("IN", 0.12), ("JP", 0.09), ("NL", 0.07))
_EUROPE = (("DE", 0.30), ("GB", 0.27), ("JP", 0.18), ("FR", 0.13), ("NL", 0.07), ("ES", 0.05))
_GERMANY_TOO = (("US", 0.42), ("DE", 0.20), ("GB", 0.15), ("FR", 0.09), ("NL", 0.08), ("CA", 0.06))

_SEARCHED = (("organic", 0.48), ("paid", 0.24), ("referral", 0.18), ("partner", 0.10))
_SOLD = (("organic", 0.30), ("paid", 0.22), ("partner", 0.30), ("referral", 0.18))
_SHARED = (("referral", 0.46), ("organic", 0.38), ("paid", 0.12), ("social", 0.04))
_BOUGHT = (("paid", 0.40), ("organic", 0.26), ("social", 0.24), ("referral", 0.10))

_MAIL = Product(
    id="mail",
    name="Mail",
    character="Shared inbox for small teams. The oldest product: flat, profitable, calm.",
    rhythm="office",
    season="office",
    signups=(6.0, 5.8),
    customers=350,
    activation=0.46,
    conversion=0.062,
    trial=0.0,
    paid_use=0.28,
    free_use=0.30,
    stays=0.06,
    plans=(
        Plan("starter", 0.60, 19, 0.027),
        Plan("team", 0.34, 9, 0.019, seats=7),
        Plan("enterprise", 0.06, 14, 0.008, seats=38, yearly=0.0),
    ),
    countries=_GERMANY_TOO,
    channels=_SEARCHED,
    actions=(
        ("reply_sent", 0.46),
        ("conversation_assigned", 0.24),
        ("tag_added", 0.18),
        ("rule_created", 0.12),
    ),
    paths=("/inbox", "/inbox/assigned", "/search", "/rules", "/settings"),
    tracked=84,
)
_DOCS = Product(
    id="docs",
    name="Docs",
    character="Team wiki that grows steadily; a relaunch five months ago brought a second wind.",
    rhythm="office",
    season="office",
    signups=(4.4, 7.6),
    customers=92,
    activation=0.41,
    conversion=0.052,
    trial=0.0,
    paid_use=0.27,
    free_use=0.32,
    stays=0.10,
    plans=(
        Plan("starter", 0.50, 12, 0.038),
        Plan("team", 0.42, 8, 0.024, seats=9),
        Plan("enterprise", 0.08, 12, 0.010, seats=46, yearly=0.05),
    ),
    countries=_ENGLISH,
    channels=_SHARED,
    actions=(
        ("page_edited", 0.52),
        ("comment_added", 0.26),
        ("page_shared", 0.14),
        ("space_created", 0.08),
    ),
    paths=("/home", "/page", "/page/edit", "/search", "/spaces"),
    tracked=82,
)
_DESK = Product(
    id="desk",
    name="Desk",
    character="Help desk sold to companies: trials, few signups, large invoices, dead on weekends.",
    rhythm="desk",
    season="office",
    signups=(2.7, 3.3),
    customers=98,
    activation=0.52,
    conversion=0.088,
    trial=0.58,
    paid_use=0.38,
    free_use=0.36,
    stays=0.01,
    plans=(
        Plan("starter", 0.36, 55, 0.034, was=49),
        Plan("team", 0.50, 32, 0.022, seats=8, was=29),
        Plan("enterprise", 0.14, 54, 0.010, seats=26, yearly=0.15, was=49),
    ),
    countries=_ENGLISH,
    channels=_SOLD,
    actions=(
        ("ticket_answered", 0.55),
        ("ticket_closed", 0.27),
        ("macro_used", 0.13),
        ("report_shared", 0.05),
    ),
    paths=("/tickets", "/tickets/mine", "/ticket", "/reports", "/team"),
    tracked=80,
)
_BOOKS = Product(
    id="books",
    name="Books",
    character="Bookkeeping on yearly plans: most customers join and renew in January.",
    rhythm="office",
    season="january",
    signups=(2.8, 3.2),
    customers=168,
    activation=0.50,
    conversion=0.082,
    trial=0.46,
    paid_use=0.17,
    free_use=0.22,
    stays=0.02,
    plans=(
        Plan("starter", 0.68, 19, 0.024, yearly=0.92),
        Plan("team", 0.32, 39, 0.018, yearly=0.95),
    ),
    countries=(("US", 0.62), ("CA", 0.16), ("GB", 0.14), ("AU", 0.08)),
    channels=_SOLD,
    actions=(
        ("invoice_created", 0.42),
        ("receipt_matched", 0.36),
        ("report_shared", 0.14),
        ("year_closed", 0.08),
    ),
    paths=("/ledger", "/invoices", "/receipts", "/reports", "/close"),
    tracked=78,
)
_FORMS = Product(
    id="forms",
    name="Forms",
    character="Online forms, free for nearly everybody: many signups, few of them ever pay.",
    rhythm="office",
    season="office",
    signups=(11.0, 15.0),
    customers=42,
    activation=0.55,
    conversion=0.011,
    trial=0.0,
    paid_use=0.22,
    free_use=0.24,
    stays=0.065,
    plans=(Plan("starter", 0.74, 15, 0.050), Plan("team", 0.26, 39, 0.034, yearly=0.2)),
    countries=(*_WORLD, ("BR", 0.06), ("IN", 0.04)),
    channels=_SHARED,
    actions=(
        ("form_published", 0.30),
        ("answers_viewed", 0.44),
        ("form_edited", 0.20),
        ("export_made", 0.06),
    ),
    paths=("/forms", "/form/edit", "/form/answers", "/templates", "/pricing"),
    tracked=76,
)
_SIGN = Product(
    id="sign",
    name="Sign",
    character="Signatures; small for years, growing fast since team signing came four months ago.",
    rhythm="office",
    season="office",
    signups=(2.2, 2.9),
    customers=48,
    activation=0.48,
    conversion=0.074,
    trial=0.34,
    paid_use=0.18,
    free_use=0.26,
    stays=0.03,
    plans=(
        Plan("starter", 0.58, 15, 0.036),
        Plan("team", 0.36, 12, 0.022, seats=6),
        Plan("enterprise", 0.06, 18, 0.010, seats=30, yearly=0.0),
    ),
    countries=_ENGLISH,
    channels=_BOUGHT,
    actions=(
        ("document_sent", 0.48),
        ("document_signed", 0.34),
        ("template_saved", 0.12),
        ("reminder_sent", 0.06),
    ),
    paths=("/documents", "/document/new", "/document", "/templates", "/contacts"),
    tracked=74,
)
_ROTA = Product(
    id="rota",
    name="Rota",
    character="Shift planning for shops and kitchens, priced in euros, pounds and yen.",
    rhythm="shifts",
    season="none",
    signups=(2.7, 3.5),
    customers=86,
    activation=0.47,
    conversion=0.078,
    trial=0.50,
    paid_use=0.28,
    free_use=0.30,
    stays=0.02,
    plans=(
        Plan("starter", 0.55, 32, 0.038, prices=(("EUR", 29), ("GBP", 25), ("JPY", 4500))),
        Plan("team", 0.37, 86, 0.026, prices=(("EUR", 79), ("GBP", 69), ("JPY", 12000))),
        Plan("enterprise", 0.08, 269, 0.012, prices=(("EUR", 249), ("GBP", 219), ("JPY", 38000))),
    ),
    countries=_EUROPE,
    channels=_SEARCHED,
    actions=(
        ("shift_planned", 0.50),
        ("shift_swapped", 0.28),
        ("hours_approved", 0.16),
        ("rota_published", 0.06),
    ),
    paths=("/week", "/week/edit", "/people", "/hours", "/settings"),
    tracked=72,
)
_LESSONS = Product(
    id="lessons",
    name="Lessons",
    character="Worksheets for teachers: fills in September, empties in July, breathes with terms.",
    rhythm="school",
    season="school",
    signups=(4.4, 5.0),
    customers=112,
    activation=0.44,
    conversion=0.050,
    trial=0.0,
    paid_use=0.28,
    free_use=0.30,
    stays=0.05,
    plans=(Plan("starter", 0.72, 9, 0.050, yearly=0.12), Plan("team", 0.28, 24, 0.036, yearly=0.3)),
    countries=(("US", 0.58), ("GB", 0.20), ("CA", 0.12), ("AU", 0.10)),
    channels=(("organic", 0.52), ("referral", 0.34), ("social", 0.10), ("paid", 0.04)),
    actions=(
        ("worksheet_made", 0.44),
        ("worksheet_printed", 0.34),
        ("class_shared", 0.16),
        ("answers_graded", 0.06),
    ),
    paths=("/library", "/worksheet", "/worksheet/edit", "/classes", "/print"),
    tracked=70,
)
_PURSE = Product(
    id="purse",
    name="Purse",
    character="Household budgets for people at home: evenings, weekends, New Year's resolutions.",
    rhythm="home",
    season="new_year",
    signups=(7.2, 8.4),
    customers=176,
    activation=0.42,
    conversion=0.034,
    trial=0.0,
    paid_use=0.19,
    free_use=0.24,
    stays=0.05,
    plans=(Plan("plus", 0.70, 6, 0.046, yearly=0.34), Plan("family", 0.30, 10, 0.034, yearly=0.4)),
    countries=(("US", 0.60), ("CA", 0.14), ("GB", 0.14), ("AU", 0.12)),
    channels=_BOUGHT,
    actions=(
        ("expense_added", 0.58),
        ("budget_set", 0.16),
        ("goal_updated", 0.14),
        ("account_linked", 0.12),
    ),
    paths=("/today", "/budget", "/expenses", "/goals", "/accounts"),
    tracked=68,
    people=True,
)
_CHAT = Product(
    id="chat",
    name="Chat",
    character="Team messenger that the market has left behind: fewer signups, rising churn.",
    rhythm="office",
    season="office",
    signups=(5.8, 2.4),
    customers=232,
    activation=0.43,
    conversion=0.036,
    trial=0.0,
    paid_use=0.31,
    free_use=0.32,
    stays=0.05,
    plans=(
        Plan("starter", 0.56, 15, 0.038),
        Plan("team", 0.40, 4, 0.028, seats=12),
        Plan("enterprise", 0.04, 6, 0.014, seats=50, yearly=0.0),
    ),
    countries=_ENGLISH,
    channels=_SEARCHED,
    actions=(
        ("message_sent", 0.66),
        ("channel_opened", 0.20),
        ("file_shared", 0.10),
        ("call_started", 0.04),
    ),
    paths=("/channels", "/channel", "/direct", "/search", "/files"),
    tracked=66,
    fading=1.45,
)
_PULSE = Product(
    id="pulse",
    name="Pulse",
    character="Staff surveys, launched nine months ago: a loud start, then its own slow climb.",
    rhythm="desk",
    season="office",
    signups=(2.0, 4.2),
    customers=0,
    activation=0.50,
    conversion=0.054,
    trial=0.55,
    paid_use=0.21,
    free_use=0.30,
    stays=0.02,
    plans=(Plan("team", 0.80, 99, 0.034), Plan("enterprise", 0.20, 390, 0.014, yearly=0.3)),
    countries=_ENGLISH,
    channels=_SOLD,
    actions=(
        ("survey_sent", 0.34),
        ("results_viewed", 0.40),
        ("report_shared", 0.18),
        ("question_added", 0.08),
    ),
    paths=("/surveys", "/survey/edit", "/results", "/people", "/reports"),
    tracked=63,
    born=274,
)
_RELAY = Product(
    id="relay",
    name="Relay",
    character="Webhook delivery for developers: machines are its users, at night and on Sundays.",
    rhythm="machine",
    season="none",
    signups=(2.9, 4.0),
    customers=68,
    activation=0.45,
    conversion=0.052,
    trial=0.0,
    paid_use=0.20,
    free_use=0.26,
    stays=0.03,
    plans=(
        Plan("starter", 0.48, 49, 0.032),
        Plan("team", 0.38, 199, 0.019),
        Plan("enterprise", 0.14, 990, 0.008, yearly=0.25),
    ),
    countries=_TECH,
    channels=(("organic", 0.56), ("referral", 0.22), ("partner", 0.14), ("paid", 0.08)),
    actions=(
        ("webhook_delivered", 0.84),
        ("webhook_retried", 0.11),
        ("log_searched", 0.04),
        ("endpoint_added", 0.01),
    ),
    paths=("/endpoints", "/deliveries", "/logs", "/keys", "/usage"),
    tracked=61,
)

PRODUCTS = (
    _MAIL,
    _DOCS,
    _DESK,
    _BOOKS,
    _FORMS,
    _SIGN,
    _ROTA,
    _LESSONS,
    _PURSE,
    _CHAT,
    _PULSE,
    _RELAY,
)
LAUNCHES = (
    Launch("pulse", "Pulse launched", 274, lift=7.0, fades=11),
    Launch("desk", "Desk: new prices", 201, churn=1.7, prices=True),
    Launch("docs", "Docs 3 released", 152, lift=2.6, fades=16, lasting=1.30),
    Launch("sign", "Team signing in Sign", 124, lift=2.2, fades=30, lasting=2.9),
    Launch("forms", "Form templates", 33, lift=1.9, fades=9, lasting=1.12),
)
OUTAGE = Outage(
    title="Sign-in service down for seven hours",
    days_ago=37,
    opens=8 * 3600 + 40 * 60,
    closes=15 * 3600 + 50 * 60,
    products=("mail", "docs", "desk", "forms", "chat"),
)


def company(seed: int = 12) -> Company:
    """The demo company told from `seed`; the same seed tells the same story."""
    return Company(
        seed=seed,
        name="Quillmoor",
        timezone="America/New_York",
        currency="USD",
        products=PRODUCTS,
        launches=LAUNCHES,
        outage=OUTAGE,
    )
