import io
from dataclasses import replace

import pytest

from soda_service.errors import Fault, OptionsError, UnknownRelease
from soda_service.request.options import complete_options, default_options
from soda_service.request.positions import open_positions
from soda_service.request.request import parse_request
from soda_service.request.values import Centre, CutoutRequest, Filters, PositionRow, Table
from soda_service.sky.release import Release
from uws.errors import MultiValuedParamNotSupported
from uws.models import Parameter

TABLE = "RA,DEC\n46.275669,-34.256000\n"
WAYS = (
    "RA and DEC, or COADD_OBJECT_ID, or SODA's ID and POS, CIRCLE or POLYGON, or a table as "
    "POSITIONS"
)
UPLOADS = "uploads by reference are not offered; send the table itself as POSITIONS"


class FakeReleases:
    """Releases in a list; the first one is the default."""

    def __init__(self, *releases: Release) -> None:
        self._releases = releases

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        assert with_tiles
        for release in self._releases:
            if release.name.lower() == name.lower() and database in {None, release.database}:
                return release
        raise UnknownRelease(f"there is no release {name!r}")

    def of_dataset(self, text: str) -> Release:
        return self.get(text.removeprefix("ivo://x/").partition("?")[0], with_tiles=True)

    def default(self) -> Release:
        if not self._releases:
            raise UnknownRelease("there are no tiles")
        return self._releases[0]


@pytest.fixture
def releases(des: Release, wise: Release) -> FakeReleases:
    return FakeReleases(des, wise, replace(des, name="SV1", database="DESSCI"))


def send(**texts: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, text) for name, text in texts.items())


def faults_of(parameters: tuple[Parameter, ...], releases: FakeReleases) -> tuple[Fault, ...]:
    with pytest.raises(OptionsError) as caught:
        parse_request(parameters, releases)
    return caught.value.faults


# Bad input.


@pytest.mark.parametrize("parameters", [{}, {"POSITIONS": " ", "RA": ""}], ids=["none", "blank"])
def test_no_position(parameters: dict[str, str], releases: FakeReleases) -> None:
    message = f"no position given; needed is one of: {WAYS}"
    assert faults_of(send(**parameters), releases) == (Fault(message),)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        (
            {"POSITIONS": TABLE, "RA": "1"},
            Fault(f"given together with RA; allowed is only one of: {WAYS}", column="POSITIONS"),
        ),
        (
            {"POSITIONS": TABLE, "COADD_OBJECT_ID": "1"},
            Fault(
                f"given together with COADD_OBJECT_ID; allowed is only one of: {WAYS}",
                column="POSITIONS",
            ),
        ),
        (
            {"RA": "1", "DEC": "2", "COADD_OBJECT_ID": "3"},
            Fault(
                "given together with RA and DEC; give either RA and DEC or an id",
                column="COADD_OBJECT_ID",
            ),
        ),
        ({"DEC": "2"}, Fault("given without RA; both are needed", column="DEC")),
    ],
    ids=["table and RA", "table and id", "RA, DEC and id", "no RA"],
)
def test_positions_in_several_ways(
    parameters: dict[str, str], fault: Fault, releases: FakeReleases
) -> None:
    assert faults_of(send(**parameters), releases) == (fault,)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FITS_COLORS", "gri", "unknown parameter; did you mean COLORS_FITS=gri?"),
        ("XSIZ", "", "unknown parameter; did you mean XSIZE?"),
    ],
    ids=str,
)
def test_unknown_parameter(name: str, value: str, message: str, releases: FakeReleases) -> None:
    parameters = send(RA="1", DEC="2", **{name: value})
    expected = Fault(message, column=name, found=value or None)
    assert faults_of(parameters, releases) == (expected,)


def test_a_band_is_no_interval(releases: FakeReleases) -> None:
    message = "'g' is not a number; did you mean COLORS_FITS=g?"
    expected = Fault(message, column="BAND", found="g")
    assert faults_of(send(RA="1", DEC="2", BAND="g"), releases) == (expected,)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        (
            {"RA": "1", "DEC": "2", "CIRCLE": "1 2 3"},
            Fault(
                f"given together with RA, DEC; allowed is only one of: {WAYS}",
                column="SODA's parameters (ID, POS, CIRCLE, POLYGON ...)",
            ),
        ),
        (
            {"POS": "CIRCLE 1 2 3", "MASK": "perhaps"},
            Fault("'perhaps' is neither true nor false", column="MASK", found="perhaps"),
        ),
        (
            {"MASK": "true"},
            Fault(
                "true, but no shape was sent; MASK needs POS, CIRCLE or POLYGON",
                column="MASK",
                found="true",
            ),
        ),
        (
            {"ID": "ivo://x/SV1?T", "RELEASE": "DR1", "CIRCLE": "1 2 3"},
            Fault("'DR1' is not the release of ID; allowed: SV1", column="RELEASE", found="DR1"),
        ),
    ],
    ids=["RA and CIRCLE", "MASK", "MASK alone", "ID and RELEASE"],
)
def test_faults_of_filters(
    parameters: dict[str, str], fault: Fault, releases: FakeReleases
) -> None:
    assert faults_of(send(**parameters), releases) == (fault,)


def test_data_sets_of_two_releases(releases: FakeReleases) -> None:
    two = (Parameter("ID", "ivo://x/SV1?T"), Parameter("ID", "ivo://x/DR1?T"))
    message = "data sets of several releases (SV1, DR1); allowed is one release"
    parameters = (*two, *send(CIRCLE="1 2 3"))
    assert faults_of(parameters, releases) == (Fault(message, column="ID"),)


def test_filters_may_be_repeated(releases: FakeReleases) -> None:
    parameters = (
        *send(ID="ivo://x/SV1?T", circle="1  2 3", BAND="5e-7 6e-7", TIME="58000"),
        *send(POLYGON="1 1 2 1 2 2", band="7e-7", POL="I", MASK="t", POS="RANGE 1 2 3 4"),
        *(Parameter("ID", "ivo://x/SV1?U"), Parameter("pol", "Q"), Parameter("POL", "I")),
    )
    request = parse_request(parameters, releases)
    assert request.release == "SV1"
    assert request.where == Filters(
        ids=("ivo://x/SV1?T", "ivo://x/SV1?U"),
        shapes=("CIRCLE 1 2 3", "POLYGON 1 1 2 1 2 2", "RANGE 1 2 3 4"),
        bands_m=((5e-7, 6e-7), (7e-7, 7e-7)),
        times_mjd=((58000.0, 58000.0),),
        polarisations=("I", "Q"),
        is_masked=True,
    )


def test_one_mask_is_enough(releases: FakeReleases) -> None:
    parameters = (*send(CIRCLE="1 2 3", MASK="t"), Parameter("MASK", "f"))
    with pytest.raises(MultiValuedParamNotSupported, match="MASK: only one value"):
        parse_request(parameters, releases)


def test_unknown_parameter_like_none(releases: FakeReleases) -> None:
    (fault,) = faults_of(send(RA="1", DEC="2", QUUX="3"), releases)
    assert fault.message.startswith("unknown parameter; allowed: RELEASE, DB, POSITIONS, RA, DEC, ")


def test_thousands_of_unknown_parameters_are_counted(releases: FakeReleases) -> None:
    parameters = tuple(Parameter(f"QUUX{number}", "1") for number in range(5000))
    with pytest.raises(OptionsError) as caught:
        parse_request((*parameters, *send(RA="1", DEC="2")), releases)
    assert (len(caught.value.faults), caught.value.total) == (100, 5000)


def test_repeated_parameters(releases: FakeReleases) -> None:
    parameters = send(RA="1", ra="1", DEC="2", XSIZE="1", xsize="2")
    with pytest.raises(MultiValuedParamNotSupported) as caught:
        parse_request(parameters, releases)
    assert str(caught.value) == (
        "MultiValuedParamNotSupported: RA, XSIZE: only one value may be given"
    )


def test_unknown_release(releases: FakeReleases) -> None:
    assert faults_of(send(RELEASE="DR9", RA="1", DEC="2"), releases) == (
        Fault("there is no release 'DR9'", column="RELEASE", found="DR9"),
    )


def test_no_release_at_all() -> None:
    assert faults_of(send(RA="1", DEC="2"), FakeReleases()) == (
        Fault("there are no tiles", column="RELEASE"),
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DR1", "'MINE' is not the database of release DR1; allowed: DESDR"),
        ("AllWISE", "'MINE' is not the database of release AllWISE; it has none, so omit DB"),
    ],
    ids=["other", "none"],
)
def test_database_of_another_release(name: str, message: str, releases: FakeReleases) -> None:
    parameters = send(RELEASE=name, DB="MINE", RA="1", DEC="2")
    assert faults_of(parameters, releases) == (Fault(message, column="DB", found="MINE"),)


def test_all_faults_are_told(releases: FakeReleases) -> None:
    parameters = send(
        DB="MINE",
        BAND="g",
        RA="nan",
        DEC="95",
        XSIZE="99",
        COLORS_FITS="gq",
        RGB_STIFF_COLORS="gr;riy",
        MAKE_FITS="maybe",
        EMAIL="me",
        JOBNAME="x" * 129,
        RUNID="x" * 65,
        RESPONSEFORMAT="gif",
    )
    columns = [fault.column for fault in faults_of(parameters, releases)]
    assert columns == [
        "BAND", "DB", "EMAIL", "JOBNAME", "RUNID", "RESPONSEFORMAT", "XSIZE", "COLORS_FITS",
        "RGB_STIFF_COLORS", "MAKE_FITS", "RA", "DEC",
    ]  # fmt: skip


def test_only_the_table_may_be_a_file(releases: FakeReleases) -> None:
    parameters = (*send(RA="1", DEC="2"), Parameter("XSIZE", "key", by_reference=True))
    message = "too long, or a file; a short text is needed"
    assert faults_of(parameters, releases) == (Fault(message, column="XSIZE"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"my\0job",
            "character 3 of the text is the control character U+0000, which is not allowed",
        ),
        (b"Caf\xe9", "byte 3 of the text (0xE9) is not UTF-8; the text must be UTF-8"),
        ("é".encode() * 10_000, "too long, or a file; a short text is needed"),
    ],
    ids=["control character", "Latin-1", "long"],
)
def test_why_a_value_is_no_short_text(content: bytes, message: str, releases: FakeReleases) -> None:
    parameters = (*send(RA="1", DEC="2"), Parameter("JOBNAME", "key", by_reference=True))
    with pytest.raises(OptionsError) as caught:
        parse_request(parameters, releases, open_content={"key": io.BytesIO(content)}.__getitem__)
    assert caught.value.faults == (Fault(message, column="JOBNAME"),)


def test_a_position_of_which_nothing_would_be_made(releases: FakeReleases) -> None:
    (fault,) = faults_of(send(RA="1", DEC="2", MAKE_FITS="false"), releases)
    assert fault.column == "MAKE_FITS"


# Good input.


def test_one_position(releases: FakeReleases, des: Release) -> None:
    parameters = send(RA="370.5", DEC=" -34.256 ", xsize="2", COLORS_FITS="gr", RUNID="run 7")
    assert parse_request(parameters, releases) == CutoutRequest(
        release="DR1",
        options=replace(default_options(des), xsize_arcmin=2.0, colors_fits=("g", "r")),
        where=Centre(10.5, -34.256, None),
        is_default_release=True,
        job_name="run 7",
    )


def test_one_object_with_everything_of_a_job(releases: FakeReleases, des: Release) -> None:
    parameters = send(
        RELEASE="sv1",
        DB="dessci",
        COADD_OBJECT_ID="61407409",
        JOBNAME="lens",
        RUNID="7",
        EMAIL="me@example.org",
        RESPONSEFORMAT="image/png",
    )
    assert parse_request(parameters, releases) == CutoutRequest(
        release="SV1",
        options=replace(default_options(des), response_format="png"),
        where=Centre(None, None, 61407409),
        job_name="lens",
        email="me@example.org",
        response_format="png",
    )


@pytest.mark.parametrize(
    ("word", "found"),
    [("", ""), ("fits", ""), ("xml", ""), ("json", ""), ("png", "png"), ("JPG", "jpeg"),
     ("image/jpeg", "jpeg")],
)  # fmt: skip
def test_response_format_makes_pictures_only(releases: FakeReleases, word: str, found: str) -> None:
    parameters = send(RA="1", DEC="2", RESPONSEFORMAT=word)
    assert parse_request(parameters, releases).options.response_format == found
    # The rows of a table have it too.
    parameters = send(POSITIONS="RA,DEC,XSIZE\n1,2,2", RESPONSEFORMAT=word)
    options = parse_request(parameters, releases).options
    (row,) = open_positions(io.BytesIO(b"RA,DEC,XSIZE\n1,2,2"), releases.default(), options)
    assert isinstance(row, PositionRow)
    assert (row.options.response_format, row.options.xsize_arcmin) == (found, 2.0)


def test_the_database_tells_releases_of_one_name_apart(des: Release) -> None:
    other = replace(des, database="DESSCI", defaults={"COLORS_FITS": "z"})
    request = parse_request(
        send(RELEASE="DR1", DB="DESSCI", RA="1", DEC="2"), FakeReleases(des, other)
    )
    assert request.options.colors_fits == ("z",)


@pytest.mark.parametrize(
    "table",
    [
        Parameter("POSITIONS", TABLE),
        Parameter("POSITIONS", "job/positions", by_reference=True, media_type="text/csv"),
    ],
    ids=["inline", "file"],
)
def test_table(table: Parameter, releases: FakeReleases, des: Release) -> None:
    # That a job's own options make nothing is no fault: its rows may say otherwise.
    request = parse_request((table, *send(MAKE_FITS="false", RELEASE="dr1")), releases)
    assert request == CutoutRequest(
        release="DR1",
        options=replace(default_options(des), make_fits=False),
        where=Table(table.value, table.by_reference),
    )


def test_bad_options_of_a_job_with_a_table_are_told(releases: FakeReleases) -> None:
    (fault,) = faults_of(send(POSITIONS=TABLE, XSIZE="99"), releases)
    assert fault.column == "XSIZE"


def test_options_of_a_job_hold_for_its_rows(releases: FakeReleases, des: Release) -> None:
    parameters = send(POSITIONS=TABLE, xsize="2", YSIZE=" ", MAKE_FITS="t", RUNID="a")
    request = parse_request(parameters, releases)
    assert request.options == complete_options(des, {"XSIZE": "2", "MAKE_FITS": "t"})


def test_parameters_that_libraries_send_everywhere_are_passed_over(releases: FakeReleases) -> None:
    parameters = send(RA="1", DEC="2", Version="1.0", REQUEST="doQuery", maxrec="0")
    assert parse_request(parameters, releases).warnings == (
        "MAXREC: has no effect here",
        "REQUEST: has no effect here",
        "VERSION: has no effect here",
    )
    with pytest.raises(MultiValuedParamNotSupported, match="MAXREC: only one value"):
        parse_request((*parameters, Parameter("MAXREC", "1")), releases)
