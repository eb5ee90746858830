// @ts-check
// How a view of the sky is drawn: tiles, the grid of RA and Dec with its labels, positions.

import { dot, Hammer, normalRa, RADIAN, toVector } from "./sphere.js";

/** @typedef {import("./sky.js").SkyView} SkyView */
/** @typedef {import("./sphere.js").Vector} Vector */
/** @typedef {import("./sphere.js").Tile} Tile */
/** @typedef {(name: string) => string} Colours value of a custom property of the style */
/**
 * Lines of the grid: RA and Dec in degrees with their steps, and the ends of the lines.
 * @typedef {object} Grid
 * @property {number[]} ras
 * @property {number[]} decs
 * @property {number} raStep
 * @property {number} decStep
 * @property {number} raHalf half the length of a line of equal Dec
 * @property {[low: number, high: number]} ends Dec of the ends of a line of equal RA
 */

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]; // degrees
const SPARSE = 50; // fewer tiles are drawn larger than they are, or nobody would find them
const NAMES_MAX = 400;

/**
 * Draw everything.
 * @param {SkyView} view
 */
export const paint = (view) => {
  const { context, width, height } = view;
  const style = getComputedStyle(view.canvas);
  /** @type {Colours} */
  const colour = (name) => style.getPropertyValue(name).trim();
  context.setTransform(view.density, 0, 0, view.density, 0, 0);
  context.clearRect(0, 0, width, height);
  context.save();
  if (view.isWhole) {
    const radius = Math.SQRT2 * view.scale;
    context.beginPath();
    context.ellipse(width / 2, height / 2, 2 * radius, radius, 0, 0, 2 * Math.PI);
    context.fillStyle = colour("--panel");
    context.fill();
    context.strokeStyle = colour("--edge");
    context.stroke();
    context.clip();
  }
  paintTiles(view, colour);
  const grid = gridOf(view);
  paintGrid(view, grid, colour("--line"));
  paintLabels(view, grid, colour);
  paintPositions(view, colour);
  if (view.picked) paintCross(view, toVector(...view.picked), colour("--bad"));
  context.restore();
};

/**
 * Return a check whether a circle may be in view.
 * @param {SkyView} view
 * @returns {(centre: Vector, radius?: number, nearness?: number) => boolean}
 */
const inView = (view) => {
  const { projection } = view;
  if (projection instanceof Hammer) return () => true;
  const reach = Math.hypot(view.width, view.height) / 2 / view.scale;
  const cosine = Math.cos(Math.min(Math.PI, reach * 1.2));
  return (centre, radius = 0, nearness = 1) =>
    dot(projection.centre, centre) >= Math.min(cosine, nearness) - radius;
};

/** @type {(view: SkyView, colour: Colours) => void} */
const paintTiles = (view, colour) => {
  const { context } = view;
  const isSparse = view.tiles.length < SPARSE;
  const isInView = inView(view);
  const named = [];
  const [fill, dots] = [colour("--tile"), colour(isSparse ? "--accent" : "--tile")];
  context.strokeStyle = colour("--accent");
  context.lineWidth = 1;
  // Each tile by itself, in a colour without transparency: as one path 10,169 tiles took 340 ms
  // to fill, so 20.
  for (const tile of view.tiles) {
    if (!isInView(tile.centre, tile.radius, tile.nearness)) continue;
    const size = tile.radius * view.scale;
    if (size < (isSparse ? 6 : 3)) {
      // A few pixels: a square will do.
      context.fillStyle = dots;
      paintSquare(view, tile.centre, Math.max(isSparse ? 7 : 1, 1.5 * size));
      continue;
    }
    context.fillStyle = fill;
    context.beginPath();
    traceTile(view, tile);
    context.fill();
    if (size > 6) context.stroke();
    if (size > 45 && named.length < NAMES_MAX) named.push(tile);
  }
  context.fillStyle = colour("--text");
  context.font = `12px ${colour("--mono") || "monospace"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const tile of named) {
    const place = view.place(tile.centre);
    if (place) context.fillText(tile.name, ...place);
  }
};

/** @type {(view: SkyView, at: Vector, side: number) => void} */
const paintSquare = (view, at, side) => {
  const place = view.place(at);
  if (place) view.context.fillRect(place[0] - side / 2, place[1] - side / 2, side, side);
};

/** @type {(view: SkyView, tile: Tile) => void} */
const traceTile = (view, tile) => {
  const { projection } = view;
  const sides = projection instanceof Hammer ? projection.anglesOf(tile) : [null];
  for (const near of sides) {
    const all = tile.corners.map((corner) => view.place(corner, near));
    const places = all.filter((each) => each !== null);
    if (places.length < all.length) continue;
    view.context.moveTo(...places[0]);
    for (const place of places.slice(1)) view.context.lineTo(...place);
    view.context.closePath();
  }
};

/** @type {(most: number) => number} */
const stepBelow = (most) => STEPS.find((each) => each <= most) ?? STEPS[STEPS.length - 1];

/**
 * Return the multiples of a step from `first` to `last`.
 * @param {number} step
 * @param {number} first
 * @param {number} last
 */
const multiples = (step, first, last) => {
  const found = [];
  for (let n = Math.ceil(first / step); n * step <= last; n += 1) found.push(n * step);
  return found;
};

/**
 * Return the lines of the grid: about five across the view, every 30 degrees on the whole sky.
 * @param {SkyView} view
 * @returns {Grid}
 */
export const gridOf = ({ isWhole, ra, dec, field }) => {
  if (isWhole) {
    const ras = multiples(30, ra - 180, ra + 180 - 1e-6);
    const decs = multiples(30, -90, 90);
    return { ras, decs, raStep: 30, decStep: 30, raHalf: 180, ends: [-90, 90] };
  }
  const half = Math.min(90, field);
  const [low, high] = [Math.max(-90, dec - half), Math.min(90, dec + half)];
  const squeeze = Math.max(0.02, Math.cos(dec * RADIAN));
  const isAtPole = low <= -89 || high >= 89;
  const raHalf = isAtPole ? 180 : Math.min(180, half / squeeze);
  const [raStep, decStep] = [stepBelow(field / 5 / squeeze), stepBelow(field / 5)];
  // Not the same line at both ends of a full circle, nor one at the very end.
  const last = ra + raHalf - (raHalf < 180 ? 1e-9 : 1e-6);
  return {
    ras: multiples(raStep, ra - raHalf, last),
    decs: multiples(decStep, low, high),
    raStep,
    decStep,
    raHalf,
    ends: [low, high],
  };
};

/** @type {(view: SkyView, grid: Grid, colour: string) => void} */
const paintGrid = (view, { ras, decs, raHalf, ends: [low, high] }, colour) => {
  view.context.strokeStyle = colour;
  view.context.lineWidth = 1;
  view.context.beginPath();
  for (const ra of ras) traceLine(view, (t) => toVector(ra, low + t * (high - low)));
  for (const dec of decs) {
    // Up to the seam of the whole sky, not onto its other side.
    traceLine(view, (t) => toVector(view.ra + raHalf * (1.9996 * t - 0.9998), dec));
  }
  view.context.stroke();
};

/**
 * Trace a line of the sky; it breaks where it is not drawn, or would cross the whole canvas.
 * @param {SkyView} view
 * @param {(t: number) => Vector} at direction at 0 to 1 of the line
 */
const traceLine = (view, at) => {
  let before = null;
  for (let n = 0; n <= 60; n += 1) {
    const place = view.place(at(n / 60));
    if (place) {
      const isNear = before && Math.hypot(place[0] - before[0], place[1] - before[1]) < view.width;
      if (isNear) view.context.lineTo(...place);
      else view.context.moveTo(...place);
    }
    before = place;
  }
};

/** @type {(step: number) => number} */
const digitsOf = (step) => Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));

/** @type {(view: SkyView, grid: Grid, colour: Colours) => void} */
const paintLabels = (view, { ras, decs, raStep, decStep }, colour) => {
  const { context } = view;
  context.fillStyle = colour("--muted");
  context.font = `11px ${getComputedStyle(view.canvas).fontFamily}`;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = colour("--panel");
  const pole = poleInView(view);
  const raDec = pole ? pole * (90 - view.field / 5) : view.isWhole ? 0 : view.dec;
  const farthest = view.isWhole ? 170 : pole ? 360 : 90; // cut off by the rim, or behind the pole
  context.textAlign = "center";
  context.textBaseline = "bottom";
  for (const ra of ras) {
    if (Math.abs(ra - view.ra) > farthest) continue;
    const text = `${Number(normalRa(ra).toFixed(digitsOf(raStep)))}°`;
    paintLabel(view, text, toVector(ra, raDec), view.isWhole || pole ? null : "bottom");
  }
  context.textAlign = view.isWhole ? "center" : "left";
  context.textBaseline = view.isWhole ? "top" : "middle";
  for (const dec of decs) {
    if (Math.abs(dec) >= 90 || (view.isWhole && dec === 0)) continue;
    const text = `${dec > 0 ? "+" : ""}${dec.toFixed(digitsOf(decStep))}°`;
    paintLabel(view, text, toVector(view.ra, dec), view.isWhole ? null : "left");
  }
};

/**
 * Return 1 or -1 for the pole that is in view, else 0.
 * @param {SkyView} view
 */
const poleInView = ({ isWhole, dec, field }) =>
  !isWhole && 90 - Math.abs(dec) < field * 0.4 ? Math.sign(dec) : 0;

/**
 * Write a label where its line is, or at the edge of the canvas that the line leads to.
 * @param {SkyView} view
 * @param {string} text
 * @param {Vector} at
 * @param {"left" | "bottom" | null} edge
 */
const paintLabel = (view, text, at, edge) => {
  const place = view.place(at);
  if (!place) return;
  const x = edge === "left" ? 4 : place[0];
  const y = edge === "bottom" ? view.height - 4 : place[1];
  if (!view.isWhole && (x < 0 || x > view.width || y < 0 || y > view.height)) return;
  view.context.strokeText(text, x, y);
  view.context.fillText(text, x, y);
};

/** @type {(view: SkyView, colour: Colours) => void} */
const paintPositions = (view, colour) => {
  const { context, positions } = view;
  const size = positions.length > 2000 ? 2 : positions.length > 200 ? 4 : 7;
  /** @type {Record<string, string>} */
  const colours = {
    ok: colour("--ok"),
    partial: colour("--warn"),
    failed: colour("--bad"),
    unmatched: colour("--bad"),
  };
  const other = colour("--text");
  const isInView = inView(view);
  for (const { at, status } of positions) {
    if (!isInView(at)) continue;
    context.fillStyle = colours[status] ?? other;
    if (size < 5) paintSquare(view, at, size);
    else paintDisc(view, at, size / 2);
  }
};

/** @type {(view: SkyView, at: Vector, radius: number) => void} */
const paintDisc = (view, at, radius) => {
  const place = view.place(at);
  if (!place) return;
  view.context.beginPath();
  view.context.arc(...place, radius, 0, 2 * Math.PI);
  view.context.fill();
};

/** @type {(view: SkyView, at: Vector, colour: string) => void} */
const paintCross = (view, at, colour) => {
  const place = view.place(at);
  if (!place) return;
  const [x, y] = place;
  view.context.strokeStyle = colour;
  view.context.lineWidth = 2;
  view.context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    view.context.moveTo(x + 5 * dx, y + 5 * dy);
    view.context.lineTo(x + 13 * dx, y + 13 * dy);
  }
  view.context.stroke();
};
