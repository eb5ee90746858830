// @ts-check
// The celestial sphere: unit vectors, circles, outlines of tiles, and two equal-area projections.
// RA and Dec are in degrees (ICRS), all other angles in radians.

/** @typedef {[x: number, y: number, z: number]} Vector direction, of length 1 */
/** @typedef {[x: number, y: number]} Point place in the plane of a projection */
/** @typedef {[ra: number, dec: number]} Position degrees */
/** @typedef {{ centre: Vector, radius: number }} Circle */
/**
 * Outline of an image. Corners may run in either direction; `sides` are the normals of the planes
 * through its sides, pointing inwards; `nearness` is the cosine of its radius.
 * @typedef {Circle & { name: string, corners: Vector[], sides: Vector[], nearness: number }} Tile
 */

export const RADIAN = Math.PI / 180; // one degree

/** @type {(u: Vector, v: Vector) => number} */
export const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];

/** @type {(u: Vector, v: Vector) => Vector} */
const cross = (u, v) => [
  u[1] * v[2] - u[2] * v[1],
  u[2] * v[0] - u[0] * v[2],
  u[0] * v[1] - u[1] * v[0],
];

/** @type {(u: Vector, factor: number) => Vector} */
const times = (u, factor) => [u[0] * factor, u[1] * factor, u[2] * factor];

/**
 * Return the angle whose cosine this is; rounding may have put it just outside -1 to 1.
 * @param {number} cosine
 */
const arccos = (cosine) => Math.acos(Math.max(-1, Math.min(1, cosine)));

/**
 * Return the mean direction; null where directions cancel out.
 * @param {Vector[]} vectors
 * @returns {Vector | null}
 */
const mean = (vectors) => {
  /** @type {Vector} */
  const sum = [0, 0, 0];
  for (const [x, y, z] of vectors) {
    sum[0] += x;
    sum[1] += y;
    sum[2] += z;
  }
  const length = Math.hypot(...sum);
  return length < 1e-6 ? null : times(sum, 1 / length);
};

/**
 * Return an angle within 0 to 360 degrees.
 * @param {number} degrees
 */
export const normalRa = (degrees) => ((degrees % 360) + 360) % 360;

/**
 * Return a declination that is not beyond a pole.
 * @param {number} degrees
 */
export const clampDec = (degrees) => Math.max(-90, Math.min(90, degrees));

/** @type {(ra: number, dec: number) => Vector} */
export const toVector = (ra, dec) => {
  const flat = Math.cos(dec * RADIAN);
  return [flat * Math.cos(ra * RADIAN), flat * Math.sin(ra * RADIAN), Math.sin(dec * RADIAN)];
};

/** @type {(vector: Vector) => Position} */
export const toPosition = ([x, y, z]) => [
  normalRa(Math.atan2(y, x) / RADIAN),
  Math.atan2(z, Math.hypot(x, y)) / RADIAN,
];

/**
 * Return a circle around circles, in the middle of their centres; null where that is nowhere.
 * @param {Circle[]} circles
 * @returns {Circle | null}
 */
export const circleAround = (circles) => {
  const centre = mean(circles.map((each) => each.centre));
  if (!centre) return null;
  let radius = 0;
  for (const each of circles) {
    radius = Math.max(radius, arccos(dot(centre, each.centre)) + each.radius);
  }
  return { centre, radius };
};

/**
 * Return the outline of a tile.
 * @param {string} name
 * @param {number[]} angles RA and Dec of each corner, degrees, one after the other
 * @returns {Tile}
 */
export const makeTile = (name, angles) => {
  /** @type {Vector[]} */
  const corners = [];
  for (let n = 0; n < angles.length; n += 2) corners.push(toVector(angles[n], angles[n + 1]));
  const centre = mean(corners) ?? corners[0];
  const nearness = Math.min(...corners.map((corner) => dot(corner, centre)));
  const sides = corners.map((corner, n) => {
    const side = cross(corner, corners[(n + 1) % corners.length]);
    return dot(side, centre) < 0 ? times(side, -1) : side;
  });
  return { name, corners, sides, centre, nearness, radius: arccos(nearness) };
};

/**
 * Check whether a direction lies in a tile, its sides included.
 * @param {Tile} tile
 * @param {Vector} at
 */
export const isInTile = (tile, at) =>
  dot(tile.centre, at) > tile.nearness && tile.sides.every((side) => dot(side, at) >= 0);

/** @type {(angle: number) => number} */
const wrapped = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

// Both projections have the scale 1 per radian in the middle, x to the right (west), y up (north).

/**
 * Lambert's zenithal equal-area projection (ZEA) around a position.
 * Far from it nothing is drawn: the rim is stretched without end.
 */
export class Zenithal {
  /**
   * @param {number} ra of the middle, degrees
   * @param {number} dec degrees
   */
  constructor(ra, dec) {
    this.centre = toVector(ra, dec);
    this.east = toVector(ra + 90, 0);
    this.north = toVector(ra, dec + 90);
  }

  /**
   * Return the point of a direction; null near the opposite of the middle.
   * @param {Vector} at
   * @returns {Point | null}
   */
  project(at) {
    const depth = dot(at, this.centre);
    if (depth < -0.9) return null;
    const scale = Math.sqrt(2 / (1 + depth));
    return [-scale * dot(at, this.east), scale * dot(at, this.north)];
  }

  /**
   * Return the position at a point; null outside the sky.
   * @param {number} x
   * @param {number} y
   */
  unproject(x, y) {
    const square = x * x + y * y;
    if (square > 4) return null;
    const depth = 1 - square / 2;
    const scale = Math.sqrt(1 - square / 4);
    const [c, e, n] = [this.centre, this.east, this.north];
    /** @type {(k: 0 | 1 | 2) => number} */
    const part = (k) => depth * c[k] + scale * (y * n[k] - x * e[k]);
    return toPosition([part(0), part(1), part(2)]);
  }
}

/** Hammer's projection (AIT): the whole sky as an ellipse with a meridian in the middle. */
export class Hammer {
  /** @param {number} ra of the middle, degrees */
  constructor(ra) {
    this.ra = ra * RADIAN;
  }

  /**
   * Return the point of a direction.
   * @param {Vector} at
   * @param {number | null} near angle from the middle on whose side of the seam to stay, so that an
   *   outline across the seam is drawn whole; the point may lie outside the ellipse then
   * @returns {Point}
   */
  project([x, y, z], near = null) {
    let angle = this.angle([x, y, z]);
    if (near !== null) angle = near + wrapped(angle - near);
    const flat = Math.hypot(x, y);
    const scale = Math.sqrt(2 / (1 + flat * Math.cos(angle / 2)));
    return [-2 * scale * flat * Math.sin(angle / 2), scale * z];
  }

  /**
   * Return how far east of the middle a direction lies, -pi to pi.
   * @param {Vector} at
   */
  angle([x, y]) {
    return wrapped(Math.atan2(y, x) - this.ra);
  }

  /**
   * Return the angles on whose side a tile is drawn: of a tile across the seam one at each end.
   * @param {Tile} tile
   */
  anglesOf(tile) {
    const angle = this.angle(tile.centre);
    const flat = Math.max(0.02, Math.hypot(tile.centre[0], tile.centre[1]));
    const isAcross = Math.PI - Math.abs(angle) < (1.5 * tile.radius) / flat;
    return isAcross ? [angle, angle - 2 * Math.PI * Math.sign(angle)] : [angle];
  }

  /**
   * Return the position at a point; null outside the ellipse.
   * @param {number} x
   * @param {number} y
   * @returns {Position | null}
   */
  unproject(x, y) {
    if ((x * x) / 8 + (y * y) / 2 > 1) return null;
    const w = Math.sqrt(1 - (x * x) / 16 - (y * y) / 4);
    const angle = 2 * Math.atan2((-w * x) / 2, 2 * w * w - 1);
    const sine = Math.max(-1, Math.min(1, w * y));
    return [normalRa((angle + this.ra) / RADIAN), Math.asin(sine) / RADIAN];
  }
}
