// @ts-check
// The sky with a release's tiles and a list of positions, on a canvas.
//
//   const view = new SkyView(canvas, { base, onPick: (ra, dec) => ... });
//   await view.setRelease(release);
//   view.setPositions([[ra, dec, status], ...]);
//   view.goTo(ra, dec, field);

import { listen } from "./skyinput.js";
import { paint } from "./skypaint.js";
import * as sphere from "./sphere.js";

/** @typedef {import("./sphere.js").Position} Position */
/** @typedef {import("./sphere.js").Vector} Vector */
/** @typedef {{ ra: number, dec: number, tile: string }} Readout */

const WHOLE_SKY = 160; // degrees: beyond this field the whole sky is shown
const WIDEST = 340;
const NARROWEST = 0.02;

/** @type {(field: number) => number} */
const clampField = (field) => Math.max(NARROWEST, Math.min(WIDEST, field));

export class SkyView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} settings
   * @param {string} settings.base address of the service
   * @param {(ra: number, dec: number) => void} [settings.onPick] called with a chosen position
   * @param {(at: Readout | null) => void} [settings.onReadout] called with what is pointed at
   */
  constructor(canvas, { base, onPick, onReadout }) {
    this.canvas = canvas;
    this.base = base;
    this.onPick = onPick;
    this.onReadout = onReadout;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.release = "";
    this.ra = 0;
    this.dec = 0;
    this.field = WIDEST; // degrees across the canvas
    this.width = 0; // of the canvas, CSS pixels
    this.height = 0;
    this.density = 1;
    this.frame = 0;
    /** @type {sphere.Tile[]} */
    this.tiles = [];
    /** @type {{ at: Vector, status: string }[]} */
    this.positions = [];
    /** @type {Position | null} */
    this.picked = null;
    this.projectionKey = "";
    /** @type {sphere.Zenithal | sphere.Hammer} */
    this.currentProjection = new sphere.Hammer(0);
    listen(this);
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /**
   * Load the tiles of a release and show them all.
   * @param {string} release
   */
  async setRelease(release) {
    this.release = release;
    const answer = await fetch(`${this.base}/releases/${encodeURIComponent(release)}/footprint`);
    if (!answer.ok) throw new Error((await answer.text()).trim());
    /** @type {{ names: string[], outlines: number[][] }} */
    const { names, outlines } = await answer.json();
    if (this.release !== release) return; // another was chosen meanwhile
    this.tiles = names.map((name, n) => sphere.makeTile(name, outlines[n]));
    this.fit();
  }

  /** @param {[ra: number, dec: number, status: string][]} positions */
  setPositions(positions) {
    this.positions = positions.map(([ra, dec, status]) => ({
      at: sphere.toVector(ra, dec),
      status,
    }));
    this.draw();
  }

  /**
   * Show a position in the middle.
   * @param {number} ra degrees
   * @param {number} dec degrees
   * @param {number} [field] degrees across the canvas
   */
  goTo(ra, dec, field = this.field) {
    this.ra = sphere.normalRa(ra);
    this.dec = sphere.clampDec(dec);
    this.field = clampField(field);
    this.draw();
  }

  /** Show all tiles, near or as the whole sky. */
  fit() {
    const circle = sphere.circleAround(this.tiles);
    if (!circle) return this.goTo(0, 0, WIDEST);
    // The field is that across the canvas: as much has to fit into its height.
    const [width, height] = [this.width || 1, this.height || 1];
    const shape = Math.min(width, height * 1.6) / Math.min(width, height);
    const field = ((2.3 * circle.radius) / sphere.RADIAN) * shape;
    const [ra, dec] = sphere.toPosition(circle.centre);
    return this.goTo(ra, dec, field > WHOLE_SKY * 0.75 ? WIDEST : field);
  }

  /** Show all positions; where there are none, all tiles as far as a wide canvas has room. */
  fitPositions() {
    if (!this.positions.length) return this.zoom(1.6);
    const circle = sphere.circleAround(this.positions.map(({ at }) => ({ centre: at, radius: 0 })));
    if (!circle) return this.goTo(0, 0, WIDEST);
    const radius = circle.radius / sphere.RADIAN;
    const [ra, dec] = sphere.toPosition(circle.centre);
    return this.goTo(ra, dec, radius > 12 ? WIDEST : Math.max(2.5, 4.5 * radius));
  }

  /** Whether the whole sky is shown. */
  get isWhole() {
    return this.field > WHOLE_SKY;
  }

  /**
   * Change the field; the position at a place of the canvas stays there.
   * @param {number} factor
   * @param {number} [x] pixels
   * @param {number} [y] pixels
   */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const under = this.positionAt(x, y);
    const wasWhole = this.isWhole;
    const field = clampField(this.field * factor);
    if (wasWhole && field <= WHOLE_SKY && under) [this.ra, this.dec] = under;
    this.field = field;
    if (!this.isWhole && !wasWhole && under) this.keepUnder(under, x, y);
    this.draw();
  }

  /**
   * Move the middle so that a position comes to lie at a place of the canvas.
   * @param {Position} position
   * @param {number} x pixels
   * @param {number} y pixels
   */
  keepUnder([ra, dec], x, y) {
    const now = this.positionAt(x, y);
    if (!now) return;
    this.ra = sphere.normalRa(this.ra + ra - now[0]);
    this.dec = sphere.clampDec(this.dec + dec - now[1]);
  }

  /**
   * Move the sky along.
   * @param {number} dx pixels
   * @param {number} dy pixels
   */
  pan(dx, dy) {
    const degrees = 1 / (this.scale * sphere.RADIAN);
    const squeeze = this.isWhole ? 1 : Math.max(0.05, Math.cos(this.dec * sphere.RADIAN));
    this.ra = sphere.normalRa(this.ra + (dx * degrees) / squeeze);
    if (!this.isWhole) this.dec = sphere.clampDec(this.dec + dy * degrees);
    this.draw();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    this.density = window.devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    this.canvas.width = Math.round(box.width * this.density);
    this.canvas.height = Math.round(box.height * this.density);
    this.draw();
  }

  /** Pixels per radian in the middle. */
  get scale() {
    if (this.isWhole) {
      const fitted = Math.min(this.width / 5.8, this.height / 2.95);
      return (fitted * WIDEST) / this.field;
    }
    return Math.min(this.width, this.height * 1.6) / (this.field * sphere.RADIAN);
  }

  get projection() {
    const key = `${this.isWhole}/${this.ra}/${this.isWhole ? 0 : this.dec}`;
    if (key !== this.projectionKey) {
      this.projectionKey = key;
      this.currentProjection = this.isWhole
        ? new sphere.Hammer(this.ra)
        : new sphere.Zenithal(this.ra, this.dec);
    }
    return this.currentProjection;
  }

  /**
   * Return where a direction lies on the canvas, pixels; null where it is not drawn.
   * @param {Vector} at
   * @param {number | null} [near] of the seam of the whole sky, see `Hammer.project`
   * @returns {sphere.Point | null}
   */
  place(at, near = null) {
    const point = this.projection.project(at, near);
    return (
      point && [this.width / 2 + point[0] * this.scale, this.height / 2 - point[1] * this.scale]
    );
  }

  /**
   * Return the position at a place of the canvas; null outside the sky.
   * @param {number} x pixels
   * @param {number} y pixels
   */
  positionAt(x, y) {
    const { scale, width, height } = this;
    return this.projection.unproject((x - width / 2) / scale, (height / 2 - y) / scale);
  }

  /**
   * Return the tile in which a position lies, if any.
   * @param {number} ra degrees
   * @param {number} dec degrees
   */
  tileAt(ra, dec) {
    const at = sphere.toVector(ra, dec);
    return this.tiles.find((tile) => sphere.isInTile(tile, at));
  }

  /** Draw everything anew, once before the next frame. */
  draw() {
    if (this.frame || !this.width) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      paint(this);
    });
  }

  /**
   * Report what lies at a place of the canvas.
   * @param {number} x pixels
   * @param {number} y pixels
   */
  readOut(x, y) {
    const at = this.positionAt(x, y);
    const tile = at ? (this.tileAt(...at)?.name ?? "") : "";
    this.onReadout?.(at && { ra: at[0], dec: at[1], tile });
  }

  /**
   * Choose the position at a place of the canvas.
   * @param {number} x pixels
   * @param {number} y pixels
   */
  pickAt(x, y) {
    const at = this.positionAt(x, y);
    this.readOut(x, y);
    if (!at || !this.onPick) return;
    this.picked = at;
    this.onPick(...at);
    this.draw();
  }
}
