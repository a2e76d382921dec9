"""Why a metric may have no value, and what would give it one: said beside an empty answer."""

from __future__ import annotations

UNDEFINED: dict[str, str] = {
    "cac_payback": "It needs new customers in these dates and what was spent on winning them: "
    "send spend events, or a file of them.",
    "usage_run_rate": "It needs prices by use: it comes once an invoice has charged for some.",
    "ltv": "It needs churn: no customer was lost in the months before.",
    "asp": "Nobody became a customer in these dates.",
    "arpa": "There are no customers at the end of these dates.",
    "nrr": "Nobody paid long enough ago to compare with.",
    "grr": "Nobody paid long enough ago to compare with.",
    "quick_ratio": "Nothing was lost in these dates, so that there is nothing to divide by.",
    "customer_churn_rate": "There were no customers when these dates begin.",
    "gross_mrr_churn_rate": "There was no MRR when these dates begin.",
    "net_mrr_churn_rate": "There was no MRR when these dates begin.",
    "trial_conversion_rate": "No trial of these dates has come to its end.",
    "recovery_rate": "No payment that failed in these dates is settled yet.",
    "stickiness": "Nobody was active in the 30 days up to the end of these dates.",
}
"""By the name of the metric; other metrics are 0 where nothing happened."""
