"""What a job leaves behind: the tree of files, the record of every row, the archive.

`rows` (a row from plan to outcome), `tree` (where each file lies), `columns` (what columns are
called), `summary`, `manifest`, `positions` and `events` (one streaming writer each: memory does not
grow with the job), `archive`.
"""
