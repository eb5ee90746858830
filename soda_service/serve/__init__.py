"""The embedded service: queue server, workers, web and sweeper as one tree of processes.

`supervisor.serve` starts, watches and stops them. `processes` forks a child so that it can never
outlive its parent. `queue_server`, `web` and `runtime_folder` each handle one part. This page
imports nothing.
"""
