"""Models to UWS 1.1 documents, valid against the schema. The one door to XML.

Children stand in the order of the schema (UWS-18), unknown instants are nil (UWS-20), and the
prefixes are literally `uws`, `xlink`, `xsi`, without which pyvo loses links (UWS-T6).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BytesIO

from lxml import etree

from uws.dali import ILLEGAL_IN_XML, format_instant
from uws.http.jobinfo import JOBINFO_NAMESPACE, JobInfo, job_info
from uws.http.links import numbered_parameters, parameter_url, result_url
from uws.models import ErrorSummary, Job

__all__ = ["job_xml", "jobs_xml", "parameters_xml", "results_xml"]

_UWS = "http://www.ivoa.net/xml/UWS/v1.0"  # of 1.1 too (UWS-4)
_XLINK = "http://www.w3.org/1999/xlink"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_PREFIXES = {"uws": _UWS, "xlink": _XLINK, "xsi": _XSI}
_NIL = f"{{{_XSI}}}nil"
_HREF = f"{{{_XLINK}}}href"
_TYPE = f"{{{_XLINK}}}type"

_PIECE = 32 * 1024  # bytes of a job list sent at a time


def job_xml(job: Job, job_url: str, *, now: datetime) -> bytes:
    """Write the document of one job.

    Parameters
    ----------
    job
        The job, whole.
    job_url
        Its absolute address, without trailing slash.
    now
        For the rate at which its items are finished.
    """
    root = etree.Element(f"{{{_UWS}}}job", {"version": "1.1"}, nsmap=_PREFIXES)
    _add(root, "jobId", job.id)
    if job.run_id:
        _add(root, "runId", job.run_id)
    _add(root, "ownerId", job.owner or None)
    _add(root, "phase", job.phase)
    _add_instant(root, "quote", job.quote)
    _add_instant(root, "creationTime", job.creation_time)
    _add_instant(root, "startTime", job.start_time)
    _add_instant(root, "endTime", job.end_time)
    _add(root, "executionDuration", str(job.execution_duration_s))
    _add_instant(root, "destruction", job.destruction)
    root.append(_parameters(job, job_url))
    root.append(_results(job, job_url))
    if job.error is not None:
        _add_error(root, job.error)
    info = job_info(job, now)
    if info is not None:
        _add_info(root, info)
    return _document(root)


def parameters_xml(job: Job, job_url: str) -> bytes:
    """Write the document of a job's parameters."""
    return _document(_parameters(job, job_url))


def results_xml(job: Job, job_url: str) -> bytes:
    """Write the document of a job's results."""
    return _document(_results(job, job_url))


def jobs_xml(jobs: Iterable[Job], jobs_url: str) -> Iterator[bytes]:
    """Write the job list in pieces; memory does not grow with the number of jobs.

    Parameters
    ----------
    jobs
        In the order of the list; read as the pieces are taken.
    jobs_url
        Absolute address of the list, without trailing slash.
    """
    buffer = BytesIO()
    with etree.xmlfile(buffer, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element(f"{{{_UWS}}}jobs", {"version": "1.1"}, nsmap=_PREFIXES):
            for job in jobs:
                file.write("\n")
                _write_jobref(file, job, f"{jobs_url}/{job.id}")
                if buffer.tell() > _PIECE:
                    yield buffer.getvalue()
                    buffer.seek(0)
                    buffer.truncate()
    yield buffer.getvalue()


def _write_jobref(file: "etree._IncrementalFileWriter", job: Job, job_url: str) -> None:
    reference = {"id": job.id, _TYPE: "simple", _HREF: job_url}
    with file.element(f"{{{_UWS}}}jobref", reference):
        _write(file, "phase", job.phase)
        if job.run_id:
            _write(file, "runId", job.run_id)
        _write(file, "ownerId", job.owner or None)
        _write(file, "creationTime", format_instant(job.creation_time))


def _write(file: "etree._IncrementalFileWriter", name: str, text: str | None) -> None:
    with file.element(f"{{{_UWS}}}{name}", {_NIL: "true"} if text is None else {}):
        if text is not None:
            file.write(_legal(text))


def _document(root: etree._Element) -> bytes:
    document: bytes = etree.tostring(
        root, xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return document


def _legal(text: str) -> str:
    """Replace what no XML document can hold; an error may quote a client's control characters."""
    return ILLEGAL_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _add(parent: etree._Element, name: str, text: str | None) -> etree._Element:
    """Add a child in the namespace of UWS, nil without text."""
    child = etree.SubElement(parent, f"{{{_UWS}}}{name}")
    if text is None:
        child.set(_NIL, "true")
    else:
        child.text = _legal(text)
    return child


def _add_instant(parent: etree._Element, name: str, instant: datetime | None) -> None:
    _add(parent, name, None if instant is None else format_instant(instant))


def _parameters(job: Job, job_url: str) -> etree._Element:
    root = etree.Element(f"{{{_UWS}}}parameters", nsmap=_PREFIXES)
    for numbered_name, parameter in numbered_parameters(job):
        if parameter.by_reference:
            child = _add(root, "parameter", parameter_url(job_url, numbered_name))
            child.set("byReference", "true")
        else:
            child = _add(root, "parameter", parameter.value)
        child.set("id", parameter.name)
    return root


def _results(job: Job, job_url: str) -> etree._Element:
    root = etree.Element(f"{{{_UWS}}}results", nsmap=_PREFIXES)
    for result in job.results:
        child = etree.SubElement(root, f"{{{_UWS}}}result", {"id": result.id})
        child.set(_TYPE, "simple")
        child.set(_HREF, result_url(job_url, result.id))
        child.set("mime-type", result.media_type)
        if result.size_bytes is not None:
            child.set("size", str(result.size_bytes))
    return root


def _add_error(root: etree._Element, error: ErrorSummary) -> None:
    summary = etree.SubElement(root, f"{{{_UWS}}}errorSummary")
    summary.set("type", error.kind)
    summary.set("hasDetail", "true")  # `{job}/error` exists for every failed job
    _add(summary, "message", error.message)


def _add_info(root: etree._Element, info: JobInfo) -> None:
    parent = etree.SubElement(root, f"{{{_UWS}}}jobInfo")
    values: list[tuple[str, str]] = [
        ("total", str(info.total)),
        ("done", str(info.done)),
        ("failed", str(info.failed)),
        ("sizeBytes", str(info.size_bytes)),
    ]
    if info.rate_per_s is not None:
        values.append(("ratePerSecond", str(info.rate_per_s)))
    if info.expected_end is not None:
        values.append(("expectedEnd", format_instant(info.expected_end)))
    values += [("note", note) for note in info.notes]
    for name, text in values:
        child = etree.SubElement(
            parent, f"{{{JOBINFO_NAMESPACE}}}{name}", nsmap={None: JOBINFO_NAMESPACE}
        )
        child.text = _legal(text)
