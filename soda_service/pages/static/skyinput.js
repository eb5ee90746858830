// @ts-check
// Pointers, wheel and keys of a view of the sky: one pointer drags or picks, two zoom.

/** @typedef {import("./sky.js").SkyView} SkyView */
/** @typedef {import("./sphere.js").Point} Point */

const DRAG = 4; // pixels: less is a click
/** @type {Record<string, Point>} */
const STEPS = {
  ArrowLeft: [60, 0],
  ArrowRight: [-60, 0],
  ArrowUp: [0, 60],
  ArrowDown: [0, -60],
};

/** @type {(from: Point, to: Point) => number} */
const distance = (from, to) => Math.hypot(to[0] - from[0], to[1] - from[1]);

/** The pointers that are down on a canvas. */
class Pointers {
  /** @param {SkyView} view */
  constructor(view) {
    this.view = view;
    /** @type {Map<number, Point>} */
    this.down = new Map();
    /** @type {Point | null} */
    this.start = null; // where a single pointer went down
    this.isDragged = false;
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.view.canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.start = this.down.size === 1 ? [event.offsetX, event.offsetY] : null;
  }

  /** @param {PointerEvent} event */
  move(event) {
    /** @type {Point} */
    const now = [event.offsetX, event.offsetY];
    const before = this.down.get(event.pointerId);
    if (!before) {
      this.view.readOut(...now);
      return;
    }
    const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const factor = (distance(before, other) || 1) / (distance(now, other) || 1);
      this.view.zoom(factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (this.isDragged || (this.start && distance(this.start, now) > DRAG)) {
      this.isDragged = true;
      this.view.pan(now[0] - before[0], now[1] - before[1]);
    } else return;
    this.down.set(event.pointerId, now);
  }

  /** @param {PointerEvent} event */
  release(event) {
    this.down.delete(event.pointerId);
    const isClick = event.type === "pointerup" && !this.isDragged;
    if (isClick && this.start) this.view.pickAt(...this.start);
    if (this.down.size) return;
    this.start = null;
    this.isDragged = false;
  }
}

/** @type {(view: SkyView, event: KeyboardEvent) => void} */
const pressKey = (view, event) => {
  const [x, y] = [view.width / 2, view.height / 2];
  if (event.key in STEPS) view.pan(...STEPS[event.key]);
  else if (event.key === "+" || event.key === "=") view.zoom(0.6);
  else if (event.key === "-") view.zoom(1 / 0.6);
  else if (event.key === "Home") view.fit();
  else if (event.key === "Enter") view.pickAt(x, y);
  else return;
  event.preventDefault();
  view.readOut(x, y);
};

/**
 * Let a view be moved, zoomed and pointed at.
 * @param {SkyView} view
 */
export const listen = (view) => {
  const { canvas } = view;
  const pointers = new Pointers(view);
  canvas.addEventListener("pointerdown", (event) => pointers.press(event));
  canvas.addEventListener("pointermove", (event) => pointers.move(event));
  canvas.addEventListener("pointerup", (event) => pointers.release(event));
  canvas.addEventListener("pointercancel", (event) => pointers.release(event));
  const wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const speed = event.deltaMode ? 0.05 : 0.0015;
    view.zoom(Math.exp(event.deltaY * speed), event.offsetX, event.offsetY);
  };
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("dblclick", (event) => view.zoom(0.4, event.offsetX, event.offsetY));
  canvas.addEventListener("keydown", (event) => pressKey(view, event));
};
