"""The demonstration: a synthetic survey in DES DR1's geometry, and the old service's example on it.

`sources` (what is on the sky), `painting` (sources to pixels), `planes` (a tile's image planes),
`survey` (the tiles and what belongs to them), `client` (the job over HTTP, with the standard
library alone), `run` (all of it, on a terminal).
"""
