"""Jobs, their parameters, results, steps and chunks.

The columns are written out once more here: a migration stays as it was when the tables change.
"""

import sqlalchemy as sa
from alembic import op

from uws.store.schema import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _of_job() -> "sa.Column[str]":
    return sa.Column("job_id", sa.Text, nullable=False)


def _constraints(table: str, *key: str) -> tuple[sa.Constraint, sa.Constraint]:
    return (
        sa.ForeignKeyConstraint(
            ["job_id"], ["uws_jobs.id"], name=f"fk_{table}_uws_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
    )


def _text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    _create_jobs()
    op.create_table(
        "uws_parameters",
        _of_job(),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("by_reference", sa.Boolean, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        *_constraints("uws_parameters", "job_id", "position"),
    )
    op.create_table(
        "uws_results",
        _of_job(),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger),
        sa.UniqueConstraint("job_id", "id", name="uq_uws_results_job_id_id"),
        *_constraints("uws_results", "job_id", "position"),
    )
    op.create_table(
        "uws_steps",
        _of_job(),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("lease_until", UtcTime),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sent_time", UtcTime),
        *_constraints("uws_steps", "job_id", "step"),
    )
    _create_chunks()
    op.create_table(
        "uws_remains",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("deleted_time", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_uws_remains"),
    )


def _create_jobs() -> None:
    op.create_table(
        "uws_jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("job_type", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("creation_time", UtcTime, nullable=False),
        sa.Column("destruction", UtcTime, nullable=False),
        sa.Column("execution_duration_s", sa.Integer, nullable=False),
        _text("run_id"),
        _text("url"),
        sa.Column("start_time", UtcTime),
        sa.Column("end_time", UtcTime),
        sa.Column("quote", UtcTime),
        sa.Column("error_message", sa.Text),
        sa.Column("error_kind", sa.Text),
        _text("error_detail"),
        _text("notes", "[]"),
        sa.Column("chunk_count", sa.Integer),
        sa.Column("chunks_left", sa.Integer, nullable=False, server_default="0"),
        _count("items_total"),
        _count("items_done"),
        _count("items_failed"),
        _count("size_bytes"),
        sa.PrimaryKeyConstraint("id", name="pk_uws_jobs"),
    )
    for columns in (("owner", "creation_time", "id", "phase"), ("phase", "owner")):
        op.create_index(f"ix_uws_jobs_{'_'.join(columns)}", "uws_jobs", list(columns))
    op.create_index("ix_uws_jobs_destruction", "uws_jobs", ["destruction"])


def _create_chunks() -> None:
    op.create_table(
        "uws_chunks",
        _of_job(),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("holder", sa.Text),
        sa.Column("lease_until", UtcTime),
        sa.Column("sent_time", UtcTime),
        sa.Column("report_done", sa.Integer),
        sa.Column("report_failed", sa.Integer),
        sa.Column("report_bytes", sa.BigInteger),
        sa.Column("report_detail", sa.Text),
        *_constraints("uws_chunks", "job_id", "number"),
    )
    for columns in (("job_id", "state", "number"), ("state", "sent_time")):
        op.create_index(f"ix_uws_chunks_{'_'.join(columns)}", "uws_chunks", list(columns))


def downgrade() -> None:
    for table in ("remains", "chunks", "steps", "results", "parameters", "jobs"):
        op.drop_table(f"uws_{table}")
