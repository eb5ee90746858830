"""What users may ask: the table of parameters, and text turned into frozen values.

`values` (what the rest of the service receives), `table` (PARAMETERS, each declared once),
`parsing` (text of one cell or parameter to a value), `positions` (the positions table),
`request` (all parameters of a job to a `CutoutRequest`).
"""
