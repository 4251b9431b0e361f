"""Who was let into a group by a person whose role may."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("grp", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "community", "grp", "user_id"),
    )


def downgrade() -> None:
    op.drop_table("approvals")
