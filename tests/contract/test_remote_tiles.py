"""Tiles behind an HTTP server with ranges and an S3 server: pixels, bytes moved, whole jobs."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from soda_service.config.model import CutoutsConfig, RemoteConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.engine import compiled
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.paths import locate
from soda_service.pixels.reader import TileFile, TileHandle, TileReader
from soda_service.restart.indexfolder import IndexFolder
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.index import Tile
from soda_service.sky.release import Plane
from soda_service.sky.releases import Releases
from tests.objectserver import FileServer, S3Server, started_s3
from tests.synthetic import DEC_DEG, RA_DEG, RELEASE, SIZE, STEP_DEG, pixels, tile_header
from tests.toyjob import Recorder
from tests.working import work_off, work_once
from uws.localfiles import LocalFiles
from uws.models import Parameter, Phase
from uws.runtime import JobLimits, Runtime
from uws.service import JobService
from uws.store import open_store

pytestmark = pytest.mark.xdist_group("servers")

PLANES = (Plane("SCI", "SCI"), Plane("MSK", "MSK"), Plane("WGT", "WGT"))
BUCKET = "surveys"
SETTINGS = RemoteConfig(connections=8)
TABLE = "RA,DEC\n" + "".join(
    f"{ra_deg!r},{DEC_DEG}\n"
    for first_deg in (RA_DEG, float(RA_DEG + STEP_DEG))
    for ra_deg in (first_deg, first_deg + 2e-4)
)


@pytest.fixture(scope="module")
def s3(survey: Path) -> Iterator[S3Server]:
    """An S3 server with the small survey in it."""
    with started_s3() as running:
        running.put(BUCKET)
        for path in (survey / "tiles").rglob("*.fz"):
            running.put(BUCKET, f"des y6/{path.relative_to(survey / 'tiles')}", path.read_bytes())
        yield running


def new_reader(settings: RemoteConfig = SETTINGS, **options: Any) -> TileReader:
    """A reader with connections of its own: variables and settings of other tests are forgotten."""
    return TileReader(servers=Servers(settings), **options)


@pytest.fixture
def _s3_known(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environ().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "served").mkdir()
    with FileServer(tmp_path / "served") as listening:
        yield listening


# Pixels


def write(path: Path, **compression: object) -> None:
    """Write a tile of three planes, plain or compressed."""
    planes = {"SCI": pixels(5), "MSK": np.arange(SIZE**2, dtype=np.int32).reshape(SIZE, SIZE) % 99}
    planes["WGT"] = np.full((SIZE, SIZE), 0.5, np.float32)
    hdus: list[fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
    for name, data in planes.items():
        header = tile_header(RA_DEG, DEC_DEG)
        if compression:
            hdus.append(fits.CompImageHDU(data, header, name=name, **compression))
        else:
            hdus.append(fits.ImageHDU(data, header, name=name))
    fits.HDUList(hdus).writeto(path)


BOXES = [
    PixelBox(0, SIZE, 0, SIZE),
    PixelBox(7, 90, 300, 383),
    PixelBox(419, 420, 0, 1),
    PixelBox(0, 5, 0, SIZE),
    PixelBox(200, 230, 400, SIZE),
]


def assert_same(tile: TileHandle, local: TileHandle) -> None:
    assert [plane.role for plane in tile.planes] == ["SCI", "MSK", "WGT"]
    for number in range(3):
        for box in BOXES:
            found, expected = tile.read(number, box), local.read(number, box)
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("name", "compression"),
    [
        ("plain.fits", {}),
        ("rice.fits.fz", {"compression_type": "RICE_1", "tile_shape": (1, SIZE)}),
        ("gzip rows.fits.fz", {"compression_type": "GZIP_2", "tile_shape": (1, SIZE)}),
        ("DES0126+0335.fits.fz", {"compression_type": "HCOMPRESS_1", "tile_shape": (60, 70)}),
        ("blocks.fits.fz", {"compression_type": "RICE_1", "tile_shape": (64, 64)}),
        ("packed.fits.gz", {}),
        ("packed.fits.bz2", {}),
    ],
    ids=["plain", "rice", "gzip", "hcompress", "blocks", "gz", "bz2"],
)
def test_pixels_are_those_of_the_file_itself(
    server: FileServer, name: str, compression: dict[str, object]
) -> None:
    path = server.folder / name
    write(path, **compression)
    release = replace(RELEASE, root=server.url, path_template="{path}", planes=PLANES)
    there = locate(release, Tile("T", RA_DEG, DEC_DEG, {"path_g": name}), "g")
    assert_same(new_reader().open(there), new_reader().open(TileFile(str(path), PLANES)))


@pytest.mark.parametrize("kind", ["GZIP_1", "GZIP_2", "HCOMPRESS_1", "NOCOMPRESS"])
def test_other_compressions_are_fetched_once(server: FileServer, kind: str) -> None:
    sky = np.random.default_rng(1).normal(0, 20, (600, 600)).astype("i4")
    hdu = fits.CompImageHDU(sky, tile_header(RA_DEG, DEC_DEG), compression_type=kind)
    path = server.folder / "tile.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    handle = new_reader().open(TileFile(f"{server.url}/tile.fits.fz"))
    for box in (PixelBox(100, 500, 20, 400), PixelBox(300, 600, 200, 600)):
        assert (handle.read(0, box) == sky[box.y0 : box.y1, box.x0 : box.x1]).all()
    assert server.sent_bytes < 2 * path.stat().st_size + 300_000
    assert len(server.asked) < 16


@pytest.mark.usefixtures("_s3_known")
def test_pixels_from_s3_are_those_of_the_file_itself(survey: Path) -> None:
    below = "EAST0/p01/EAST0_g.fits.fz"
    local = new_reader().open(TileFile(str(survey / "tiles" / below), PLANES))
    assert_same(new_reader().open(TileFile(f"s3://{BUCKET}/des y6/{below}", PLANES)), local)


@pytest.mark.usefixtures("_s3_known")
def test_wildcards_are_looked_up_in_the_bucket(s3: S3Server) -> None:
    tile = Tile("EAST0", RA_DEG, DEC_DEG, {"tilename": "EAST0"})
    s3.put("wild")
    for number in (1, 2):
        s3.put("wild", f"deep/EAST0/p0{number}/EAST0+[{number}]_g.fits.fz")
    s3.put("wild", "deep/EAST0/p03/EAST0_r.fits.fz")
    root = "s3://wild/deep/"
    release = replace(RELEASE, root=root, path_template="{tilename}/p*/*_{band}.fits*")
    servers = Servers(SETTINGS)
    found = locate(release, tile, "g", servers)
    assert found.path == "s3://wild/deep/EAST0/p02/EAST0+[2]_g.fits.fz"
    with pytest.raises(TileUnreadable, match="TEST1 tile EAST0, band i: no file matches its path"):
        locate(release, tile, "i", servers)
    with pytest.raises(SourceUnavailable, match="the release's bucket is not there"):
        locate(replace(release, root="s3://gone-by-now"), tile, "g", servers)


def test_a_tile_that_is_replaced_is_opened_again(server: FileServer) -> None:
    path = server.folder / "a.fits.fz"
    rice = {"compression_type": "RICE_1", "tile_shape": (1, SIZE)}
    write(path, **rice)
    reader, file, box = new_reader(), TileFile(f"{server.url}/a.fits.fz", PLANES), BOXES[1]
    before = reader.open(file).read(0, box)
    new = server.folder / "new"
    write(new, **rice, quantize_level=1)
    new.replace(path)
    with pytest.raises(SourceUnavailable, match=r"a\.fits\.fz: was replaced while it was read"):
        reader.open(file).read(0, box)
    again = reader.open(file).read(0, box)
    assert again.tobytes() != before.tobytes()
    assert again.tobytes() == new_reader().open(TileFile(str(path), PLANES)).read(0, box).tobytes()


# Bytes


@dataclass(frozen=True, slots=True)
class Wide:
    """A tile with the rows of the survey's and fewer of them: 10,000 x 480 pixels, not 10,000."""

    path: Path
    ny: int = 480
    nx: int = 10_000

    @property
    def left_out_bytes(self) -> int:
        """Bytes of the tables' rows that it lacks: 24, 8 and 24 for each row of pixels."""
        return (10_000 - self.ny) * (24 + 8 + 24)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Wide:
    """Write one as `fpack` makes them of noise: 0.8 bytes a pixel, so 170 MB if it were whole."""
    tile = Wide(tmp_path_factory.mktemp("wide") / "wide.fits.fz")
    random = np.random.default_rng(8)
    shape = tile.ny, tile.nx
    noise = random.standard_normal(shape, np.float32)
    mask = np.zeros(shape, np.int32)
    mask[:, ::500] = 4
    hdus: list[fits.PrimaryHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
    for name, data in {"SCI": noise, "MSK": mask, "WGT": 5 + noise[::-1] / 10}.items():
        kind = "PLIO_1" if name == "MSK" else "RICE_1"
        quantized = {} if name == "MSK" else {"quantize_level": 16, "quantize_method": 2}
        header = tile_header(RA_DEG, DEC_DEG)
        hdu = fits.CompImageHDU(
            data,
            header,
            name=name,
            compression_type=kind,
            tile_shape=(1, tile.nx),
            dither_seed=1,
            **quantized,
        )
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(tile.path)
    return tile


def moved_by(server: FileServer, tile: TileHandle, box: PixelBox) -> int:
    before = server.sent_bytes
    for number in range(3):
        tile.read(number, box)
    return server.sent_bytes - before


def arcminute(x0: int) -> PixelBox:
    """Give a box of 1' at 0.263" a pixel."""
    return PixelBox(100, 328, x0, x0 + 228)


needs_decoder = pytest.mark.skipif(
    compiled.native is None, reason="without the compiled decoder rows are read whole"
)


@needs_decoder
def test_what_an_arcminute_moves_without_an_index(wide: Wide) -> None:
    assert wide.path.stat().st_size == pytest.approx(170e6 * wide.ny / 10_000, rel=0.05)
    with FileServer(wide.path.parent) as server:
        file = TileFile(f"{server.url}/{wide.path.name}", PLANES)
        # Rows are read from their beginnings to the box: what moves grows with its column, to 3.1
        # megabytes in the middle of the tile and 4.6 at its right edge.
        for x0, limit_bytes in ((0, 0.95e6), (2250, 2e6), (4500, 3e6), (9772, 4.7e6)):
            server.forget()
            tile = new_reader().open(file)
            assert len(server.asked) <= 3
            moved_by(server, tile, arcminute(x0))
            assert server.sent_bytes + wide.left_out_bytes < limit_bytes


@needs_decoder
def test_what_an_arcminute_moves_with_an_index(wide: Wide, tmp_path: Path) -> None:
    with FileServer(wide.path.parent) as server:
        file = TileFile(f"{server.url}/{wide.path.name}", PLANES)
        indexes = IndexFolder(tmp_path / "indexes")
        assert indexes.make(file.path, new_reader().open(file).file)
        tile = new_reader(indexes=indexes).open(file)
        local = new_reader().open(TileFile(str(wide.path), PLANES))
        moved_by(server, tile, arcminute(0))  # of tables, too
        for x0 in (0, 100, 4886, 9772):
            assert moved_by(server, tile, arcminute(x0)) < 0.3e6
            for number in range(3):
                found = tile.read(number, arcminute(x0))
                assert found.tobytes() == local.read(number, arcminute(x0)).tobytes()


# Jobs


@pytest.fixture
def runtimes(survey: Path, tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Give a function that joins a service on the small survey with another root."""
    closing: list[Callable[[], None]] = []

    def joined(root: str, settings: RemoteConfig = SETTINGS) -> Runtime:
        folder = tmp_path / f"service{len(closing)}"
        shutil.copytree(survey / "releases", folder / "releases")
        release = folder / "releases" / "test1.toml"
        release.write_text(release.read_text().replace(str(survey / "tiles"), root))
        catalogue = ObjectCatalogue(f"sqlite:///{folder / 'soda.db'}")
        store = open_store(f"sqlite:///{folder / 'soda.db'}")
        store.migrate()
        job_type = CutoutJob(
            Holdings(Releases([folder / "releases"]), catalogue, new_reader(settings)),
            CutoutsConfig(),
        )
        closing.extend([store.close, catalogue.dispose])
        limits = JobLimits(tries=2, retry_pause_s=0.001, retry_for_s=0.01)
        files = LocalFiles(folder / "jobs")
        return Runtime(store, files, {"cutout": job_type}, Recorder(), limits)

    yield joined
    for close in closing:
        close()


def start(runtime: Runtime) -> str:
    wanted = {"POSITIONS": TABLE, "COLORS_FITS": "gr", "MAKE_RGB_LUPTON": "true", "XSIZE": "0.4"}
    values = [Parameter(name, value) for name, value in wanted.items()]
    return JobService(runtime).create("", values, job_type="cutout", run=True).id


def files_of(runtime: Runtime, job_id: str) -> dict[str, bytes]:
    """Give the cutouts of a job."""
    found = {}
    for key in runtime.files.keys(job_id):
        path = runtime.files.path(key)
        if path is not None and path.suffix in {".fits", ".png"}:
            found[path.name] = path.read_bytes()
    return found


def statuses(runtime: Runtime, job_id: str) -> list[str]:
    with runtime.files.open(f"{job_id}/summary.json") as stream:
        return [row["STATUS"] for row in json.load(stream)["cutouts"]]


@pytest.fixture
def expected(survey: Path, runtimes: Callable[..., Runtime]) -> dict[str, bytes]:
    """Give the files of the job where the tiles lie in a directory."""
    runtime = runtimes(str(survey / "tiles"))
    job_id = start(runtime)
    work_off(runtime, job_id)
    assert statuses(runtime, job_id) == ["ok"] * 4
    files = files_of(runtime, job_id)
    assert len(files) == 16  # g and r, i for the picture, the picture
    return files


def test_a_job_on_tiles_of_an_http_server(
    survey: Path, runtimes: Callable[..., Runtime], expected: dict[str, bytes]
) -> None:
    with FileServer(survey) as server:
        runtime = runtimes(f"{server.url}/tiles")
        job_id = start(runtime)
        work_off(runtime, job_id)
        assert statuses(runtime, job_id) == ["ok"] * 4
        assert files_of(runtime, job_id) == expected
        with runtime.files.open(f"{job_id}/summary.json") as stream:
            assert b"127.0.0.1" not in stream.read()


@pytest.mark.usefixtures("_s3_known")
def test_a_job_on_tiles_in_s3(runtimes: Callable[..., Runtime], expected: dict[str, bytes]) -> None:
    runtime = runtimes(f"s3://{BUCKET}/des y6")
    job_id = start(runtime)
    work_off(runtime, job_id)
    assert statuses(runtime, job_id) == ["ok"] * 4
    assert files_of(runtime, job_id) == expected


def test_rows_wait_for_a_server_that_is_away(
    survey: Path, runtimes: Callable[..., Runtime], expected: dict[str, bytes]
) -> None:
    with FileServer(survey) as server:
        runtime = runtimes(f"{server.url}/tiles", RemoteConfig(retries=0))
        job_id = start(runtime)
        server.is_away = True
        work_once(runtime)
        assert files_of(runtime, job_id) == {}
        assert JobService(runtime).get("", job_id).phase in {Phase.QUEUED, Phase.EXECUTING}
        server.is_away = False
        work_off(runtime, job_id)
        assert statuses(runtime, job_id) == ["ok"] * 4
        assert files_of(runtime, job_id) == expected
