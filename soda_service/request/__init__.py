"""What users may ask: the table of parameters, and text turned into frozen values.

`values` (what the rest of the service receives), `table` (PARAMETERS, each declared once),
`hints` (what a mistyped name may mean), `parsing` (text of one cell or parameter to a value),
`options` (release, job and row joined), `csvtext` (bytes to lines to cells), `header` and
`positions` (the positions table), `request` (all parameters of a job to a `CutoutRequest`).
"""
