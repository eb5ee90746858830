"""What clients write, and what becomes of it: values, control parameters, document formats."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from uws.dali import format_instant, only_value, parse_instant, parse_integer, parse_phase, shown
from uws.errors import MultiValuedParamNotSupported, UsageError
from uws.http.negotiation import document_type
from uws.http.reading import Submission, read_submission
from uws.models import Parameter, Phase

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sometext",
        "2015-26-10",
        "2015-02-30",
        "0000",
        "201510",
        "15-10-26",
        "2015-10-26T25:00:00",
        "2015-10-26T09:15:35+01:00",
        "2015-10-26T09:15:35 00:00",
        "2015-10-26T09",
        "2015-10-26T09:15:60",
        "٢٠١٥",
        "2015-10-26Z10:00",
    ],
)
def test_bad_instants_are_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"^UsageError: AFTER: "):
        parse_instant("AFTER", text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2015-10-26T09:15:35", datetime(2015, 10, 26, 9, 15, 35, tzinfo=UTC)),
        ("2015-10-26T09:15:35Z", datetime(2015, 10, 26, 9, 15, 35, tzinfo=UTC)),
        ("2015-10-26t09:15:35z", datetime(2015, 10, 26, 9, 15, 35, tzinfo=UTC)),
        ("2015-10-26 09:00", datetime(2015, 10, 26, 9, 0, tzinfo=UTC)),
        (" 2015-10-26 ", datetime(2015, 10, 26, tzinfo=UTC)),
        ("2015-10", datetime(2015, 10, 1, tzinfo=UTC)),
        ("2015", datetime(2015, 1, 1, tzinfo=UTC)),
        ("20151026", datetime(2015, 10, 26, tzinfo=UTC)),
        ("20151026T0915", datetime(2015, 10, 26, 9, 15, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456Z", datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T10:00:00.1234567Z", datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T10:00:00.5", datetime(2026, 11, 22, 10, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_uws_16_loose_instants_are_read(text: str, instant: datetime) -> None:
    assert parse_instant("AFTER", text) == instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), "2026-01-01T00:00:00.123456Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 120000, tzinfo=UTC), "2026-01-01T00:00:00.120000Z"),
        (
            datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T00:00:00Z",
        ),
    ],
)
def test_uws_6_instants_end_with_z(instant: datetime, text: str) -> None:
    assert format_instant(instant) == text
    assert parse_instant("X", text) == instant


@pytest.mark.parametrize("text", ["", "x", "1.0", "1_0", "1e3", "٣", "9" * 19, "--1"])
def test_bad_integers_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^UsageError: WAIT: "):
        parse_integer("WAIT", text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-1", -1), ("+7", 7), (" 12 ", 12)])
def test_integers_are_read(text: str, value: int) -> None:
    assert parse_integer("WAIT", text) == value


def test_an_unknown_phase_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError) as caught:
        parse_phase("pendinggg")
    assert str(caught.value) == (
        "UsageError: PHASE: 'pendinggg' is no phase; there are PENDING QUEUED EXECUTING COMPLETED "
        "ERROR ABORTED HELD SUSPENDED UNKNOWN ARCHIVED"
    )


def test_phases_are_read_in_any_case() -> None:
    assert parse_phase("executing") is Phase.EXECUTING


def test_long_text_is_cut_in_messages() -> None:
    assert shown("a" * 100) == f"'{'a' * 57}'... (100 characters)"


def test_dali_5_a_repeated_single_value_is_refused() -> None:
    with pytest.raises(MultiValuedParamNotSupported, match="LAST takes one value, 2 were given"):
        only_value([("LAST", "1"), ("last", "2")], "LAST")


# ------------------------------------------------------ control parameters


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([Parameter("RUNID", "a" * 65)], "RUNID: 65 characters, at most 64 are allowed"),
        ([Parameter("EXECUTIONDURATION", "-5")], "EXECUTIONDURATION: -5 is below 0"),
        ([Parameter("EXECUTIONDURATION", "soon")], "EXECUTIONDURATION: 'soon' is not an integer"),
        ([Parameter("DESTRUCTION", "never")], "DESTRUCTION: 'never' is not an instant in UTC"),
        ([Parameter("PHASE", "k", by_reference=True)], "PHASE: must be a short text, not a file"),
        ([Parameter("PHASE", "RUN")] * 2, "PHASE takes one value, 2 were given"),
    ],
)
def test_bad_control_parameters_are_refused(fields: list[Parameter], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_submission(fields)
    assert message in str(caught.value)


def test_uws_40_control_parameters_are_no_job_parameters() -> None:
    word = Parameter("WORD", "sky")
    image = Parameter("RESPONSEFORMAT", "image/png")
    submission = read_submission(
        [
            Parameter("PHASE", "run"),
            word,
            Parameter("RUNID", "night 7"),
            Parameter("DESTRUCTION", "2030-01-31T12:00:00Z"),
            Parameter("EXECUTIONDURATION", "99999999999"),
            Parameter("RESPONSEFORMAT", "XML"),
            Parameter("ACTION", "delete"),
            image,
        ]
    )
    assert submission == Submission(
        parameters=(word, image),
        phase="RUN",
        action="DELETE",
        run_id="night 7",
        destruction=datetime(2030, 1, 31, 12, tzinfo=UTC),
        execution_duration_s=2**31 - 1,
    )


@pytest.mark.parametrize(
    ("fields", "run_id"),
    [
        ({"JOBNAME": "night 7"}, "night 7"),
        ({"JOBNAME": "x" * 128}, "x" * 64),
        ({"JOBNAME": "x" * 63 + " " + "y" * 64}, "x" * 63),
        ({"JOBNAME": "x" * 129}, None),
        ({"JOBNAME": "a\nb"}, None),
        ({"JOBNAME": "night 7", "RUNID": "r"}, "r"),
        ({"JOBNAME": "night 7", "RUNID": ""}, ""),
        ({"RUNID": "x" * 64}, "x" * 64),
    ],
    ids=["name", "long", "cut at a blank", "too long", "control", "both", "empty", "run id"],
)
def test_a_run_id_has_64_characters_wherever_it_comes_from(
    fields: dict[str, str], run_id: str | None
) -> None:
    submission = read_submission([Parameter(name, value) for name, value in fields.items()])
    assert submission.run_id == run_id
    names = {item.name: item.value for item in submission.parameters}
    assert names == {name: value for name, value in fields.items() if name == "JOBNAME"}, "whole"


# ------------------------------------------------------------- negotiation


def _get(accept: str | None, query: str = "") -> Request:
    headers = {} if accept is None else {"Accept": accept}
    return Request(EnvironBuilder(headers=headers, query_string=query).get_environ())


@pytest.mark.parametrize("query", ["RESPONSEFORMAT=fits", "responseformat="])
def test_an_unknown_document_format_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match=r"^UsageError: RESPONSEFORMAT: "):
        document_type(_get(None, query))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/xml"),
        ("", "application/xml"),
        ("*/*", "application/xml"),
        ("application/xml,text/plain", "application/xml"),
        ("text/xml", "text/xml"),
        ("text/xml, application/xml", "application/xml"),
        ("text/*", "text/xml"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("text/html, application/xhtml+xml, */*", "text/html"),
        (JAVA, "application/xml"),
        ("text/html, application/xml", "application/xml"),
        ("text/html;q=0.5, application/xhtml+xml, application/xml", "application/xml"),
        ("text/html;q=0", "application/xml"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json, application/xml", "application/xml"),
        ("application/json;q=0.9, application/xml", "application/xml"),
        ("application/json;q=0", "application/xml"),
        ("image/png", "application/xml"),
    ],
)
def test_uws_4_xml_wins_unless_another_format_is_preferred(
    accept: str | None, media_type: str
) -> None:
    assert document_type(_get(accept)) == media_type


@pytest.mark.parametrize(
    ("query", "media_type"),
    [
        ("RESPONSEFORMAT=json", "application/json"),
        ("responseFormat=XML", "application/xml"),
        ("RESPONSEFORMAT=text/xml", "text/xml"),
        ("RESPONSEFORMAT=html", "text/html"),
    ],
)
def test_dali_13_responseformat_wins_over_accept(query: str, media_type: str) -> None:
    assert document_type(_get(BROWSER, query)) == media_type
