"""The service with a cutter that hangs at one row, for test_abort_delete.py, test_poisoned_row.py.

`stuck_service.py RA ARGUMENT...`: at a row at that right ascension it sits in compiled code that
neither ends nor lets another thread of the process run; the arguments are those of `soda-service`.
"""

import re
import sys

from soda_service.cli.main import main
from soda_service.cutouts.cutting import Cutter
from soda_service.results.rows import Outcome, PlannedRow

STUCK_RA_DEG = float(sys.argv.pop(1))

cut = Cutter.cut


def cut_or_hang(self: Cutter, row: PlannedRow) -> Outcome:
    if row.centre_ra_deg == STUCK_RA_DEG:
        re.match(r"(a+)+$", "a" * 64 + "b")  # takes 2^64 steps
    return cut(self, row)


if __name__ == "__main__":
    Cutter.cut = cut_or_hang  # type: ignore[method-assign] # what this script is for
    main.main()
