"""Quillmoor, the demo company: twelve products with 24 months of history and a running day.

A pure function of a seed and an instant; docs/decisions/demo-company.md says how it is told.

    quillmoor = company()
    for body in history(quillmoor, now): ...            # NDJSON, newest week first
    live(quillmoor, since, until, told=now)             # goes on where the history stopped
    sales(quillmoor, today, 1.0).deeds                  # what customers do at the billing system

*Levels.* Billing, signups and sessions exist for all 24 months: every product's own database
knows them. Page views and product actions exist since each product got the browser SDK, 61 to 84
days before now (`marks` has the dates); of the actions, history keeps about one a visit. Live,
the SDK reports each action, which is what makes the stream lively: they come from users already
active that day, so every counted number (revenue, signups, sessions, page views, active users)
runs at the rate of its history.
"""

from upwell.demo.cast import Company, Launch, Outage, Plan, Product, company
from upwell.demo.sales import burst, sales
from upwell.demo.stream import Mark, history, live, marks, total_events

__all__ = [
    "Company",
    "Launch",
    "Mark",
    "Outage",
    "Plan",
    "Product",
    "burst",
    "company",
    "history",
    "live",
    "marks",
    "sales",
    "total_events",
]
