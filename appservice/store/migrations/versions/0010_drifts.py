"""What somebody changed by hand of what the policy says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drifts",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("grp", sa.String(), nullable=False),
        sa.Column("aspect", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("state_key", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("first_ms", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.Integer(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("done", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "event_id"),
    )
    op.create_index("drifts_last", "drifts", ["last_ms"])


def downgrade() -> None:
    op.drop_index("drifts_last", "drifts")
    op.drop_table("drifts")
