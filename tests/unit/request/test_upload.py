"""DALI's UPLOAD names the part that is the positions table."""

import pytest

from soda_service.errors import OptionsError
from soda_service.request.upload import with_uploads
from uws.models import Parameter

PART = Parameter("MYTABLE", "key", by_reference=True, media_type="text/csv")
OTHER = Parameter("XSIZE", "2")


@pytest.mark.parametrize(
    "text",
    ["positions,param:mytable", "Positions, param:MyTable", " POSITIONS,PARAM:MYTABLE "],
)
def test_dali_15_the_part_is_the_table(text: str) -> None:
    given = [Parameter("UPLOAD", text), OTHER, PART]
    table = Parameter("POSITIONS", "key", by_reference=True, media_type="text/csv")
    assert list(with_uploads(given)) == [OTHER, table]


def test_a_part_may_be_called_as_the_table() -> None:
    part = Parameter("POSITIONS", "RA,DEC\n1,2\n")
    given = [Parameter("UPLOAD", "positions,param:positions"), part]
    assert list(with_uploads(given)) == [part]


def test_without_uploads_nothing_changes() -> None:
    given = (OTHER, PART)
    assert with_uploads(given) is given
    assert list(with_uploads([Parameter("UPLOAD", " "), OTHER])) == [OTHER]


@pytest.mark.parametrize(
    ("uploads", "told"),
    [
        (["positions"], "UPLOAD: 'positions' found; allowed: UPLOAD=positions,param:PART"),
        (["mine,param:mytable"], "UPLOAD: the table is called 'mine'; allowed"),
        (["positions,http://example.org/a"], "UPLOAD: external URLs are not fetched"),
        (["positions,file:///etc/passwd"], "UPLOAD: external URLs are not fetched"),
        (["positions,mytable"], "UPLOAD: 'mytable' found"),
        (["positions,param:"], "UPLOAD: there is no part '' in the request"),
        (["positions,param:absent"], "UPLOAD: there is no part 'ABSENT' in the request"),
        (["positions,param:mytable"] * 2, "UPLOAD: several tables found, but a job has one"),
        (["positions,param:mytable;positions,param:b"], "UPLOAD: several tables"),
    ],
)
def test_dali_15_a_refused_upload_is_told(uploads: list[str], told: str) -> None:
    with pytest.raises(OptionsError) as refused:
        with_uploads([*(Parameter("UPLOAD", text) for text in uploads), PART])
    assert told in str(refused.value)


def test_one_table_is_given_in_one_way() -> None:
    given = [Parameter("UPLOAD", "positions,param:mytable"), PART, Parameter("POSITIONS", "x")]
    with pytest.raises(OptionsError, match="UPLOAD: given together with POSITIONS"):
        with_uploads(given)


def test_a_part_that_comes_twice_is_no_table() -> None:
    given = [Parameter("UPLOAD", "positions,param:mytable"), PART, PART]
    with pytest.raises(OptionsError, match="UPLOAD: there are 2 parts 'MYTABLE'"):
        with_uploads(given)
