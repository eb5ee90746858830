import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.errors import ConfigError, UnknownRelease
from soda_service.ingest.publish import publish, withdraw
from soda_service.sky.releases import Releases, parse_release, write_release
from tests.unit.ingest.publishing import image, paths_of, published
from tests.unit.skyimages import tan_header


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "releases"


# --- what cannot be published --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"name": "a b"}, "name: 'a b' is not a valid release name: 1 to 64 letters"),
        ({"name": "../x"}, "name: '../x' is not a valid release name"),
        ({"name": "M", "band": "a,b"}, "band: 'a,b' is not a valid band name"),
        ({"name": "M", "pattern": "("}, "pattern: '\\(' is not a regular expression"),
        ({"name": "M", "pattern": "a"}, r"pattern: 'a' has no group \(\?P<band>...\)"),
        ({"name": "M", "pattern": "(?P<band>.)", "band": "g"}, "both band and pattern are given"),
    ],
    ids=["name", "escape", "band", "expression", "group", "both"],
)
def test_wrong_options(source: Path, folder: Path, options: dict[str, str], fault: str) -> None:
    image(source / "a_g.fits")
    with pytest.raises(ConfigError, match=fault):
        publish(
            source,
            folder=folder,
            name=options["name"],
            band=options.get("band"),
            pattern=options.get("pattern"),
        )
    assert not folder.exists()


def test_missing_directory(source: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        published(source, folder)


def test_nothing_to_publish(source: Path, folder: Path) -> None:
    source.mkdir()
    (source / "notes.txt").write_text("no image")
    with pytest.raises(ConfigError) as refusal:
        published(source, folder)
    assert str(refusal.value) == f"{source}: no FITS image to publish"
    (source / "a.fits").write_bytes(b"junk" * 1000)
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(source / "b.fits")
    with pytest.raises(ConfigError) as refusal:
        published(source, folder)
    lines = str(refusal.value).splitlines()
    assert lines[0] == f"{source}: no FITS image to publish"
    assert lines[1].startswith("a.fits is omitted: ")
    assert lines[2] == "b.fits is omitted: no celestial WCS: CTYPE1, CTYPE2 are none, none"
    assert not folder.exists()


def test_bad_files_are_told_and_the_rest_goes_on(source: Path, folder: Path) -> None:
    image(source / "good.fits", FILTER="r")
    image(source / "cut.fits", FILTER="r")
    whole = (source / "cut.fits").read_bytes()
    (source / "cut.fits").write_bytes(whole[: len(whole) // 2])
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(source / "nowcs.fits")
    report = published(source, folder)
    assert (report.tiles, report.files) == (1, 1)
    assert [line.split(": ")[0] for line in report.warnings] == [
        "cut.fits is omitted",
        "nowcs.fits is omitted",
    ]
    assert paths_of(folder) == {"good": {"r": "good.fits"}}


def test_a_release_that_an_operator_wrote_is_not_overwritten(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    report = published(source, folder)
    assert report.release.source is not None
    text = report.release.source.read_text().replace('"{path}"', '"{tilename}_{band}.fits"')
    report.release.source.write_text(text)
    with pytest.raises(ConfigError, match="was not made by publishing"):
        published(source, folder)


# --- options, defaults, updates ------------------------------------------------------------------


def test_defaults_that_fit(source: Path, folder: Path) -> None:
    for band in "gri":
        image(source / f"a_{band}.fits", shape=(300, 300))
    report = published(source, folder, title="My images")
    release = report.release
    assert (release.title, release.name_prefix, release.root) == ("My images", "J", str(source))
    assert release.pixel_scale_arcsec == pytest.approx(0.263)
    assert (release.size_min_arcmin, release.size_max_arcmin) == (0.1, 12.0)
    defaults = dict(release.defaults)
    assert float(defaults.pop("RGB_MINIMUM")) == pytest.approx(4.0, abs=0.1)
    assert float(defaults.pop("RGB_STRETCH")) == pytest.approx(20.0, rel=0.05)
    assert defaults == {
        "COLORS_FITS": "r",
        "RGB_STIFF_COLORS": "irg",
        "RGB_LUPTON_COLORS": "irg",
        "RGB_ASINH": "10",
    }


@pytest.mark.parametrize(
    ("tiles", "band", "triplet"),
    [
        (["g", "g", "gKsW1"], "g", "W1,Ks,g"),
        (["g", "g", "KsW1"], "g", None),
        (["gr", "gr", "rJH", "rJH", "griz"], "r", "HJr"),
        (["gri", "JHKs"], "J", "i,r,g"),
        (["grz", "iJH"], "z", "zrg"),
        (["ugrizJ"], "i", "irg"),
        (["uVR", "uVR", "uV"], "V", "RVu"),
    ],
    ids=["odd tile", "pairs", "two kinds", "one each", "not together", "one tile", "unusual"],
)
def test_defaults_are_what_most_tiles_have(
    source: Path, folder: Path, tiles: list[str], band: str, triplet: str | None
) -> None:
    for number, bands in enumerate(tiles):
        for name in re.findall("Ks|W1|.", bands):
            image(source / f"t{number}_{name}.fits", shape=(9, 9), ra_deg=30.0 + number)
    defaults = published(source, folder).release.defaults
    assert (defaults["COLORS_FITS"], defaults.get("RGB_LUPTON_COLORS")) == (band, triplet)


def test_levels_are_those_of_tiles_with_the_triplet(source: Path, folder: Path) -> None:
    for number in range(10):
        image(source / f"t{number}_g.fits", ra_deg=30.0 + number)
    for band in "ri":
        image(source / f"t9_{band}.fits", ra_deg=39.0)
    assert "RGB_STRETCH" in published(source, folder).release.defaults


def test_two_bands_have_no_triplet(source: Path, folder: Path) -> None:
    for band in "gr":
        image(source / f"a_{band}.fits")
    assert published(source, folder).release.defaults == {"COLORS_FITS": "r"}


def test_bands_of_several_letters_are_separated(source: Path, folder: Path) -> None:
    for band in ("W1", "W2", "W3"):
        image(source / f"a_{band}.fits", shape=(9, 9), CD1_1=-1e-3, CD2_2=1e-3)
    defaults = published(source, folder).release.defaults
    assert (defaults["RGB_STIFF_COLORS"], defaults["XSIZE"]) == ("W3,W2,W1", "10")


def test_images_without_noise_leave_the_levels_to_the_system(source: Path, folder: Path) -> None:
    source.mkdir()
    for band in "gri":
        blank = fits.PrimaryHDU(np.zeros((40, 50), np.float32), tan_header((40, 50)))
        blank.writeto(source / f"a_{band}.fits")
    assert "RGB_STRETCH" not in published(source, folder).release.defaults


def test_what_is_reported_is_what_is_written(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    report = published(source, folder)
    assert Releases([folder]).all() == (report.release,)
    assert report.release.is_local
    assert sorted(path.name for path in folder.iterdir()) == ["mine.tiles.csv", "mine.toml"]


def test_progress(source: Path, folder: Path) -> None:
    for number in range(3):
        image(source / f"t{number}_g.fits", ra_deg=30.0 + number)
    seen: list[tuple[int, int]] = []
    publish(source, name="M", folder=folder, progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_publishing_again_updates_and_keeps_what_the_operator_wrote(
    source: Path, folder: Path
) -> None:
    image(source / "a_g.fits")
    published(source, folder, title="First")
    toml = folder / "mine.toml"
    toml.write_text(
        'acknowledgement = "Thanks."\n' + toml.read_text().replace('COLORS_FITS = "g"', "XPIX = 9")
    )
    image(source / "b_g.fits", ra_deg=31.0)
    release = published(source, folder).release
    assert (release.title, release.acknowledgement) == ("First", "Thanks.")
    assert release.defaults == {"XPIX": "9"}
    assert sorted(paths_of(folder)) == ["a", "b"]
    image(source / "a_r.fits")
    (source / "b_g.fits").unlink()
    release = published(source, folder, title="Second").release
    assert (release.title, release.defaults) == ("Second", {"COLORS_FITS": "r"})
    assert sorted(paths_of(folder)) == ["a"]


def test_publishing_again_in_another_case_keeps_the_name(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    publish(source, name="MYSKY", folder=folder)
    report = publish(source, name="mysky", folder=folder)
    assert report.warnings == ("mysky is updated under its existing name, MYSKY",)
    assert report.release.name == "MYSKY"
    assert [release.name for release in Releases([folder]).all()] == ["MYSKY"]
    assert sorted(path.name for path in folder.iterdir()) == ["mysky.tiles.csv", "mysky.toml"]


def test_only_one_release_is_the_default(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    publish(source, name="One", folder=folder, default=True)
    other = folder / "one.toml"
    other.write_text("# mine\n" + other.read_text())
    publish(source, name="Two", folder=folder)
    assert Releases([folder]).default().name == "One"
    publish(source, name="Two", folder=folder, default=True)
    assert Releases([folder]).default().name == "Two"
    assert other.read_text().startswith("# mine\n")
    assert not parse_release(other).is_default
    assert publish(source, name="Two", folder=folder).release.is_default


def test_withdrawing(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    report = published(source, folder)
    write_release(report.release, folder / "other.toml")
    with pytest.raises(UnknownRelease) as refusal:
        withdraw("Yours", folder)
    assert str(refusal.value) == f"there is no release 'Yours' in {folder}; there are: mine, other"
    with pytest.raises(UnknownRelease):
        withdraw("../images/a_g", folder)
    withdraw("MINE", folder)
    assert [path.name for path in folder.iterdir()] == ["other.toml"]
    assert (source / "a_g.fits").exists()
