"""What was set in rooms: beside the policy in force, and beside each that was in force before a plan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("in_force", sa.Column("layers", sa.LargeBinary()))
    op.add_column("applied_plans", sa.Column("layers", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("applied_plans", "layers")
    op.drop_column("in_force", "layers")
