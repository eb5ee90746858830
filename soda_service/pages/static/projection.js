// Equal-area projections: Hammer's for the whole sky, the zenithal one (ZEA) nearer in.
// Both have the scale 1 per radian in the middle, x to the right (west), y up (north).

const RADIAN = Math.PI / 180;

export const toVector = (raDeg, decDeg) => {
  const ra = raDeg * RADIAN, dec = decDeg * RADIAN, flat = Math.cos(dec);
  return [flat * Math.cos(ra), flat * Math.sin(ra), Math.sin(dec)];
};

export const toPosition = ([x, y, z]) => {
  const ra = Math.atan2(y, x) / RADIAN;
  return [(ra + 360) % 360, Math.atan2(z, Math.hypot(x, y)) / RADIAN];
};

const wrapped = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

// Around a point of the sky. Far beyond it nothing is drawn: the rim is stretched without end.
export class Zenithal {
  constructor(raDeg, decDeg) {
    const ra = raDeg * RADIAN, dec = decDeg * RADIAN;
    this.centre = toVector(raDeg, decDeg);
    this.east = [-Math.sin(ra), Math.cos(ra), 0];
    this.north = [-Math.sin(dec) * Math.cos(ra), -Math.sin(dec) * Math.sin(ra), Math.cos(dec)];
  }

  // Gives null for what lies near the point opposite.
  project([x, y, z]) {
    const [c, e, n] = [this.centre, this.east, this.north];
    const depth = x * c[0] + y * c[1] + z * c[2];
    if (depth < -0.9) return null;
    const scale = Math.sqrt(2 / (1 + depth));
    return [-scale * (x * e[0] + y * e[1]), scale * (x * n[0] + y * n[1] + z * n[2])];
  }

  // Gives null outside the sky.
  unproject(x, y) {
    const square = x * x + y * y;
    if (square > 4) return null;
    const depth = 1 - square / 2, scale = Math.sqrt(1 - square / 4);
    const [c, e, n] = [this.centre, this.east, this.north];
    return toPosition([0, 1, 2].map((k) => depth * c[k] + scale * (-x * e[k] + y * n[k])));
  }
}

// The whole sky as an ellipse with a meridian in the middle.
export class Hammer {
  constructor(raDeg) {
    this.ra = raDeg * RADIAN;
  }

  // `near`, if given, is an angle (radians of RA from the middle) on whose side of the seam to
  // stay, so that an outline across the seam is drawn whole; it may leave the ellipse then.
  project([x, y, z], near = null) {
    let angle = wrapped(Math.atan2(y, x) - this.ra);
    if (near !== null) angle = near + wrapped(angle - near);
    const flat = Math.hypot(x, y);
    const scale = Math.sqrt(2 / (1 + flat * Math.cos(angle / 2)));
    return [-2 * scale * flat * Math.sin(angle / 2), scale * z];
  }

  angle([x, y]) {
    return wrapped(Math.atan2(y, x) - this.ra);
  }

  unproject(x, y) {
    const square = x * x / 8 + y * y / 2;
    if (square > 1) return null;
    const w = Math.sqrt(1 - x * x / 16 - y * y / 4);
    const angle = 2 * Math.atan2(-w * x / 2, 2 * w * w - 1);
    const ra = (angle + this.ra) / RADIAN, dec = Math.asin(Math.max(-1, Math.min(1, w * y))) / RADIAN;
    return [((ra % 360) + 360) % 360, dec];
  }
}
