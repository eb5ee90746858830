"""Vectors on the sphere, against astropy's angles and at the ends of what can be told."""

import numpy as np
import pytest
from astropy.coordinates import angular_separation

from soda_service.engine.wcs.vectors import (
    arc_distances,
    basis_at,
    dot,
    inward_sides,
    normalised,
    positions,
    separations,
    tangents,
    unit_vectors,
)

RA = np.array([0.0, 10.0, 123.4, 359.9999, 200.0])
DEC = np.array([-90.0, 0.0, 45.6, -0.0001, 90.0])


def test_positions_come_back_and_ra_stays_below_360() -> None:
    ra, dec = positions(unit_vectors(RA, DEC) * 3)
    assert dec == pytest.approx(DEC, abs=1e-13)
    assert ra[1:4] == pytest.approx(RA[1:4], abs=1e-12)
    assert positions(np.array([1.0, -1e-20, 0.0]))[0] == 0.0


@pytest.mark.parametrize("apart_deg", [0.0, 1e-11, 1e-6, 1.0, 90.0, 179.0, 180 - 1e-6, 180.0])
def test_separations_are_exact_however_small_or_large(apart_deg: float) -> None:
    ra, dec = np.radians([30.0, 30.0]), np.radians([-90.0, -90.0 + apart_deg])
    found = float(separations(*unit_vectors(np.degrees(ra), np.degrees(dec))))
    assert found == pytest.approx(angular_separation(ra[0], dec[0], ra[1], dec[1]), abs=1e-15)
    assert found == pytest.approx(np.radians(apart_deg), abs=1e-15)


def test_separations_broadcast() -> None:
    vectors = unit_vectors(RA, DEC)
    ra, dec = np.radians(RA), np.radians(DEC)
    expected = angular_separation(ra[:, None], dec[:, None], ra, dec)
    assert separations(vectors[:, None], vectors) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("ra", "dec"), list(zip(RA, DEC, strict=True)))
def test_bases_are_right_handed(ra: float, dec: float) -> None:
    centre = unit_vectors(ra, dec)
    for right, up in (basis_at(ra, dec)[:2], tangents(centre)):
        assert np.cross(right, up) == pytest.approx(centre, abs=1e-15)
        assert dot(np.array(right), np.array(right)) == pytest.approx(1.0)
        assert dot(np.array(right), centre) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("point", "expected_deg"),
    [
        ((15.0, 2.0), 2.0),
        ((15.0, -3.0), 3.0),
        ((10.0, 0.0), 0.0),
        ((8.0, 0.0), 2.0),
        ((195.0, 0.0), 175.0),
        ((15.0, 90.0), 90.0),
    ],
    ids=["beside", "other side", "end", "before", "behind", "pole"],
)
def test_distances_from_an_arc(point: tuple[float, float], expected_deg: float) -> None:
    start, end = unit_vectors([10.0, 20.0], [0.0, 0.0])
    found = arc_distances(unit_vectors(*point), start, end)
    assert np.degrees(found) == pytest.approx(expected_deg, abs=1e-12)


def test_an_arc_without_length_is_a_point() -> None:
    start, point = unit_vectors([10.0, 10.0], [40.0, 41.0])
    assert np.degrees(arc_distances(point, start, start)) == pytest.approx(1.0)


def test_sides_point_inside_and_a_missing_one_holds_all() -> None:
    corners = unit_vectors([0.0, 90.0, 45.0, 45.0], [88.0, 88.0, 90.0, 90.0])
    centre = normalised(corners.sum(axis=0))
    (sides,) = inward_sides(corners[None], centre[None])
    assert (dot(sides, centre) > 0).all()
    assert sides[2] == pytest.approx(centre)
    assert dot(sides[0], unit_vectors(45.0, 87.9)) < 0 < dot(sides[0], unit_vectors(45.0, 89.0))


def test_a_vector_without_length_stays_as_it_is() -> None:
    assert (normalised(np.zeros((2, 3))) == 0).all()
