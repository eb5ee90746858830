"""The jobs completed last, and an owner's of one phase, by an index.

Chunks have a new state, `away`, which was `failed` before.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OF_OWNER = ("owner", "phase", "creation_time", "id")
_OF_PHASE = ("phase", "end_time")
_BEFORE = ("phase", "owner")


def _create(*columns: str) -> None:
    op.create_index(_name(columns), "uws_jobs", list(columns))


def _drop(*columns: str) -> None:
    op.drop_index(_name(columns), "uws_jobs")


def _name(columns: tuple[str, ...]) -> str:
    return f"ix_uws_jobs_{'_'.join(columns)}"


def upgrade() -> None:
    _create(*_OF_OWNER)
    _create(*_OF_PHASE)
    _drop(*_BEFORE)


def downgrade() -> None:
    _create(*_BEFORE)
    _drop(*_OF_PHASE)
    _drop(*_OF_OWNER)
    op.execute("UPDATE uws_chunks SET state = 'failed' WHERE state = 'away'")
