// The page of the sky: the map, a place to go to, and what can be done with a chosen position.

import { SkyView, sexagesimal } from "./sky.js";

const base = document.querySelector('meta[name="base"]').content;
const box = document.getElementById("sky");
const find = (id) => document.getElementById(id);

// A place as people write it: two numbers of degrees, or sexagesimal hours and degrees.
export const readPlace = (text) => {
  const fields = text.trim().split(/[\s,]+/);
  const angle = (field, hours) => {
    const parts = /^([+\-−]?)(\d{1,3}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?$/.exec(field);
    if (!parts) return /^[+\-−]?(\d+\.?\d*|\.\d+)$/.test(field) ? Number(field.replace("−", "-")) : NaN;
    const value = Number(parts[2]) + parts[3] / 60 + Number(parts[4] ?? 0) / 3600;
    return (parts[1] && parts[1] !== "+" ? -value : value) * (hours ? 15 : 1);
  };
  if (fields.length === 6) return readPlace(`${fields.slice(0, 3).join(":")} ${fields.slice(3).join(":")}`);
  if (fields.length !== 2) return null;
  const [ra, dec] = [angle(fields[0], true), angle(fields[1], false)];
  return Number.isFinite(ra) && Math.abs(dec) <= 90 ? [((ra % 360) + 360) % 360, dec] : null;
};

const start = async () => {
  const canvas = box.querySelector("canvas"), readout = box.querySelector("output");
  const buttons = box.querySelector(".buttons");
  canvas.hidden = false;
  const view = new SkyView(canvas, {
    base,
    onReadout: (at) => {
      readout.hidden = !at;
      if (at) readout.textContent = `${at.ra.toFixed(4)} ${at.dec.toFixed(4)}  ${sexagesimal(at.ra, at.dec)}  ${at.tile}`;
    },
    onPick: (ra, dec) => choose(view, ra, dec),
  });
  await view.setRelease(box.dataset.release);
  box.querySelector(".overview").style.display = "none";
  for (const each of [buttons, ...document.querySelectorAll(".needs-script:not(#chosen)")]) each.hidden = false;
  for (const each of document.querySelectorAll(".script-less")) each.hidden = true;
  buttons.addEventListener("click", (event) => {
    const act = { in: () => view.zoom(0.5), out: () => view.zoom(2), fit: () => view.fit() }[event.target.dataset.act];
    if (act) act();
  });
  find("release").addEventListener("change", (event) => event.target.form.submit());
  find("goto").addEventListener("submit", (event) => { event.preventDefault(); goTo(view, find("place").value); });
  const query = new URLSearchParams(location.search);
  const [ra, dec] = [Number(query.get("ra") ?? NaN), Number(query.get("dec") ?? NaN)];
  if (Number.isFinite(ra) && Math.abs(dec) <= 90) view.goTo(ra, dec, Number(query.get("fov")) || 2);
  if (query.get("job")) await showJob(view, query.get("job"));
  box.dataset.ready = "true";
  window.skyView = view; // for who looks from the console
};

const goTo = (view, text) => {
  const tile = view.tiles.find((each) => each.name.toLowerCase() === text.trim().toLowerCase());
  const place = readPlace(text);
  find("place-fault").textContent = tile || place ? "" : "neither a position nor a tile of this release";
  if (tile) {
    const [x, y, z] = tile.centre;
    view.goTo(Math.atan2(y, x) * 180 / Math.PI, Math.asin(z) * 180 / Math.PI, tile.radius * 400 / Math.PI);
  } else if (place) view.goTo(...place, Math.min(view.field, 2));
};

const choose = (view, ra, dec) => {
  const [r, d] = [ra.toFixed(6), dec.toFixed(6)];
  const tile = view.tileAt(ra, dec);
  find("chosen").hidden = false;
  find("chosen-text").textContent = `${r} ${d}   ${sexagesimal(ra, dec)}   ${tile ? tile.name : "in no tile"}`;
  const release = `RELEASE=${encodeURIComponent(view.release)}`;
  find("chosen-cut").href = `${base}/?${release}&POSITIONS=${encodeURIComponent(`RA,DEC\n${r},${d}\n`)}`;
  find("chosen-fits").href = `${base}/sync?${release}&RA=${r}&DEC=${d}`;
  find("chosen-png").href = `${base}/sync?${release}&RA=${r}&DEC=${d}&MAKE_RGB_LUPTON=true&RESPONSEFORMAT=png`;
};

const showJob = async (view, job) => {
  const positions = [];
  for (let from = 0, total = 1; from < total && from < 200000;) {
    const answer = await fetch(`${base}/jobs/${encodeURIComponent(job)}/rows?from=${from}&count=1000`);
    if (!answer.ok) return;
    const found = await answer.json();
    if (!found.rows.length) break;
    total = found.total;
    from += found.rows.length;
    for (const row of found.rows) if (row.ra !== null) positions.push([row.ra, row.dec, row.status]);
    view.setPositions(positions);
  }
  box.dataset.positions = positions.length;
  box.setAttribute("aria-label", `${box.getAttribute("aria-label") ?? "The sky"}, with ${positions.length} positions of a job`);
};

if (box) start().catch((error) => { find("place-fault").textContent = error.message; });
