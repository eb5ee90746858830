// A picture of one row as it would be made, by /sync.

import { readTriplets, writeBands } from "./askbands.js";
import { Latest } from "./askestimate.js";

const WIDEST_ARCMIN = 3;
const SCALES = ["RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH"];
const find = (id) => document.getElementById(id);

export class Preview {
  constructor(base) {
    this.base = base;
    this.pairs = [];
    this.places = [];
    this.address = "";
    this.latest = new Latest((signal) => this.load(signal), 350);
    for (const id of ["shown", "row"]) find(id).addEventListener("change", () => this.start());
  }

  // What can be shown: pictures asked for, and bands in grey.
  update(facts, pairs, places, choices) {
    Object.assign(this, { pairs, places: places.filter((each) => each.tile) });
    find("preview").hidden = !this.places.length;
    if (!this.places.length) return;
    const offered = [];
    for (const [method, title] of [["LUPTON", "Lupton"], ["STIFF", "STIFF"]]) {
      if (find(`MAKE_RGB_${method}`).checked) for (const each of readTriplets(find(`RGB_${method}_COLORS`).value, facts)) offered.push([`${method}:${writeBands(each, facts)}`, `${title} ${each.join(" ")}`]);
    }
    for (const band of choices) offered.push([`FITS:${writeBands([band], facts)}`, `band ${band}`]);
    this.fill(find("shown"), offered);
    this.fill(find("row"), this.places.slice(0, 200).map((each) => [String(each.row), String(each.row)]));
    this.start();
  }

  fill(select, options) {
    const before = select.value;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === before)) select.value = before;
  }

  start() {
    const place = this.places.find((each) => String(each.row) === find("row").value);
    const [kind, bands] = find("shown").value.split(/:(.*)/);
    if (!place || !bands) return;
    const given = Object.fromEntries(this.pairs);
    const query = new URLSearchParams({ RA: place.ra_deg, DEC: place.dec_deg, RESPONSEFORMAT: "png" });
    for (const name of ["RELEASE", "EDGE"]) if (given[name]) query.set(name, given[name]);
    for (const name of ["XSIZE", "YSIZE"]) query.set(name, Math.min(Number(find(name).value) || 1, WIDEST_ARCMIN));
    if (kind === "FITS") query.set("COLORS_FITS", bands);
    else {
      query.set("MAKE_FITS", "false");
      query.set(`MAKE_RGB_${kind}`, "true");
      query.set(`RGB_${kind}_COLORS`, bands);
    }
    if (kind === "LUPTON") for (const name of SCALES) if (given[name]) query.set(name, given[name]);
    const other = kind === "LUPTON" ? "STIFF" : "LUPTON";
    query.set(`MAKE_RGB_${other}`, "false");
    if (kind === "FITS") query.set("MAKE_RGB_STIFF", "false");
    const address = `${this.base}/sync?${query}`;
    if (address === this.address) return;
    this.address = address;
    find("picture").classList.add("old");
    this.latest.start();
  }

  async load(signal) {
    const picture = find("picture"), said = find("picture-said");
    const answer = await fetch(this.address, { signal });
    if (answer.status !== 200) {
      picture.hidden = true;
      said.textContent = answer.status === 204 ? "No pixel lies there." : (await answer.text()).trim().replace(/^\w+: /, "");
      if (answer.status === 503) this.address = ""; // to be asked again
      return;
    }
    const content = await answer.blob();
    if (signal.aborted) return;
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(content);
    picture.alt = `Row ${find("row").value}, ${find("shown").selectedOptions[0].text}`;
    picture.hidden = false;
    picture.classList.remove("old");
    said.textContent = "";
  }
}
