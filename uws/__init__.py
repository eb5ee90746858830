"""A UWS 1.1 server for any kind of job, on Flask, SQLAlchemy and RQ.

This page imports nothing. Start reading at `uws.models` (the values), then `uws.jobtype`
(what a job type must do) and `uws.service` (the verbs).
"""
