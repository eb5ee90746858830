// @ts-check
// A picture of one row as it would be made, by /sync.

import { find } from "./dom.js";
import { Latest } from "./latest.js";
import { readTriplets, writeBands } from "./submitbands.js";

/** @typedef {import("./submitbands.js").Facts} Facts */
/** @typedef {import("./submitbands.js").Triplets} Triplets */
/** @typedef {import("./submitestimate.js").Place} Place */
/** @typedef {[name: string, value: string][]} Parameters */

const WIDEST = 3; // arcmin
const ROWS_MAX = 200; // offered
const BAND = "FITS"; // the kind of a picture of one band in grey

/**
 * Return the query of a picture for /sync.
 * @param {Place} place
 * @param {string} kind a picture method, or `FITS` for one band
 * @param {string} bands
 * @param {Parameters} parameters of the request
 * @param {[width: number, height: number]} size arcmin
 * @param {{ method: string, settings: string[] }[]} methods all that there are
 */
export const pictureQuery = (place, kind, bands, parameters, size, methods) => {
  const values = new Map(parameters);
  const query = new URLSearchParams({
    RA: String(place.ra_deg),
    DEC: String(place.dec_deg),
    RESPONSEFORMAT: "png",
    XSIZE: String(Math.min(size[0] || 1, WIDEST)),
    YSIZE: String(Math.min(size[1] || 1, WIDEST)),
  });
  const settings = methods.find((each) => each.method === kind)?.settings ?? [];
  for (const name of ["RELEASE", "EDGE", ...settings]) {
    const value = values.get(name);
    if (value) query.set(name, value);
  }
  for (const { method } of methods) query.set(`MAKE_RGB_${method}`, String(method === kind));
  if (kind === BAND) query.set("COLORS_FITS", bands);
  else {
    query.set("MAKE_FITS", "false");
    query.set(`RGB_${kind}_COLORS`, bands);
  }
  return query;
};

export class Preview {
  /**
   * @param {string} base address of the service
   * @param {Triplets[]} methods
   */
  constructor(base, methods) {
    this.base = base;
    this.methods = methods;
    /** @type {Parameters} */
    this.parameters = [];
    /** @type {Place[]} */
    this.places = [];
    this.address = "";
    this.choice = find("picture-choice", HTMLSelectElement);
    this.row = find("row", HTMLSelectElement);
    this.picture = find("picture", HTMLImageElement);
    this.status = find("picture-status");
    this.latest = new Latest((signal) => this.load(signal), 350);
    for (const each of [this.choice, this.row]) {
      each.addEventListener("change", () => this.start());
    }
  }

  /**
   * Offer what can be shown: pictures that the request makes, and bands in grey.
   * @param {Facts} facts
   * @param {Parameters} parameters
   * @param {Place[]} places
   * @param {string[]} bands
   */
  update(facts, parameters, places, bands) {
    this.parameters = parameters;
    this.places = places.filter((each) => each.tile);
    find("preview").hidden = !this.places.length;
    if (!this.places.length) return;
    /** @type {[value: string, text: string][]} */
    const pictures = [];
    for (const { method, title, field, isOn } of this.methods) {
      for (const each of isOn ? readTriplets(field.value, facts) : []) {
        pictures.push([`${method}:${writeBands(each, facts)}`, `${title} ${each.join(" ")}`]);
      }
    }
    for (const band of bands) {
      pictures.push([`${BAND}:${writeBands([band], facts)}`, `band ${band}`]);
    }
    const rows = this.places.slice(0, ROWS_MAX).map((each) => String(each.row));
    this.fill(this.choice, pictures);
    this.fill(
      this.row,
      rows.map((row) => [row, row]),
    );
    this.start();
  }

  /**
   * Put options into a list; what was chosen stays so, if it is still there.
   * @param {HTMLSelectElement} list
   * @param {[value: string, text: string][]} options
   */
  fill(list, options) {
    const before = list.value;
    list.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === before)) list.value = before;
  }

  /** Load the chosen picture, unless it is there already. */
  start() {
    const place = this.places.find((each) => String(each.row) === this.row.value);
    const [kind, bands] = this.choice.value.split(/:(.*)/);
    if (!place || !bands) return;
    /** @type {(id: string) => number} */
    const value = (id) => Number(find(id, HTMLInputElement).value);
    /** @type {[number, number]} */
    const size = [value("XSIZE"), value("YSIZE")];
    const query = pictureQuery(place, kind, bands, this.parameters, size, this.methods);
    const address = `${this.base}/sync?${query}`;
    if (address === this.address) return;
    this.address = address;
    this.picture.classList.add("old");
    this.latest.start();
  }

  /** @param {AbortSignal} signal */
  async load(signal) {
    const { picture, status } = this;
    const answer = await fetch(this.address, { signal });
    if (answer.status !== 200) {
      const message = (await answer.text()).trim().replace(/^\w+: /, "");
      picture.hidden = true;
      status.textContent = answer.status === 204 ? "There are no pixels here." : message;
      if (answer.status === 503) this.address = ""; // to be tried again
      return;
    }
    const content = await answer.blob();
    if (signal.aborted) return;
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(content);
    picture.alt = `Row ${this.row.value}, ${this.choice.selectedOptions[0].text}`;
    picture.hidden = false;
    picture.classList.remove("old");
    status.textContent = "";
  }
}
