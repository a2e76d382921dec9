"""Keys of web pages: the sites that they are bound to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column("keys", sa.Column("origins", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("keys", "origins")
