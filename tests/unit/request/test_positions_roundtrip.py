"""Tables that are written come back when read."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from soda_service.request.options import default_options
from soda_service.request.values import PositionRow
from soda_service.sky.release import Band, Release
from tests.unit.request.test_positions import read

LETTER = st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs"])
CELL = st.text(st.one_of(st.sampled_from('\n",'), LETTER), max_size=8)


def quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@given(
    st.lists(
        st.tuples(
            st.floats(0, 360, exclude_max=True),
            st.floats(-90, 90),
            st.floats(0.1, 12),
            CELL,
        ),
        min_size=1,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_tables_round_trip(rows: list[tuple[float, float, float, str]], ending: str) -> None:
    release = Release("r", "r", (Band("g"),), "", "")
    lines = [f"{ra!r}, {dec!r} ,{size!r},{quote(name)}" for ra, dec, size, name in rows]
    found = read(ending.join(["RA,DEC,XSIZE,name", *lines]), release)
    assert found == [
        PositionRow(
            number,
            ra,
            dec,
            None,
            replace(default_options(release), xsize_arcmin=size),
            {"name": name},
        )
        for number, (ra, dec, size, name) in enumerate(rows, start=1)
    ]
