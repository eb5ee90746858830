// @ts-check
// The page of the sky: the map, a place to go to, and what can be done with a chosen position.

import { closest, find, meta, select } from "./dom.js";
import { parsePosition, sexagesimal } from "./positions.js";
import { SkyView } from "./sky.js";
import { RADIAN, toPosition } from "./sphere.js";

const POSITIONS_MAX = 200_000; // of a job, on the map
const BLOCK = 1000;

const base = meta("base");
const box = document.getElementById("sky");

/** @param {HTMLElement} map */
const start = async (map) => {
  const canvas = select(map, "canvas", HTMLCanvasElement);
  canvas.hidden = false;
  const view = new SkyView(canvas, {
    base,
    onReadout: (at) => showReadout(select(map, "output", HTMLOutputElement), at),
    onPick: (ra, dec) => choose(view, ra, dec),
  });
  await view.setRelease(map.dataset.release ?? "");
  select(map, ".overview", SVGElement).style.display = "none";
  for (const each of document.querySelectorAll(".needs-script:not(#chosen)")) {
    each.removeAttribute("hidden");
  }
  for (const each of document.querySelectorAll(".script-less")) each.remove();
  listen(view, select(map, ".buttons", HTMLElement));
  const query = new URLSearchParams(window.location.search);
  const [ra, dec] = [Number(query.get("ra") ?? NaN), Number(query.get("dec") ?? NaN)];
  if (Number.isFinite(ra) && Math.abs(dec) <= 90) view.goTo(ra, dec, Number(query.get("fov")) || 2);
  const job = query.get("job");
  if (job) await showJob(map, view, job);
  Object.assign(window, { skyView: view }); // for the console, and for tests
  map.dataset.ready = "true";
};

/** @type {(view: SkyView, buttons: HTMLElement) => void} */
const listen = (view, buttons) => {
  /** @type {Record<string, () => void>} */
  const actions = { in: () => view.zoom(0.5), out: () => view.zoom(2), fit: () => view.fit() };
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    const action = closest(event, "[data-act]")?.dataset.act;
    if (action) actions[action]();
  });
  const release = find("release", HTMLSelectElement);
  release.addEventListener("change", () => release.form?.submit());
  find("goto").addEventListener("submit", (event) => {
    event.preventDefault();
    goTo(view, find("place", HTMLInputElement).value);
  });
};

/** @type {(readout: HTMLElement, at: import("./sky.js").Readout | null) => void} */
const showReadout = (readout, at) => {
  readout.hidden = !at;
  if (!at) return;
  const degrees = `${at.ra.toFixed(4)} ${at.dec.toFixed(4)}`;
  readout.textContent = `${degrees}  ${sexagesimal(at.ra, at.dec)}  ${at.tile}`;
};

/**
 * Go to a tile by its name, or to a position.
 * @param {SkyView} view
 * @param {string} text
 */
const goTo = (view, text) => {
  const name = text.trim().toLowerCase();
  const tile = view.tiles.find((each) => each.name.toLowerCase() === name);
  const position = parsePosition(text);
  find("place-fault").textContent =
    tile || position ? "" : "not a position, nor a tile of this release";
  if (tile) view.goTo(...toPosition(tile.centre), (tile.radius / RADIAN) * (400 / 180));
  else if (position) view.goTo(...position, Math.min(view.field, 2));
};

/** @type {(view: SkyView, ra: number, dec: number) => void} */
const choose = (view, ra, dec) => {
  const [r, d] = [ra.toFixed(6), dec.toFixed(6)];
  const tile = view.tileAt(ra, dec)?.name ?? "in no tile";
  find("chosen").hidden = false;
  find("chosen-text").textContent = `${r} ${d}   ${sexagesimal(ra, dec)}   ${tile}`;
  const release = `RELEASE=${encodeURIComponent(view.release)}`;
  const table = encodeURIComponent(`RA,DEC\n${r},${d}\n`);
  const sync = `${base}/sync?${release}&RA=${r}&DEC=${d}`;
  find("chosen-cut", HTMLAnchorElement).href = `${base}/?${release}&POSITIONS=${table}`;
  find("chosen-fits", HTMLAnchorElement).href = sync;
  const picture = find("chosen-png", HTMLAnchorElement);
  picture.href = `${sync}&${picture.dataset.query}`;
};

/**
 * Show the positions of a job, block by block as they come.
 * @param {HTMLElement} map
 * @param {SkyView} view
 * @param {string} job id
 */
const showJob = async (map, view, job) => {
  /** @type {[number, number, string][]} */
  const positions = [];
  let [from, total] = [0, 1];
  while (from < total && from < POSITIONS_MAX) {
    const address = `${base}/jobs/${encodeURIComponent(job)}/rows?from=${from}&count=${BLOCK}`;
    const answer = await fetch(address);
    if (!answer.ok) return;
    /** @type {import("./gallery.js").RowPage} */
    const page = await answer.json();
    if (!page.rows.length) break;
    total = page.total;
    from += page.rows.length;
    for (const { ra, dec, status } of page.rows) {
      if (ra !== null && dec !== null) positions.push([ra, dec, status]);
    }
    view.setPositions(positions);
  }
  map.dataset.positions = String(positions.length);
  const label = map.getAttribute("aria-label") ?? "The sky";
  map.setAttribute("aria-label", `${label}, with ${positions.length} positions of a job`);
};

if (box) {
  start(box).catch((error) => {
    find("place-fault").textContent = error.message;
  });
}
