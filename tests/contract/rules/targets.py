"""The two servers that the rules are checked on, under one face: the toy jobs, the cutouts."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from lxml import etree

from tests.contract.rules.toy_server import LIMITS
from tests.contract.rules.wire import Answer, Form, Part, ask, form_body, multipart_body
from tests.synthetic import DEC_DEG, RA_DEG
from tests.uws_runtime import bring_to
from uws.models import Phase
from uws.service import JobService

__all__ = ["HREF", "INSTANT", "NIL", "UWS", "JobAt", "Target", "Toy", "cutout_target", "toy_target"]

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
HREF = "{http://www.w3.org/1999/xlink}href"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"

FINISHED = {"COMPLETED", "ERROR", "ABORTED"}
LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class JobAt:
    """A job as its client knows it: by its address."""

    url: str
    target: "Target" = field(repr=False)
    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.url.rpartition("/")[2]

    def get(self, place: str = "", **headers: str) -> Answer:
        """Ask for what lies at `place` below the job, or `?query`."""
        return ask("GET", f"{self.url}{place}", headers={**self.headers, **headers})

    def post(self, place: str = "", /, **form: str | list[str]) -> Answer:
        body, headers = form_body(form)
        return ask("POST", f"{self.url}{place}", body=body, headers={**self.headers, **headers})

    def put(self, place: str, body: bytes, content_type: str = "text/plain") -> Answer:
        headers = {**self.headers, "Content-Type": content_type}
        return ask("PUT", f"{self.url}{place}", body=body, headers=headers)

    def delete(self, place: str = "") -> Answer:
        return ask("DELETE", f"{self.url}{place}", headers=self.headers)

    def document(self, place: str = "") -> etree._Element:
        """Get an XML document, checked against the schema."""
        return self.target.checked(self.get(place))

    def text(self, name: str) -> str | None:
        """Get the text of a child of the job's document."""
        text: str | None = self.document().findtext(f"{UWS}{name}")
        return text

    def moment(self, name: str) -> datetime:
        """Get an instant of the job's document."""
        return datetime.fromisoformat(self.text(name) or "")

    @property
    def phase(self) -> str:
        return self.get("/phase").text

    def wait_for(self, *phases: str) -> etree._Element:
        """Wait until the job is in one of some phases; give its document."""
        end = monotonic() + LIMIT_S
        query = ""
        while monotonic() < end:
            document = self.document(query)
            phase = document.findtext(f"{UWS}phase")
            if phase in phases:
                return document
            assert phase not in FINISHED, etree.tostring(document)
            query = f"?WAIT=5&PHASE={phase}"
        raise AssertionError(f"{self.url} is not {phases} within {LIMIT_S} s")

    def results(self) -> dict[str, etree._Element]:
        """Get the entries of the result list by their ids."""
        return {entry.get("id"): entry for entry in self.document("/results")}

    def parameters(self) -> list[tuple[str, str | None, str | None]]:
        """Get id, byReference and text of every parameter."""
        return [(p.get("id"), p.get("byReference"), p.text) for p in self.document("/parameters")]


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and what its jobs need."""

    base: str
    """Address of the application."""

    check_xml: Callable[[bytes], None]
    good: Mapping[str, str]
    """Parameters of a job that is done soon."""

    lasting: Mapping[str, str]
    """Parameters of a job that goes on until it is aborted, and makes results meanwhile."""

    faulty: Mapping[str, str]
    """Parameters that are refused when the job is run."""

    fault: str
    """How the text of that refusal begins, after its label."""

    table: str
    """Name of a parameter that takes a file."""

    cap_s: float
    """Longest WAIT."""

    made: list[JobAt] = field(default_factory=list, repr=False)
    """Jobs to be removed."""

    @property
    def jobs_url(self) -> str:
        return f"{self.base}/async"

    def get_jobs(self, query: str = "", **headers: str) -> Answer:
        return ask("GET", f"{self.jobs_url}{query}", headers=headers)

    def ids(self, query: str = "", **headers: str) -> list[str]:
        """Get the ids of the job list."""
        return [entry.get("id") for entry in self.checked(self.get_jobs(query, **headers))]

    def checked(self, answer: Answer) -> etree._Element:
        """Read an XML document that must be valid."""
        assert answer.status == 200, answer.text
        assert answer.content_type == "application/xml"
        self.check_xml(answer.body)
        return etree.fromstring(answer.body)

    def post(self, form: Form, query: str = "", **headers: str) -> Answer:
        """Ask for a new job."""
        body, more = form_body(form)
        return self._note(
            ask("POST", f"{self.jobs_url}{query}", body=body, headers=more | headers), headers
        )

    def post_parts(self, parts: Iterable[Part]) -> Answer:
        """Ask for a new job by multipart/form-data."""
        body, headers = multipart_body(parts)
        return self._note(ask("POST", self.jobs_url, body=body, headers=headers), {})

    def create(self, **form: str | list[str]) -> JobAt:
        """Make a job of just these fields."""
        answer = self.post(form)
        assert answer.status == 303, answer.text
        return self.made[-1]

    def run(self, **form: str) -> JobAt:
        """Make a good job and have it done."""
        job = self.create(**{**self.good, **form, "PHASE": "RUN"})
        job.wait_for("COMPLETED")
        return job

    def fail(self) -> JobAt:
        """Make a job that is in ERROR."""
        job = self.create(**self.faulty)
        assert job.post("/phase", PHASE="RUN").status == 303
        return job

    def executing(self, **form: str) -> JobAt:
        """Make a job that executes."""
        job = self.create(**{**self.lasting, **form, "PHASE": "RUN"})
        job.wait_for("EXECUTING")
        return job

    def forget(self) -> None:
        """Remove the jobs that were made."""
        while self.made:
            job = self.made.pop()
            assert job.delete().status in {303, 404}

    def _note(self, answer: Answer, headers: Mapping[str, str]) -> Answer:
        if answer.status == 303:
            self.made.append(JobAt(answer.location, self, dict(headers)))
        return answer


@dataclass(frozen=True, slots=True)
class Toy(Target):
    """The toy server; its store is open to tests."""

    service: JobService | None = None

    def as_owner(self, name: str) -> dict[str, str]:
        """Give the headers of an owner."""
        return {"Authorization": f"Basic {b64encode(f'{name}:'.encode()).decode()}"}

    def seed(self, phase: Phase, owner: str = "") -> JobAt:
        """Put a job into a phase, without any work."""
        assert self.service is not None
        job_id = bring_to(self.service, phase, owner)
        headers = self.as_owner(owner) if owner else {}
        self.made.append(JobAt(f"{self.jobs_url}/{job_id}", self, headers))
        return self.made[-1]


def toy_target(base: str, check_xml: Callable[[bytes], None], service: JobService) -> Toy:
    """Describe a running `toy_server`."""
    return Toy(
        base,
        check_xml,
        good={"WORD": "sky"},
        lasting={"WORD": "sky", "TIMES": "1000", "SLEEP": "0.1"},
        faulty={"WORLD": "sky"},
        fault="unknown parameter WORLD",
        table="TABLE",
        cap_s=LIMITS.wait_max_s,
        service=service,
    )


def cutout_target(base: str, check_xml: Callable[[bytes], None]) -> Target:
    """Describe a running cutout service on the small survey."""
    rows = "".join(f"{RA_DEG + n * 1e-5:.5f},{DEC_DEG}\n" for n in range(50))
    # Few enough rows for their list to be shown, and pictures enough to last.
    triplets = ";".join("".join(t) for t in _TRIPLETS)
    return Target(
        base,
        check_xml,
        good={"RA": f"{RA_DEG}", "DEC": f"{DEC_DEG}"},
        lasting={
            "POSITIONS": f"RA,DEC\n{rows}",
            "XSIZE": "1.5",
            "YSIZE": "1.5",
            "COLORS_FITS": "grizy",
            "MAKE_RGB_STIFF": "true",
            "RGB_STIFF_COLORS": triplets,
            "MAKE_RGB_LUPTON": "true",
            "RGB_LUPTON_COLORS": triplets,
        },
        faulty={"RA": f"{RA_DEG}"},
        fault="",
        table="POSITIONS",
        cap_s=30,
    )


_TRIPLETS = [
    (red, green, blue)
    for red in "grizy"
    for green in "grizy"
    for blue in "grizy"
    if len({red, green, blue}) == 3
]
"""All colours that five bands make: 60."""
