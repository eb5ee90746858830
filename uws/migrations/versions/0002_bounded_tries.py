"""How often a chunk's tries were counted anew, and when a step was begun."""

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uws_chunks", sa.Column("resets", sa.Integer, nullable=False, server_default="0"))
    op.add_column("uws_steps", sa.Column("begun_time", UtcTime))


def downgrade() -> None:
    op.drop_column("uws_steps", "begun_time")
    op.drop_column("uws_chunks", "resets")
