// @ts-check
// Aladin Lite with the footprint of a release: loaded on a click, and not before.

import { find, meta } from "./dom.js";

const base = meta("base");
const button = find("load", HTMLButtonElement);
const query = new URLSearchParams(window.location.search);

/** Return the program, which is a global name of its script. */
const program = () => /** @type {any} */ (window).A;

/** @param {string} address */
const loadScript = (address) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: address, onload: resolve, onerror: reject });
    document.head.append(script);
  });

const show = async () => {
  button.disabled = true;
  find("away").hidden = true;
  try {
    await loadScript(`${button.dataset.aladin}/AladinLite/api/v3/latest/aladin.js`);
    find("aladin-view").hidden = false;
    await program().init;
    const target = query.get("ra") ? `${query.get("ra")} ${query.get("dec")}` : "0 0";
    const fov = Number(query.get("fov")) || 180;
    const view = program().aladin("#aladin-view", { target, fov, cooFrame: "ICRSd" });
    const release = query.get("release");
    if (release) await addFootprint(view, release);
    button.hidden = true;
  } catch {
    find("away").hidden = false;
    button.disabled = false;
  }
};

/**
 * Draw the outlines of a release's tiles.
 * @param {any} view of Aladin Lite
 * @param {string} release
 */
const addFootprint = async (view, release) => {
  const answer = await fetch(`${base}/releases/${encodeURIComponent(release)}/footprint`);
  /** @type {{ outlines: number[][] }} */
  const { outlines } = await answer.json();
  const overlay = program().graphicOverlay({ color: "#5b8cff", lineWidth: 1, name: release });
  view.addOverlay(overlay);
  const polygons = outlines.map((angles) => {
    const corners = [];
    for (let n = 0; n < angles.length; n += 2) corners.push([angles[n], angles[n + 1]]);
    return program().polygon(corners);
  });
  overlay.addFootprints(polygons);
};

button.hidden = false;
button.addEventListener("click", show);
