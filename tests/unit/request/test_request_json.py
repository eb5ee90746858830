"""A request travels with its job as JSON, and comes back as it was."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soda_service.request.options import complete_options, default_options
from soda_service.request.request import parse_request
from soda_service.request.values import Centre, CutoutRequest, Filters, Table
from soda_service.sky.release import Release
from tests.synthetic import RELEASE
from uws.models import Parameter

_numbers = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(max_size=20)
_pairs = st.tuples(_numbers, _numbers)
_triplets = st.permutations("grizY").map(lambda bands: "".join(bands[:3]))


def _tuples(items: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=3).map(tuple)


_sizes = st.one_of(
    st.just({}),
    st.floats(0.1, 12).map(lambda size: {"XSIZE": repr(size)}),
    st.integers(1, 1000).map(lambda size: {"YPIX": str(size)}),
)
_looks = st.fixed_dictionaries(
    {},
    optional={
        "EDGE": st.sampled_from(["trim", "pad", "mosaic"]),
        "MAKE_RGB_LUPTON": st.sampled_from(["true", "false"]),
        "COLORS_FITS": st.sampled_from(["g", "Yz", "grizY"]),
        "RGB_STIFF_COLORS": st.sets(_triplets, min_size=1, max_size=3).map(";".join),
        "RGB_ASINH": st.floats(1e-36, 1e30).map(repr),
        "RESPONSEFORMAT": st.sampled_from(["png", "jpeg", "fits"]),
    },
)
_options = st.builds(lambda sizes, looks: complete_options(RELEASE, sizes | looks), _sizes, _looks)

_where = st.one_of(
    st.builds(Centre, _numbers, _numbers, st.none()),
    st.builds(Centre, st.none(), st.none(), st.integers(0, 2**63 - 1)),
    st.builds(Table, _texts, st.booleans()),
    st.builds(
        Filters,
        ids=_tuples(_texts),
        shapes=_tuples(_texts),
        bands_m=_tuples(_pairs),
        times_mjd=_tuples(_pairs),
        polarisations=_tuples(_texts),
        is_masked=st.booleans(),
    ),
)

_requests = st.builds(
    CutoutRequest,
    release=_texts,
    options=_options,
    where=_where,
    is_default_release=st.booleans(),
    job_name=_texts,
    email=_texts,
    webhook=_texts,
    response_format=_texts,
    warnings=_tuples(_texts),
)


@given(_requests)
def test_what_is_written_is_read_again(request: CutoutRequest) -> None:
    read = CutoutRequest.from_json(json.loads(json.dumps(request.to_json())))
    assert read == request
    assert type(read.where) is type(request.where)
    assert hash(read.options) == hash(request.options)
    assert CutoutRequest.from_json(request.to_json()) == request


class OneRelease:
    """The release of the tests, whatever is asked for."""

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        del name, database, with_tiles
        return RELEASE

    def default(self) -> Release:
        return RELEASE

    def of_dataset(self, text: str) -> Release:
        del text
        return RELEASE


@pytest.mark.parametrize(
    "sent",
    [
        {"RA": "1", "DEC": "-2.5", "XPIX": "7", "RUNID": "7", "VERSION": "1"},
        {"COADD_OBJECT_ID": "61407409", "RELEASE": "TEST1", "EMAIL": "me@example.org"},
        {"POSITIONS": 'RA,DEC,"é\nb"\n1,2,"\U0001f52d"\n', "MAKE_FITS": "f"},
        {"CIRCLE": "1 2 0.1", "BAND": "4e-7 +Inf", "TIME": "-Inf 58000", "POL": "I", "MASK": "t"},
    ],
    ids=["position", "object", "table", "filters"],
)
def test_what_was_sent_in_each_way_is_read_again(sent: dict[str, str]) -> None:
    request = parse_request([Parameter(*each) for each in sent.items()], OneRelease())
    assert CutoutRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_what_another_version_wrote_is_no_request() -> None:
    content = CutoutRequest("R", default_options(RELEASE), Table("")).to_json()
    changed = [
        {name: value for name, value in content.items() if name != "options"},
        content | {"where": {"somewhere": {}}},
        content | {"where": {"table": {"texts": ""}}},
        content | {"colour": "blue"},
        content | {"options": {"size": 1}},
    ]
    for each in changed:
        with pytest.raises((KeyError, TypeError, ValueError)):
            CutoutRequest.from_json(each)


def test_requests_are_values() -> None:
    request = CutoutRequest("R", default_options(RELEASE), Filters(ids=("a",)))
    assert len({request, replace(request)}) == 1
