"""Plans that were proposed in rooms: who asked, what the card says, who said yes, what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "community", "number"),
    )


def downgrade() -> None:
    op.drop_table("proposals")
