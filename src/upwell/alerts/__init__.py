"""Alerts: what stands out, since when, because of whom, and who was told. Read decide.py first."""
