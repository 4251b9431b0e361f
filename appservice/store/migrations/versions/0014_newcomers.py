"""Newcomers, and what they sent for reading."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "newcomers",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("grp", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "community", "grp", "user_id"),
    )
    op.create_table(
        "held_words",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("grp", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "id"),
    )


def downgrade() -> None:
    op.drop_table("held_words")
    op.drop_table("newcomers")
