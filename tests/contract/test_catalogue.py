"""The object catalogue on PostgreSQL: all that it must do on SQLite, and beside the jobs."""

from collections.abc import Iterator

import pytest

from soda_service.sky.catalogue import ObjectCatalogue
from tests.toyjob import new_toy
from tests.unit.sky.test_catalogue import (  # the same tests over another fixture
    test_a_forked_process_has_connections_of_its_own,
    test_a_new_database_has_nothing,
    test_found_again,
    test_loading_again_gives_new_values,
    test_more_ids_and_rows_than_fit_a_batch,
    test_removing,
    test_replacing,
    test_replacing_that_breaks_off_leaves_the_old_objects,
    thing,
)
from uws.store import open_store

__all__ = [
    "test_a_forked_process_has_connections_of_its_own",
    "test_a_new_database_has_nothing",
    "test_found_again",
    "test_loading_again_gives_new_values",
    "test_more_ids_and_rows_than_fit_a_batch",
    "test_removing",
    "test_replacing",
    "test_replacing_that_breaks_off_leaves_the_old_objects",
]

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def catalogue(postgres_url: str) -> Iterator[ObjectCatalogue]:
    opened = ObjectCatalogue(postgres_url)
    yield opened
    opened.dispose()


def test_it_shares_the_database_of_the_jobs(catalogue: ObjectCatalogue, postgres_url: str) -> None:
    catalogue.load("DR1", [thing(1)])
    store = open_store(postgres_url)
    store.migrate()
    store.create(new_toy())
    catalogue.load("DR1", [thing(2)])
    assert catalogue.find("DR1", [1, 2]) == {1: thing(1), 2: thing(2)}
    assert store.get("job").id == "job"
    store.close()
