"""Requests: the table of parameters, and the parsing of text into frozen values.

`values`: what the rest of the service receives. `table`: PARAMETERS, each declared once. `hints`:
suggestions for mistyped names. `parsing`: text of one cell or parameter -> value. `options`:
options of release, job and row merged. `csvtext`: bytes -> lines -> cells. `header` and
`positions`: the positions table. `request`: all parameters of a job -> `CutoutRequest`.
"""
