"""The service with a cutter that dies at one row, run by test_poisoned_row.py.

`poisoned_service.py RA ARGUMENT...`: a row at that right ascension kills its process, as a crash
in compiled code or the kernel's out-of-memory killer would; the arguments are those of
`soda-service`.
"""

import os
import signal
import sys

from soda_service.cli.main import main
from soda_service.cutouts.cutting import Cutter
from soda_service.results.rows import Outcome, PlannedRow

POISON_RA_DEG = float(sys.argv.pop(1))

cut = Cutter.cut


def cut_or_die(self: Cutter, row: PlannedRow) -> Outcome:
    if row.centre_ra_deg == POISON_RA_DEG:
        os.kill(os.getpid(), signal.SIGKILL)
    return cut(self, row)


if __name__ == "__main__":
    Cutter.cut = cut_or_die  # type: ignore[method-assign] # what this script is for
    main.main()
