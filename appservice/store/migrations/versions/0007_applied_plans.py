"""What was applied, with what was in force before it, so that it can be undone; policies that no threshold has passed yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applied_plans",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("community", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("policy", sa.LargeBinary()),
        sa.Column("policy_name", sa.String()),
        sa.Column("people", sa.LargeBinary()),
        sa.Column("people_name", sa.String()),
        sa.Column("undoes", sa.Integer()),
        sa.Column("undone_by", sa.Integer()),
        sa.PrimaryKeyConstraint("homeserver", "community", "number"),
    )
    op.add_column("in_force", sa.Column("unguarded", sa.Boolean()))


def downgrade() -> None:
    op.drop_column("in_force", "unguarded")
    op.drop_table("applied_plans")
