// The sky with a release's tiles and a list of positions, on a canvas.
//
//   const view = new SkyView(canvas, {base, release, onPick: (raDeg, decDeg) => ...});
//   view.setPositions([[raDeg, decDeg, status], ...]);
//   view.goTo(raDeg, decDeg, fieldDeg);

import { Hammer, Zenithal, toVector } from "./projection.js";

const RADIAN = Math.PI / 180;
const WHOLE_SKY_DEG = 160; // beyond this field the whole sky is shown
const WIDEST_DEG = 340, NARROWEST_DEG = 0.02;
const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];

export const sexagesimal = (raDeg, decDeg) => {
  const parts = (value, digits) => {
    const whole = Math.round(value * 3600 * 10 ** digits) / 10 ** digits;
    const fields = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return [...fields.map((f) => String(f).padStart(2, "0")), (whole % 60).toFixed(digits).padStart(digits + 3, "0")].join(":");
  };
  const sign = decDeg < 0 ? "−" : "+";
  return `${parts((raDeg / 15) % 24, 2)} ${sign}${parts(Math.abs(decDeg), 1)}`;
};

export class SkyView {
  constructor(canvas, { base, release = null, onPick = null, onReadout = null }) {
    Object.assign(this, { canvas, base, onPick, onReadout });
    this.context = canvas.getContext("2d");
    this.ra = 0;
    this.dec = 0;
    this.field = WIDEST_DEG; // degrees across the canvas
    this.tiles = [];
    this.positions = [];
    this.picked = null;
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    if (release) this.setRelease(release);
  }

  async setRelease(release, { fit = true } = {}) {
    this.release = release;
    const answer = await fetch(`${this.base}/releases/${encodeURIComponent(release)}/footprint`);
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const found = await answer.json();
    if (this.release !== release) return; // another was chosen meanwhile
    this.tiles = found.names.map((name, place) => makeTile(name, found.outlines[place]));
    if (fit) this.fit();
    else this.draw();
  }

  setPositions(positions) {
    this.positions = positions.map(([ra, dec, status]) => ({ at: toVector(ra, dec), status }));
    this.draw();
  }

  goTo(ra, dec, field = this.field) {
    this.ra = ((ra % 360) + 360) % 360;
    this.dec = Math.max(-90, Math.min(90, dec));
    this.field = Math.max(NARROWEST_DEG, Math.min(WIDEST_DEG, field));
    this.draw();
  }

  // Show all tiles, near or as the whole sky.
  fit() {
    const middle = [0, 0, 0];
    for (const tile of this.tiles) for (const k of [0, 1, 2]) middle[k] += tile.centre[k];
    const length = Math.hypot(...middle);
    if (!this.tiles.length || length < 1e-6) return this.goTo(0, 0, WIDEST_DEG);
    const centre = middle.map((value) => value / length);
    const reach = Math.max(...this.tiles.map((tile) => Math.acos(Math.max(-1, Math.min(1, dot(centre, tile.centre)))) + tile.radius));
    const ra = Math.atan2(centre[1], centre[0]) / RADIAN, dec = Math.asin(centre[2]) / RADIAN;
    // The field is that across the canvas: as much has to fit into its height.
    const [width, height] = [this.width || 1, this.height || 1];
    const field = (2.3 * reach / RADIAN) * (Math.min(width, height * 1.6) / Math.min(width, height));
    this.goTo(ra, dec, field > WHOLE_SKY_DEG * 0.75 ? WIDEST_DEG : field);
  }

  get isWhole() {
    return this.field > WHOLE_SKY_DEG;
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const under = this.positionAt(x, y);
    const wasWhole = this.isWhole;
    const field = Math.max(NARROWEST_DEG, Math.min(WIDEST_DEG, this.field * factor));
    if (wasWhole && field <= WHOLE_SKY_DEG && under) [this.ra, this.dec] = under;
    this.field = field;
    if (!this.isWhole && !wasWhole && under) this.keepUnder(under, x, y);
    this.draw();
  }

  // Move the middle so that a position comes to lie at a place of the canvas.
  keepUnder([ra, dec], x, y) {
    const now = this.positionAt(x, y);
    if (!now) return;
    this.ra = (this.ra + ra - now[0] + 720) % 360;
    this.dec = Math.max(-90, Math.min(90, this.dec + dec - now[1]));
  }

  pan(dx, dy) {
    const degrees = 1 / (this.scale * RADIAN);
    const squeeze = this.isWhole ? 1 : Math.max(0.05, Math.cos(this.dec * RADIAN));
    this.ra = (this.ra + dx * degrees / squeeze + 360) % 360;
    if (!this.isWhole) this.dec = Math.max(-90, Math.min(90, this.dec + dy * degrees));
    this.draw();
  }

  // ---------------------------------------------------------------- geometry

  resize() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    const density = window.devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    this.canvas.width = Math.round(box.width * density);
    this.canvas.height = Math.round(box.height * density);
    this.density = density;
    this.draw();
  }

  get scale() { // pixels per radian in the middle
    if (this.isWhole) {
      const fitted = Math.min(this.width / 5.8, this.height / 2.95);
      return fitted * WIDEST_DEG / this.field;
    }
    return Math.min(this.width, this.height * 1.6) / (this.field * RADIAN);
  }

  toCanvas([x, y]) {
    return [this.width / 2 + x * this.scale, this.height / 2 - y * this.scale];
  }

  positionAt(x, y) {
    return this.projection.unproject((x - this.width / 2) / this.scale, (this.height / 2 - y) / this.scale);
  }

  get projection() {
    const key = `${this.isWhole}/${this.ra}/${this.isWhole ? 0 : this.dec}`;
    if (key !== this.projectionKey) {
      this.projectionKey = key;
      this.current = this.isWhole ? new Hammer(this.ra) : new Zenithal(this.ra, this.dec);
    }
    return this.current;
  }

  tileAt(ra, dec) {
    const at = toVector(ra, dec);
    return this.tiles.find((tile) => dot(tile.centre, at) > tile.nearness && tile.inwards.every((side) => dot(side, at) >= 0));
  }

  // ----------------------------------------------------------------- drawing

  draw() {
    if (!this.asked && this.width) this.asked = requestAnimationFrame(() => { this.asked = null; this.paint(); });
  }

  paint() {
    const { context, width, height } = this;
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.clearRect(0, 0, width, height);
    context.save();
    if (this.isWhole) {
      context.beginPath();
      context.ellipse(width / 2, height / 2, Math.SQRT2 * 2 * this.scale, Math.SQRT2 * this.scale, 0, 0, 2 * Math.PI);
      context.fillStyle = colour("--panel");
      context.fill();
      context.strokeStyle = colour("--edge");
      context.stroke();
      context.clip();
    }
    this.paintTiles(colour);
    this.paintGrid(colour);
    this.paintPositions(colour);
    context.restore();
  }

  paintTiles(colour) {
    const { context } = this;
    const reach = this.isWhole ? -2 : Math.cos(Math.min(Math.PI, Math.hypot(this.width, this.height) / 2 / this.scale * 1.2));
    const middle = this.isWhole ? null : this.projection.centre;
    // Each tile by itself, in a colour without transparency: as one path 10,169 tiles took 340 ms
    // to fill, so 20.
    context.fillStyle = colour("--tile");
    context.strokeStyle = colour("--accent");
    context.lineWidth = 1;
    const named = [];
    const isSparse = this.tiles.length < 50; // otherwise nobody would find them
    for (const tile of this.tiles) {
      if (middle && dot(middle, tile.centre) < Math.min(reach, tile.nearness) - tile.radius) continue;
      const size = tile.radius * this.scale;
      if (size < (isSparse ? 6 : 3)) { // a few pixels: a square will do
        const at = this.projection.project(tile.centre);
        const side = Math.max(isSparse ? 7 : 1, 1.5 * size);
        if (isSparse) context.fillStyle = colour("--accent");
        if (at) { const [x, y] = this.toCanvas(at); context.fillRect(x - side / 2, y - side / 2, side, side); }
        continue;
      }
      context.beginPath();
      this.traceTile(tile);
      context.fill();
      if (size > 6) context.stroke();
      if (size > 45 && named.length < 400) named.push(tile);
    }
    context.fillStyle = colour("--text");
    context.font = `12px ${colour("--mono") || "monospace"}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const tile of named) {
      const at = this.projection.project(tile.centre);
      if (at) context.fillText(tile.name, ...this.toCanvas(at));
    }
  }

  traceTile(tile) {
    const sides = this.isWhole ? this.sidesOfSeam(tile) : [null];
    for (const near of sides) {
      const points = tile.corners.map((corner) => this.projection.project(corner, near));
      if (points.includes(null)) continue;
      points.forEach((point, place) => {
        const [x, y] = this.toCanvas(point);
        if (place) this.context.lineTo(x, y);
        else this.context.moveTo(x, y);
      });
      this.context.closePath();
    }
  }

  sidesOfSeam(tile) {
    const angle = this.projection.angle(tile.centre);
    const flat = Math.hypot(tile.centre[0], tile.centre[1]);
    const isAcross = Math.PI - Math.abs(angle) < 1.5 * tile.radius / Math.max(flat, 0.02);
    return isAcross ? [angle, angle - 2 * Math.PI * Math.sign(angle)] : [angle];
  }

  paintGrid(colour) {
    const { context } = this;
    const wanted = this.isWhole ? 30 : this.field / 5;
    const step = STEPS.find((each) => each <= wanted) ?? STEPS.at(-1);
    const half = this.isWhole ? 90 : Math.min(90, this.field);
    const [low, high] = [Math.max(-90, this.dec - half), Math.min(90, this.dec + half)];
    const decs = this.isWhole ? [-90, 90] : [low, high];
    const atPole = decs[0] <= -89 || decs[1] >= 89;
    const squeeze = Math.max(0.02, Math.cos(Math.min(90, Math.abs(this.dec)) * RADIAN));
    const raHalf = this.isWhole || atPole ? 180 : Math.min(180, half / squeeze);
    const raStep = this.isWhole ? 30 : STEPS.find((each) => each <= wanted / squeeze) ?? step;
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.beginPath();
    const ras = [], seen = [];
    for (let n = Math.ceil((this.ra - raHalf) / raStep); n * raStep < this.ra + raHalf + (raHalf >= 180 ? -1e-6 : 0); n++) ras.push(n * raStep);
    for (let n = Math.ceil(decs[0] / step); n * step <= decs[1]; n++) seen.push(n * step);
    for (const ra of ras) this.traceLine((t) => [ra, decs[0] + t * (decs[1] - decs[0])]);
    for (const dec of seen) this.traceLine((t) => [this.ra - raHalf + 2 * raHalf * (0.0001 + 0.9998 * t), dec]);
    context.stroke();
    this.paintLabels(colour, ras, seen, raStep, step);
  }

  traceLine(at) {
    let before = null;
    for (let n = 0; n <= 60; n++) {
      const point = this.projection.project(toVector(...at(n / 60)));
      if (point) {
        const [x, y] = this.toCanvas(point);
        if (before && Math.hypot(x - before[0], y - before[1]) < this.width) this.context.lineTo(x, y);
        else this.context.moveTo(x, y);
        before = [x, y];
      } else before = null;
    }
  }

  paintLabels(colour, ras, decs, raStep, decStep) {
    const { context } = this;
    const digits = (step) => Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    context.fillStyle = colour("--muted");
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = colour("--panel");
    const inView = (sign) => !this.isWhole && 90 - sign * this.dec < this.field * 0.4;
    const pole = inView(1) ? 1 : inView(-1) ? -1 : 0;
    const put = (text, ra, dec, align, baseline) => {
      const point = this.projection.project(toVector(ra, dec));
      if (!point) return;
      let [x, y] = this.toCanvas(point);
      if (!this.isWhole) { // along the edges of the canvas
        if (align === "left") x = 4;
        else if (!pole) y = this.height - 4;
        if (x < 0 || x > this.width || y < 0 || y > this.height) return;
      }
      context.textAlign = align;
      context.textBaseline = baseline;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    };
    for (const ra of ras) {
      if (this.isWhole && Math.abs(ra - this.ra) > 170) continue; // cut off by the rim
      if (!this.isWhole && !pole && Math.abs(ra - this.ra) > 90) continue; // behind the pole
      const dec = pole ? pole * (90 - this.field / 5) : this.isWhole ? 0 : this.dec;
      put(`${Number((((ra % 360) + 360) % 360).toFixed(digits(raStep)))}°`, ra, dec, "center", "bottom");
    }
    for (const dec of decs) if (Math.abs(dec) < 90 && !(this.isWhole && dec === 0)) put(`${dec > 0 ? "+" : ""}${dec.toFixed(digits(decStep))}°`, this.ra, dec, this.isWhole ? "center" : "left", this.isWhole ? "top" : "middle");
  }

  paintPositions(colour) {
    const { context } = this;
    const size = this.positions.length > 2000 ? 2 : this.positions.length > 200 ? 4 : 7;
    const colours = { ok: colour("--ok"), partial: colour("--warn"), failed: colour("--bad"), unmatched: colour("--bad") };
    const middle = this.isWhole ? null : this.projection.centre;
    const reach = middle && Math.cos(Math.min(Math.PI, Math.hypot(this.width, this.height) / 2 / this.scale * 1.2));
    for (const { at, status } of this.positions) {
      if (middle && dot(middle, at) < reach) continue;
      const point = this.projection.project(at);
      if (!point) continue;
      const [x, y] = this.toCanvas(point);
      context.fillStyle = colours[status] ?? colour("--text");
      if (size < 5) context.fillRect(x - size / 2, y - size / 2, size, size);
      else { context.beginPath(); context.arc(x, y, size / 2, 0, 2 * Math.PI); context.fill(); }
    }
    if (this.picked) {
      const point = this.projection.project(toVector(...this.picked));
      if (!point) return;
      const [x, y] = this.toCanvas(point);
      context.strokeStyle = colour("--bad");
      context.lineWidth = 2;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 5 * dx, y + 5 * dy);
        context.lineTo(x + 13 * dx, y + 13 * dy);
      }
      context.stroke();
    }
  }

  // ------------------------------------------------------------- interaction

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
      if (this.pointers.size === 1) this.start = [event.offsetX, event.offsetY];
      else this.start = null;
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    const end = (event) => {
      this.pointers.delete(event.pointerId);
      if (event.type === "pointerup" && this.start && !this.isDragged) this.pickAt(...this.start);
      if (!this.pointers.size) { this.start = null; this.isDragged = false; }
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoom(0.4, event.offsetX, event.offsetY));
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  move(event) {
    const now = [event.offsetX, event.offsetY];
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.readOut(...now);
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const gap = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
      this.zoom(gap(before) / gap(now), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (this.isDragged || (this.start && Math.hypot(now[0] - this.start[0], now[1] - this.start[1]) > 4)) {
      this.isDragged = true;
      this.pan(now[0] - before[0], now[1] - before[1]);
    } else return undefined;
    this.pointers.set(event.pointerId, now);
    return undefined;
  }

  press(event) {
    const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (steps[event.key]) this.pan(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.6);
    else if (event.key === "-") this.zoom(1 / 0.6);
    else if (event.key === "Home") this.fit();
    else if (event.key === "Enter") this.pickAt(this.width / 2, this.height / 2);
    else return;
    event.preventDefault();
    this.readOut(this.width / 2, this.height / 2);
  }

  readOut(x, y) {
    const at = this.positionAt(x, y);
    if (this.onReadout) this.onReadout(at && { ra: at[0], dec: at[1], tile: this.tileAt(...at)?.name ?? "" });
  }

  pickAt(x, y) {
    const at = this.positionAt(x, y);
    this.readOut(x, y);
    if (!at || !this.onPick) return;
    this.picked = at;
    this.onPick(...at);
    this.draw();
  }
}

// Outlines run in either direction; sides point inwards.
const makeTile = (name, angles) => {
  const corners = [];
  for (let n = 0; n < angles.length; n += 2) corners.push(toVector(angles[n], angles[n + 1]));
  const sum = corners.reduce((u, v) => [u[0] + v[0], u[1] + v[1], u[2] + v[2]]);
  const length = Math.hypot(...sum) || 1;
  const centre = sum.map((value) => value / length);
  const nearness = Math.min(...corners.map((corner) => dot(corner, centre)));
  const inwards = corners.map((corner, place) => {
    const side = cross(corner, corners[(place + 1) % corners.length]);
    return dot(side, centre) < 0 ? side.map((value) => -value) : side;
  });
  return { name, corners, centre, nearness, inwards, radius: Math.acos(Math.max(-1, Math.min(1, nearness))) };
};
