"""Cases, the buttons on their cards, and sealed evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("opened_ms", sa.Integer(), nullable=False),
        sa.Column("closed_ms", sa.Integer()),
        sa.PrimaryKeyConstraint("homeserver", "id"),
    )
    op.create_table(
        "buttons",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("duty", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.Integer(), nullable=False),
        sa.Column("used_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "room_id", "event_id", "key"),
    )
    op.create_table(
        "evidence",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("of_event", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "event_id"),
    )
    op.create_index("evidence_case", "evidence", ["case_id"])
    op.create_table(
        "evidence_reads",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "source"),
    )


def downgrade() -> None:
    for table in ("evidence_reads", "evidence", "buttons", "cases"):
        op.drop_table(table)
