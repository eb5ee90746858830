"""How many of a job's items were finished by planning."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("items_by_plan", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("uws_jobs", column)


def downgrade() -> None:
    op.drop_column("uws_jobs", "items_by_plan")
