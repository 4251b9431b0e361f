"""The first schema: journal, outbox, audit, projection, positions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "n"),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("heads", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "audit_names",
        sa.Column("commitment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("commitment"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "direct_rooms",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("reach", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "user_id"),
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("input_id", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("origin_ts", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("homeserver", "input_id"),
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index("journal_open", ["state"], unique=False, sqlite_where=sa.text("state != 'done'"))

    op.create_table(
        "members",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("membership", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "room_id", "user_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("merge_key", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("event_id", sa.String(), nullable=True),
        sa.Column("event_room", sa.String(), nullable=True),
        sa.Column("created_ms", sa.Integer(), nullable=False),
        sa.Column("settled_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("outbox_open", ["state"], unique=False, sqlite_where=sa.text("state = 'queued'"))
        batch_op.create_index("outbox_settled", ["settled_ms"], unique=False)
        batch_op.create_index(
            "outbox_merged", ["merged_into"], unique=False, sqlite_where=sa.text("merged_into IS NOT NULL")
        )

    op.create_table(
        "positions",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "name"),
    )
    op.create_table(
        "rooms",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "room_id"),
    )
    op.create_table(
        "set_aside",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("input_id", sa.String(), nullable=False),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "input_id", "handler"),
    )


def downgrade() -> None:
    op.drop_table("set_aside")
    op.drop_table("rooms")
    op.drop_table("positions")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("outbox_merged")
        batch_op.drop_index("outbox_settled")
        batch_op.drop_index("outbox_open", sqlite_where=sa.text("state = 'queued'"))

    op.drop_table("outbox")
    op.drop_table("members")
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.drop_index("journal_open", sqlite_where=sa.text("state != 'done'"))

    op.drop_table("journal")
    op.drop_table("direct_rooms")
    op.drop_table("audit_names")
    op.drop_table("audit_anchors")
    op.drop_table("audit")
