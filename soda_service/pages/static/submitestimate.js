// @ts-check
// The estimate of a request: requested from /validate while the form is filled in.

import { find, make } from "./dom.js";
import { duration, number, size } from "./text.js";

/** @typedef {{ row: number | null, column: string | null, message: string }} Fault */
/** @typedef {{ row: number, ra_deg: number, dec_deg: number, tile: string }} Place */
/**
 * The answer of /validate, as far as the form needs it.
 * @typedef {object} Estimate
 * @property {boolean} valid
 * @property {boolean} is_complete whether all rows were looked at
 * @property {number} rows
 * @property {number} matched rows that lie in a tile
 * @property {{ row: number, message: string }[]} unmatched the first of the others
 * @property {number} files
 * @property {number} size_bytes
 * @property {number | null} seconds
 * @property {Fault[]} faults
 * @property {Place[]} places of the first rows
 * @property {string[]} tiles the first of them
 * @property {number} total_tiles
 * @property {string[]} warnings
 */

const TILES_MAX = 8; // shown by name

/**
 * Check a request without sending it.
 * @param {string} base address of the service
 * @param {[name: string, value: string][]} parameters
 * @param {Blob | null} table of positions
 * @param {AbortSignal} signal
 * @returns {Promise<Estimate>}
 */
export const validate = async (base, parameters, table, signal) => {
  const body = new FormData();
  for (const [name, value] of parameters) body.append(name, value);
  if (table) body.append("POSITIONS", table, "positions");
  const answer = await fetch(`${base}/validate`, { method: "POST", body, signal });
  if (!answer.ok) throw new Error((await answer.text()).trim().replace(/^\w+: /, ""));
  return answer.json();
};

/**
 * Return an estimate in words: its sums by name, the tiles, and how many rows are in a tile
 * (`ok`), in none (`off`) or faulty (`bad`).
 * @param {Estimate} estimate
 */
export const describe = (estimate) => {
  const faulty = new Set(estimate.faults.map((each) => each.row));
  faulty.delete(null);
  /** @type {[string, string][]} */
  const sums = [
    ["Rows", `${number(estimate.rows)}${estimate.is_complete ? "" : " +"}`],
    ["In tiles", number(estimate.matched)],
    ["Files", number(estimate.files)],
    ["Size", size(estimate.size_bytes)],
  ];
  if (estimate.seconds !== null) sums.push(["Time", duration(estimate.seconds)]);
  /** @type {[string, number][]} */
  const counts = [
    ["ok", estimate.matched],
    ["off", estimate.rows - estimate.matched - faulty.size],
    ["bad", faulty.size],
  ];
  return {
    sums,
    coverage: counts.filter(([, count]) => count > 0),
    tiles: describeTiles(estimate),
  };
};

/** @param {Estimate} estimate */
const describeTiles = ({ tiles, total_tiles: total }) => {
  if (!total) return "";
  const named = tiles.slice(0, TILES_MAX);
  const others = total - named.length;
  const words = `${number(total)} tile${total === 1 ? "" : "s"}: ${named.join(", ")}`;
  return others ? `${words} and ${number(others)} more` : words;
};

/** Show that the estimate is no longer that of the form. */
export const showOutdated = () => find("sums").classList.add("old");

/**
 * Show a text instead of an estimate.
 * @param {string} text
 */
export const showText = (text) => {
  for (const id of ["sums", "coverage", "tiles", "warnings"]) find(id).hidden = true;
  find("idle").hidden = false;
  find("idle").textContent = text;
};

/** @param {Estimate} estimate */
export const showEstimate = (estimate) => {
  const { sums, coverage, tiles } = describe(estimate);
  const items = sums.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
  const bars = coverage.map(([kind, count]) => {
    const bar = make("i", { className: kind });
    bar.style.flexGrow = String(count);
    return bar;
  });
  find("sums").replaceChildren(...items);
  find("sums").classList.remove("old");
  find("coverage").replaceChildren(...bars);
  find("tiles").textContent = tiles;
  find("warnings").replaceChildren(...estimate.warnings.map((text) => make("li", {}, text)));
  find("idle").hidden = true;
  find("sums").hidden = !estimate.rows;
  find("coverage").hidden = !estimate.rows;
  find("tiles").hidden = !tiles;
  find("warnings").hidden = !estimate.warnings.length;
};

/**
 * Show faults beside their fields; return those that belong neither to a field nor to a row.
 * @param {HTMLFormElement} form
 * @param {Fault[]} faults
 */
export const showFaults = (form, faults) => {
  for (const box of form.querySelectorAll(".fault")) {
    box.textContent = "";
    document.getElementById(box.id.replace("fault-", ""))?.removeAttribute("aria-invalid");
  }
  return faults.filter(({ row, column, message }) => {
    if (row !== null) return false;
    const box = column && document.getElementById(`fault-${column}`);
    if (!box) return true;
    box.textContent = message;
    const field = find(column);
    if (field.matches("input, select, textarea")) field.setAttribute("aria-invalid", "true");
    return false;
  });
};
