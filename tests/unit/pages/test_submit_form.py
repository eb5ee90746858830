"""What stands in the form's fields, and what a sent form asks for."""

import pytest

from soda_service.errors import Fault
from soda_service.pages.submit_form import fill, form_parameters, read_texts
from tests.synthetic import RELEASE
from tests.unit.pages.test_submit import WISE
from uws.models import Parameter


def test_without_releases_there_is_no_form() -> None:
    state = fill({"XSIZE": "2"}, [], None)
    assert (state.release, state.uses(["XSIZE"]), state.allowed("XSIZE")) == (None, False, "")


def test_without_a_default_the_first_release_is_chosen() -> None:
    assert fill({}, [WISE, RELEASE], None).texts["RELEASE"] == "WISE"


def test_faults_stand_at_their_fields() -> None:
    faults = (Fault("odd", column="XSIZE"), Fault("bad", row=3, column="XSIZE"), Fault("all"))
    state = fill({}, [RELEASE], RELEASE.name, faults=faults)
    assert state.of_field("XSIZE") == "odd"
    assert state.of_row() == [faults[1]]
    assert state.uses(["XSIZE"])
    assert not state.uses(["YSIZE", "XPIX"])


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        ([("COLORS_FITS", "W2"), ("COLORS_FITS", "W3")], []),
        ([("COLORS_FITS", "W3,W2")], [("COLORS_FITS", "W3,W2")]),
        ([("COLORS_FITS", "nonsense")], [("COLORS_FITS", "nonsense")]),
        ([("MAKE_FITS", "false")], [("MAKE_FITS", "false")]),
        ([("MAKE_FITS", "false"), ("MAKE_FITS", "true")], []),
        ([("RGB_STIFF_COLORS", "W3,W2,W1"), ("RGB_STIFF_COLORS", "W4,W3,W2")],
         [("RGB_STIFF_COLORS", "W3,W2,W1;W4,W3,W2")]),
        ([("CSRF", "x"), ("VALIDATE", "true"), ("PHASE", "ABORT"), ("JOBNAME", " ")], []),
        ([("UNKNOWN", "x")], [("UNKNOWN", "x")]),
    ],
)  # fmt: skip
def test_what_a_form_asks_for(sent: list[tuple[str, str]], asked: list[tuple[str, str]]) -> None:
    found = form_parameters([Parameter(*pair) for pair in sent], WISE)
    assert [(each.name, each.value) for each in found] == asked


def test_parameters_that_nobody_knows_fill_nothing() -> None:
    sent = [Parameter("OTHER", "x"), Parameter("COADD_OBJECT_ID", "7"), Parameter("XSIZE", " 2 ")]
    texts, notes = read_texts(sent)
    assert texts == {"XSIZE": "2", "POSITIONS": "COADD_OBJECT_ID\n7\n"}
    assert notes == ()
