"""Tables as operators have them: CSV, FITS, VOTable, ECSV, Parquet."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from astropy.units import mag

from soda_service.errors import ConfigError
from soda_service.ingest.importing import read_table

COLUMNS = ("name", "id", "ra")
ROWS = [("A", "9007199254740993", "46.275669"), ("", "2", "")]


def sample() -> Table:
    return Table(
        {
            "name": ["A", ""],
            "id": np.array([9007199254740993, 2], dtype=np.int64),
            "ra": [46.275669, np.nan],
        }
    )


def fits_bytes() -> bytes:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(sample())]).writeto(stream)
    return stream.getvalue()


def test_fits(tmp_path: Path) -> None:
    path = tmp_path / "table.dat"  # its name says nothing
    fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(sample())]).writeto(path)
    packed = tmp_path / "table.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for source in (path, packed):
        table = read_table(source)
        assert (table.columns, list(table.rows)) == (COLUMNS, ROWS)


def test_fits_null_integers(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    columns = [fits.Column("id", "K", null=-9, array=[1, -9]), fits.Column("x", "L", array=[1, 0])]
    fits.BinTableHDU.from_columns(columns).writeto(path)
    assert list(read_table(path).rows) == [("1", "True"), ("", "False")]


def test_votable(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    table = sample()
    table["ra"] = MaskedColumn([46.275669, 0.0], mask=[False, True])
    writeto(from_table(table), str(path))
    read = read_table(path)
    assert (read.columns, list(read.rows)) == (COLUMNS, ROWS)


def test_first_of_several_votables(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    votable = from_table(sample())
    votable.resources[0].tables.append(from_table(Table({"x": [1]})).get_first_table())
    writeto(votable, str(path))
    read = read_table(path)
    assert (read.columns, list(read.rows)) == (COLUMNS, ROWS)


def test_first_of_several_tables_in_fits(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    tables = [fits.table_to_hdu(table) for table in (sample(), Table({"x": [1]}))]
    tables[0].header["TUNIT3"] = "fathom"  # which astropy does not know
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), *tables]).writeto(path)
    read = read_table(path)
    assert (read.columns, list(read.rows)) == (COLUMNS, ROWS)


def test_ecsv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table = sample()
    table["name"] = MaskedColumn(["A", ""], mask=[False, True])
    table.write(path, format="ascii.ecsv")
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for source in (path, packed):
        read = read_table(source)
        assert (read.columns, list(read.rows)) == (COLUMNS, ROWS)


@pytest.mark.parametrize("name", ["t.fits", "t.ecsv"])
def test_times_and_sky_coordinates_of_astropy(tmp_path: Path, name: str) -> None:
    table = Table(
        {
            "name": ["A"],
            "where": SkyCoord([46.275669], [-7.5], unit="deg"),
            "when": Time(["2012-11-10T01:02:03"]),
            "depth": [23.5] * mag,
        }
    )
    table.write(tmp_path / name)
    found = read_table(tmp_path / name)
    (row,) = found.rows
    cells = dict(zip(found.columns, row, strict=True))
    assert (cells["name"], cells["where.ra"], cells["where.dec"]) == ("A", "46.275669", "-7.5")
    # astropy writes two parts of a Julian date to FITS.
    assert cells["when"].startswith(("2012-11-10T01:02:03", "[2456242.0, -0.4569"))
    assert cells["depth"] == "23.5"


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is an optional package")
    path = tmp_path / "t.parquet"
    columns = {"name": ["A", None], "id": [9007199254740993, 2], "ra": [46.275669, None]}
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    read = read_table(path)
    assert (read.columns, list(read.rows)) == (COLUMNS, ROWS)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1....PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        ConfigError, match=r"needs the package pyarrow; install soda-service\[parquet\]"
    ):
        read_table(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["", "BOM"])
def test_csv(tmp_path: Path, separator: str, start: str) -> None:
    lines = (COLUMNS, *ROWS, (), ('"a ""b"" c"', " 1 ", "2"))
    text = start + "\r\n".join(separator.join(cells) for cells in lines)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for source in (path, packed):
        table = read_table(source)
        assert table.columns == COLUMNS
        assert list(table.rows) == [*ROWS, ('a "b" c', "1", "2")]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a,b\n1,2\n\xff\xfe,3\n", "damaged after row"),
        (b'a,b\n1,"2\n', "damaged after row 0: unexpected end of data"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 10_000)[:-20], "damaged after row"),
        (b"SIMPLE  =  nothing", "cannot be read as FITS"),
        (fits_bytes()[:-2880], "cannot be read as FITS"),
        (b"<VOTABLE><RESOURCE>", "cannot be read as a VOTable"),
        (b"<?xml version='1.0'?><html/>", "cannot be read as a VOTable"),
        (b"# %ECSV 1.0\na b\n1 2\n", "cannot be read as ECSV"),
        (b"# %ECSV 1.0\n# ---\n# datatype: [1\n# schema: [{\na b\n1 2\n", "cannot be read as ECSV"),
    ],
    ids=["utf8", "quote", "gzip", "fits", "cut", "votable", "html", "ecsv", "yaml"],
)
def test_damaged_files(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=fault) as refusal:
        list(read_table(path).rows)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("name", ["t.fits", "t.FIT", "t.fits.gz", "t.fits.fz", "t.fts"])
def test_text_named_as_fits(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("TILENAME,RA\nA,1\n")
    with pytest.raises(ConfigError) as refusal:
        read_table(path)
    assert str(refusal.value) == f"{path}: not a FITS file; if it is CSV, rename it"


def test_fits_without_table(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(path)
    with pytest.raises(ConfigError, match="cannot be read as FITS: No table found"):
        read_table(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.csv")
