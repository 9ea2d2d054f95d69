"""The one place where a table's head moves, and what each way of failing there means."""

from __future__ import annotations

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Transaction

from catalog import failpoints
from catalog.errors import CommitConflict, CommitUnknown, UnsafeStore

SNAPSHOT_SEQ = "commit_seq"
"""Key in the summary of every snapshot of ours: the table's commit_seq when it was made."""
TURN = "beejan.turn"
"""The same of what is no plan's: which turn made it."""


def swap(transaction: Transaction, *, swapped: str | None = None, staged: str | None = None) -> None:
    """Let the head move to what the transaction staged, naming the two failpoints around that.

    Raises UnsafeStore for a transaction without a snapshot, which the catalog would not guard;
    CommitConflict when the head moved since it was loaded: nothing of ours is in the table;
    CommitUnknown for everything else.
    """
    if transaction.table_metadata.current_snapshot_id == transaction._table.metadata.current_snapshot_id:
        raise UnsafeStore("a commit that adds no snapshot is not guarded by the catalog")
    publish(transaction, swapped=swapped, staged=staged)


def publish(transaction: Transaction, *, swapped: str | None = None, staged: str | None = None) -> None:
    """As `swap`, for a change that needs no guard because making it late or twice is harmless."""
    try:
        if staged:
            failpoints.hit(staged)
        transaction.commit_transaction()
        if swapped:
            failpoints.hit(swapped)
    except (CommitFailedException, ValidationException) as error:
        raise CommitConflict(
            "another writer moved the table", hint="read the head and decide again"
        ) from error
    except Exception as error:
        # Whatever it is, even a warning turned into an error, the swap may have happened before it.
        raise CommitUnknown(
            "the swap's answer was lost",
            hint="reconnect and read commit_seq before repeating",
            cause=str(error) if isinstance(error, OSError) else type(error).__name__,
        ) from error
