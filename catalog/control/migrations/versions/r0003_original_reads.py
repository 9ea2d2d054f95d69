"""Who read which event as it was received."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nobody was noted before."""
    op.create_table(
        "original_reads",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("read_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """What was noted is gone: keep a copy."""
    op.drop_table("original_reads")
