"""What rules in shadow would have done; evidence of messages that were not removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shadowed",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "event_id", "rule"),
    )
    op.add_column("evidence", sa.Column("stands", sa.Boolean()))


def downgrade() -> None:
    op.drop_column("evidence", "stands")
    op.drop_table("shadowed")
