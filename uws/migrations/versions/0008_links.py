"""One table of links that hold a token, with their purpose, in place of two."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uws_links",
        sa.Column("id", sa.Text, nullable=False),
        _job_id(),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_time", UtcTime, nullable=False),
        sa.Column("about", UtcTime),
        sa.Column("used_time", UtcTime),
        _of_job("uws_links"),
        sa.PrimaryKeyConstraint("id", name="pk_uws_links"),
        sa.UniqueConstraint("digest", name="uq_uws_links_digest"),
    )
    op.create_index("ix_uws_links_job_id", "uws_links", ["job_id"])
    op.execute(
        "INSERT INTO uws_links (id, job_id, purpose, digest, created_time)"
        " SELECT id, job_id, 'share', token_hash, created_time FROM uws_shares"
    )
    # When a link of this kind was made was not recorded, and nobody asks for it.
    op.execute(
        sa.text(
            "INSERT INTO uws_links"
            " (id, job_id, purpose, digest, created_time, about, used_time)"
            " SELECT substr(digest, 1, 16), job_id, 'extend', digest, :now, about, used_time"
            " FROM uws_keeps"
        ).bindparams(sa.bindparam("now", datetime.now(UTC), UtcTime))
    )
    op.drop_table("uws_shares")
    op.drop_table("uws_keeps")


def downgrade() -> None:
    op.create_table(
        "uws_keeps",
        sa.Column("digest", sa.Text, nullable=False),
        _job_id(),
        sa.Column("about", UtcTime, nullable=False),
        sa.Column("used_time", UtcTime),
        _of_job("uws_keeps"),
        sa.PrimaryKeyConstraint("digest", name="pk_uws_keeps"),
    )
    op.create_index("ix_uws_keeps_job_id", "uws_keeps", ["job_id"])
    op.create_table(
        "uws_shares",
        sa.Column("id", sa.Text, primary_key=True),
        _job_id(),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("created_time", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["uws_jobs.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("token_hash", name="uq_uws_shares_token_hash"),
    )
    op.create_index("ix_uws_shares_job_id", "uws_shares", ["job_id"])
    op.execute(
        "INSERT INTO uws_keeps (digest, job_id, about, used_time)"
        " SELECT digest, job_id, about, used_time FROM uws_links WHERE purpose = 'extend'"
    )
    op.execute(
        "INSERT INTO uws_shares (id, job_id, token_hash, created_time)"
        " SELECT id, job_id, digest, created_time FROM uws_links WHERE purpose = 'share'"
    )
    op.drop_table("uws_links")


def _job_id() -> sa.Column[str]:
    return sa.Column("job_id", sa.Text, nullable=False)


def _of_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"], ["uws_jobs.id"], name=f"fk_{table}_uws_jobs", ondelete="CASCADE"
    )
