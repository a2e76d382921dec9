"""Upwell: real-time growth analytics for companies with many products."""

__version__ = "0.1.0"
