"""Links by which others see a job."""

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uws_shares",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column(
            "job_id", sa.Text, sa.ForeignKey("uws_jobs.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("created_time", UtcTime, nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_uws_shares_token_hash"),
    )
    op.create_index("ix_uws_shares_job_id", "uws_shares", ["job_id"])


def downgrade() -> None:
    op.drop_table("uws_shares")
