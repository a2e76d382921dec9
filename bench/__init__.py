"""Measurements, with the peers beside them in one run: `python -m bench --help`."""
