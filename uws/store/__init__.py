"""The job store: every job, its parameters, results and chunks, in a SQL database.

All SQL of the server is here. The store is the truth about jobs: what the queue or a process
forgets is recovered from it.
"""

from uws.store.database import store_file
from uws.store.jobs import JobStore, open_store

__all__ = ["JobStore", "open_store", "store_file"]
