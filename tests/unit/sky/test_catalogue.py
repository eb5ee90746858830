import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soda_service.errors import SourceUnavailable
from soda_service.sky.catalogue import CatalogueObject, ObjectCatalogue

LARGEST = 2**63 - 1


def thing(number: int, tilename: str = "T") -> CatalogueObject:
    return CatalogueObject(number, 10.25, -5.5, 10.2500001, -5.5000001, tilename)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[ObjectCatalogue]:
    opened = ObjectCatalogue(f"sqlite:///{tmp_path / 'objects.db'}")
    yield opened
    opened.dispose()


def test_a_new_database_has_nothing(catalogue: ObjectCatalogue) -> None:
    assert catalogue.releases() == ()
    assert catalogue.find("DR1", [1]) == {}
    assert catalogue.remove("DR1") == 0


def test_database_that_cannot_be_reached(tmp_path: Path) -> None:
    catalogue = ObjectCatalogue(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    with pytest.raises(SourceUnavailable, match="the object catalogue does not respond"):
        catalogue.find("DR1", [1])


def test_found_again(catalogue: ObjectCatalogue) -> None:
    assert catalogue.load("DR1", [thing(7), thing(LARGEST, "")]) == 2
    assert catalogue.find("dr1", [8, LARGEST, 7, 7]) == {7: thing(7), LARGEST: thing(LARGEST, "")}
    assert catalogue.find("DR1", [-1, 2**63, 2**80]) == {}
    assert catalogue.find("DR2", [7]) == {}
    assert catalogue.find("DR1", []) == {}


def test_more_ids_and_rows_than_fit_a_batch(catalogue: ObjectCatalogue) -> None:
    assert catalogue.load("DR1", (thing(n) for n in range(0, 50_000, 2))) == 25_000
    assert sorted(catalogue.find("DR1", range(5_001))) == list(range(0, 5_001, 2))


def test_loading_again_gives_new_values(catalogue: ObjectCatalogue) -> None:
    catalogue.load("DR1", [thing(1, "OLD"), thing(2, "OLD")])
    catalogue.load("dr1", [thing(2, "NEW"), thing(3, "NEW"), thing(3, "LAST")])
    expected = {1: thing(1, "OLD"), 2: thing(2, "NEW"), 3: thing(3, "LAST")}
    assert catalogue.find("DR1", [1, 2, 3]) == expected
    assert catalogue.releases() == ("DR1",)


def test_replacing(catalogue: ObjectCatalogue) -> None:
    catalogue.load("DR1", (thing(n) for n in range(15_000)))
    catalogue.load("DR2", [thing(5)])
    assert catalogue.load("DR1", [thing(5, "NEW")], replace=True) == 1
    assert catalogue.find("DR1", [4, 5]) == {5: thing(5, "NEW")}
    assert catalogue.find("DR2", [5]) == {5: thing(5)}
    assert catalogue.releases() == ("DR1", "DR2")
    assert catalogue.remove("DR1") == 1


def test_replacing_that_breaks_off_leaves_the_old_objects(catalogue: ObjectCatalogue) -> None:
    def rows() -> Iterator[CatalogueObject]:
        yield from (thing(n, "NEW") for n in range(12_000))
        raise OSError("the file ends here")

    catalogue.load("DR1", [thing(1, "OLD")])
    with pytest.raises(OSError, match="ends here"):
        catalogue.load("DR1", rows(), replace=True)
    assert catalogue.find("DR1", [1, 2]) == {1: thing(1, "OLD")}
    assert catalogue.releases() == ("DR1",)
    assert catalogue.load("DR1", [thing(3)], replace=True) == 1
    assert catalogue.find("DR1", range(12_000)) == {3: thing(3)}


def test_removing(catalogue: ObjectCatalogue) -> None:
    catalogue.load("DR1", (thing(n) for n in range(10_001)))
    catalogue.load("DR2", [thing(5)])
    assert catalogue.remove("dr1") == 10_001
    assert catalogue.find("DR1", [1]) == {}
    assert catalogue.releases() == ("DR2",)


def test_a_forked_process_has_connections_of_its_own(catalogue: ObjectCatalogue) -> None:
    catalogue.load("DR1", [thing(1)])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = catalogue.find("DR1", [1]) == {1: thing(1)}
        os.write(writing, b"found" if found else b"lost")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"found"
    assert catalogue.find("DR1", [1]) == {1: thing(1)}
