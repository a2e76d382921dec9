"""Recurring revenue: MRR, its movements, rates, bridges, customers and cohorts, from the book."""

from upwell.query.revenue.answers import elapsed, movements
from upwell.query.revenue.ledgers import Ledgers

__all__ = ["Ledgers", "elapsed", "movements"]
