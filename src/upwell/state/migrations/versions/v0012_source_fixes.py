"""Sources: what to do about why one cannot be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column(
        "sources", sa.Column("fix", sa.Text(), nullable=False, server_default=sa.text("''"))
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_column("sources", "fix")
