"""The job store: every job, its parameters, results and chunks, in a SQL database.

The one door to SQL, and the truth about jobs: what a queue or a process forgets is found here.
"""

from uws.store.jobs import JobStore, open_store

__all__ = ["JobStore", "open_store"]
