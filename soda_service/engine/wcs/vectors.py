"""Directions on the sky as unit vectors."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "positions", "unit_vectors"]


Floats = NDArray[np.float64]


def unit_vectors(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Turn positions into vectors of length 1, shape (..., 3)."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    flat = np.cos(dec)
    return np.stack([flat * np.cos(ra), flat * np.sin(ra), np.sin(dec)], axis=-1)


def positions(vectors: Floats) -> tuple[Floats, Floats]:
    """Turn vectors of any length, shape (..., 3), into RA (0 to 360) and Dec, deg."""
    ra = np.degrees(np.arctan2(vectors[..., 1], vectors[..., 0])) % 360.0
    dec = np.degrees(np.arctan2(vectors[..., 2], np.hypot(vectors[..., 0], vectors[..., 1])))
    return ra, dec


def _normalised(vectors: Floats) -> Floats:
    normalised: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return normalised
