"""The work of jobs: steps, leases, the queue, the sweep."""
