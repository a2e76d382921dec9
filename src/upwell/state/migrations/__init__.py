"""Alembic migrations, run by `State.open`."""
