"""Messages about jobs, to people and programs, and the links in them that keep a job."""

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uws_messages",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("about", UtcTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_time", UtcTime, nullable=False),
        sa.Column("due_time", UtcTime, nullable=False),
        _of_job("uws_messages"),
        sa.PrimaryKeyConstraint("job_id", "kind", "about", name="pk_uws_messages"),
    )
    columns = ("state", "kind", "due_time")
    op.create_index(f"ix_uws_messages_{'_'.join(columns)}", "uws_messages", list(columns))
    op.create_table(
        "uws_keeps",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("about", UtcTime, nullable=False),
        sa.Column("used_time", UtcTime),
        _of_job("uws_keeps"),
        sa.PrimaryKeyConstraint("digest", name="pk_uws_keeps"),
    )
    op.create_index("ix_uws_keeps_job_id", "uws_keeps", ["job_id"])


def _of_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"], ["uws_jobs.id"], name=f"fk_{table}_uws_jobs", ondelete="CASCADE"
    )


def downgrade() -> None:
    op.drop_table("uws_keeps")
    op.drop_table("uws_messages")
