"""Real survey images: published with one command each, cut through HTTP."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.cutout_client import run
from tests.e2e.service_process import started

# Release, position of its middle, bands of the default picture.
SETS = (
    ("des_sn2006bh", 27.95199, 0.26348, "irg"),
    ("legacy_0860m305", 85.99184, -30.58041, "zrg"),
    ("sdss_ngc6976", 313.17019, -5.69335, "irg"),
    ("ps1_sn2006bh", 27.95199, 0.26348, "irg"),
    ("twomass_gc", 266.39999, -28.93334, "khj"),
)


def test_real_images_are_published_and_cut(shared: Path, tmp_path: Path) -> None:
    for name, *_ in SETS:
        publish = ["publish", str(shared / "realsky" / name), "--name", name]
        command = [sys.executable, "-m", "soda_service", *publish, "--data", str(tmp_path)]
        subprocess.run(command, check=True)
    serve = ["-m", "soda_service", "serve", "--data", str(tmp_path), "--port", "0"]
    with started([*serve, "--workers", "1"], tmp_path / "log") as service:
        for name, ra, dec, triplet in SETS:
            job = run(
                f"http://{service.address}",
                RELEASE=name,
                RA=str(ra),
                DEC=str(dec),
                MAKE_RGB_STIFF="true",
                MAKE_RGB_LUPTON="true",
            )
            (row,) = job.summary["cutouts"]
            assert (row["STATUS"], row["COVERAGE"]) == ("ok", 1.0), row["MESSAGE"]
            assert len(row["FILES"]) == 5
            with job.fits(row["FILES"][0]) as hdus:
                assert np.isfinite(hdus["SCI"].data).all()
                shape = hdus["SCI"].data.shape
            for kind in ("stiff", "lupton"):
                picture = next(f for f in row["FILES"] if f.endswith(f"_{triplet}_{kind}.png"))
                with Image.open(io.BytesIO(job.get(picture))) as image:
                    assert sorted(image.size) == sorted(shape)
                    assert np.asarray(image).std() > 1, "something is to be seen"
        assert service.stop() == 0
