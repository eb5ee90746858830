"""Thumbnails of a job: reached like any of its files, but counted and listed nowhere."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from soda_service.config.load import load_config
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.cutouts.pictures import PictureSettings
from soda_service.pixels.reader import TileReader
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.synthetic import DEC_DEG, RA_DEG
from uws.errors import NotFoundError
from uws.localfiles import LocalFiles
from uws.models import Job, Parameter, Phase
from uws.service import JobService
from uws.store import open_store
from uws.work.execution import InlineExecutor

PARAMETERS = {
    "POSITIONS": f"RA,DEC\n{RA_DEG},{DEC_DEG}\n{RA_DEG + 0.001},{DEC_DEG}\n",
    "MAKE_RGB_STIFF": "true",
    "RGB_STIFF_COLORS": "irg",
}


@pytest.fixture
def service(survey: Path, tmp_path: Path) -> Iterator[JobService]:
    config = load_config(data=tmp_path, environ={})
    store = open_store(config.store_url())
    store.migrate()
    catalogue = ObjectCatalogue(f"sqlite:///{survey / 'soda.db'}")
    sky = Holdings(Releases([survey / "releases"]), catalogue, TileReader())
    job_type = CutoutJob(sky, config.cutouts, PictureSettings(thumbnails_rows_max=10))
    files = LocalFiles(tmp_path / "jobs")
    executor = InlineExecutor(store, files, job_types={job_type.name: job_type})
    yield JobService(executor.runtime)
    catalogue.dispose()
    store.close()


@pytest.fixture
def job(service: JobService) -> Job:
    """Give a job of two positions: three FITS files and a picture each, with its thumbnail."""
    parameters = [Parameter(name, value) for name, value in PARAMETERS.items()]
    made = service.create("", parameters, job_type="cutout", run=True)
    return service.get("", made.id)  # it was worked meanwhile


def kept(service: JobService, job: Job) -> list[str]:
    keys = service.runtime.files.keys(f"{job.id}/thumbnails")
    return [key.removeprefix(f"{job.id}/") for key in keys]


def test_a_thumbnail_is_fetched_by_its_path(service: JobService, job: Job) -> None:
    path, _ = kept(service, job)
    _, found = service.find_result("", job.id, path)
    with service.runtime.files.open(found.key) as stream:
        data = stream.read()
    assert (found.media_type, found.size_bytes) == ("image/jpeg", len(data))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, max(image.size)) == ("JPEG", 64)


@pytest.mark.parametrize("path", ["thumbnails", "thumbnails/", "thumbnails/none.jpg"])
def test_what_is_no_thumbnail_is_not_found(service: JobService, job: Job, path: str) -> None:
    with pytest.raises(NotFoundError):
        service.find_result("", job.id, path)


def test_no_thumbnail_is_counted_or_listed(service: JobService, job: Job) -> None:
    assert job.phase is Phase.COMPLETED
    assert kept(service, job)
    assert not [result for result in job.results if "thumbnails" in result.id + result.key]
    documents = {}
    for key in service.runtime.files.keys(job.id):
        if key.count("/") == 1:
            with service.runtime.files.open(key) as stream:
                documents[key.removeprefix(f"{job.id}/")] = stream.read()
    assert {"summary.json", "manifest.vot", "manifest.csv"} < set(documents)
    assert not [name for name, text in documents.items() if b"thumbnails" in text]
    assert json.loads(documents["summary.json"])["number_of_files"] == 8


def test_no_thumbnail_is_in_the_archive(service: JobService, job: Job) -> None:
    (archive,) = (result for result in job.results if result.id == "archive")
    pieces = service.runtime.job_types["cutout"].stream_result(job, archive, service.runtime.files)
    assert pieces is not None
    data = b"".join(pieces)
    assert len(data) == archive.size_bytes
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        names = tar.getnames()
    assert f"{job.id}/summary.json" in names
    assert not [name for name in names if "thumbnails" in name]
