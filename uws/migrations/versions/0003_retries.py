"""How often a chunk or step failed for the moment, and when it is to be tried again."""

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("uws_steps", "uws_chunks")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
        op.add_column(table, sa.Column("retry_time", UtcTime))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "retry_time")
        op.drop_column(table, "failures")
