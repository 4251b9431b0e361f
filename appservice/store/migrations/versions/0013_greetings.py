"""What people were told of groups that they came into, so that nobody is told it at each return."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "greetings",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("grp", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver", "grp", "user_id"),
    )


def downgrade() -> None:
    op.drop_table("greetings")
