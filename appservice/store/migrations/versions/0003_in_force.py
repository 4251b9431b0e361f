"""The policy that was applied last, with its people: it stays in force whatever becomes of the files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "in_force",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("policy", sa.LargeBinary(), nullable=False),
        sa.Column("policy_name", sa.String(), nullable=False),
        sa.Column("people", sa.LargeBinary(), nullable=False),
        sa.Column("people_name", sa.String(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("homeserver"),
    )


def downgrade() -> None:
    op.drop_table("in_force")
