"""What the events of sources look like, and which changes somebody has seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "source_shapes",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=1100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "event", name=op.f("pk_source_shapes")),
    )
    op.create_table(
        "drift_seen",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("id", sa.String(length=1200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_drift_seen")),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("drift_seen")
    op.drop_table("source_shapes")
