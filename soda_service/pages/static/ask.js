// The page of new cutouts: joins table, bands, estimate, preview and snippets.

import { FitsBands, Triplets, writeBands } from "./askbands.js";
import { Latest, showFaults, showFound, showNothing, validate, waiting } from "./askestimate.js";
import { Sheet } from "./askpositions.js";
import { Preview } from "./askpreview.js";

const find = (id) => document.getElementById(id);
const base = document.querySelector('meta[name="base"]').content;
const form = find("ask");
const LINES = ["ID", "POS", "CIRCLE", "POLYGON", "BAND", "TIME", "POL"];
const WHOLE_SKY = 340; // degrees across
const SHAPES = ["ID", "POS", "CIRCLE", "POLYGON"];

class Page {
  constructor() {
    this.releases = JSON.parse(find("facts").textContent);
    this.latest = new Latest((signal) => this.check(signal), 400);
    const onChange = () => this.changed();
    this.sheet = new Sheet(find("POSITIONS"), { onChange });
    this.fits = new FitsBands(find("COLORS_FITS"), { onChange });
    this.triplets = [...form.querySelectorAll("[data-method]")].map((line) => new Triplets(line, { onChange }));
    this.preview = new Preview(base);
    this.view = null;
    this.found = null;
    this.setRelease(true);
    this.listen();
    this.link(find("XSIZE").value === find("YSIZE").value);
    for (const each of document.querySelectorAll(".needs-script:not(#preview)")) each.hidden = false;
    for (const each of document.querySelectorAll(".script-less")) each.remove();
    this.sheet.tidy();
    this.changed();
  }

  listen() {
    form.addEventListener("input", (event) => {
      if (event.target.id === "XSIZE" && this.isLinked) find("YSIZE").value = event.target.value;
      if (event.target.id === "YSIZE" && this.isLinked) find("XSIZE").value = event.target.value;
      if (!event.target.closest("#preview, .sheet, .picker")) this.changed();
    });
    find("RELEASE").addEventListener("change", () => this.setRelease(false));
    find("link").addEventListener("click", () => { this.link(!this.isLinked); this.changed(); });
    find("example").addEventListener("click", () => this.sheet.set(this.facts.example, "Two positions that lie in a tile."));
    find("pick").addEventListener("click", () => this.openMap());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.changed(); });
    find("same").addEventListener("toggle", () => this.showSame());
  }

  link(isLinked) {
    this.isLinked = isLinked;
    find("link").setAttribute("aria-pressed", String(isLinked));
    if (isLinked) find("YSIZE").value = find("XSIZE").value;
  }

  // Fields that had the defaults of the release before get those of the new one.
  setRelease(isFirst) {
    const before = this.facts;
    this.facts = this.releases.find((each) => each.name === find("RELEASE").value);
    for (const part of [this.fits, ...this.triplets]) part.setRelease(this.facts, isFirst);
    for (const [name, text] of Object.entries(this.facts.allowed)) find(`allowed-${name}`).textContent = text;
    for (const [name, text] of Object.entries(before?.defaults ?? {})) {
      const field = find(name), now = this.facts.defaults[name];
      if (!field || field.tagName === "DIV" || name.endsWith("_COLORS")) continue;
      if (field.type === "checkbox") { if (String(field.checked) === text && !field.disabled) field.checked = now === "true"; }
      else if (field.value === text) field.value = now;
    }
    find("example").disabled = !this.facts.example;
    this.view?.setRelease(this.facts.name).catch((error) => { find("map-said").textContent = error.message; });
    if (!isFirst) this.changed();
  }

  // Parameters that are to be sent, without what the release does anyhow.
  pairs() {
    const { defaults } = this.facts;
    const pairs = [["RELEASE", this.facts.name]];
    const names = new Set([...form.elements].map((each) => each.name).filter(Boolean));
    for (const name of names) {
      if (["RELEASE", "POSITIONS", "PHASE", "LOOK"].includes(name)) continue;
      const field = find(name);
      let value = "";
      if (name === "COLORS_FITS") value = writeBands(this.fits.chosen, this.facts);
      else if (field.type === "checkbox") value = String(field.checked);
      else value = field.value.trim();
      const isIdle = value === (defaults[name] ?? (name === "MASK" ? "false" : ""));
      if (!value || isIdle) continue;
      if (LINES.includes(name)) pairs.push(...value.split("\n").filter((line) => line.trim()).map((line) => [name, line.trim()]));
      else pairs.push([name, value]);
    }
    return pairs;
  }

  changed() {
    const pairs = this.pairs();
    this.showSame();
    const hasShape = SHAPES.some((name) => find(name).value.trim());
    if (this.sheet.isEmpty && !hasShape) {
      this.latest.control?.abort();
      clearTimeout(this.latest.timer);
      this.sheet.clear();
      showFaults(form, []);
      showNothing("Rows, files, size and time stand here before anything is sent.");
      this.preview.update(this.facts, pairs, [], []);
      this.view?.setPositions([]);
      find("why").textContent = "";
      form.dataset.state = "empty";
      return;
    }
    form.dataset.state = "asking";
    waiting();
    this.latest.start();
  }

  // The snippets are made while somebody looks.
  async showSame() {
    if (!find("same").open) return;
    const { showSnippets } = await import("./asksnippets.js");
    showSnippets(base, this.pairs(), this.sheet.file ? "" : this.sheet.isEmpty ? null : this.sheet.text);
  }

  async check(signal) {
    const pairs = this.pairs();
    try {
      const table = this.sheet.isEmpty ? null : await this.sheet.sample();
      const found = await validate(base, pairs, table, signal);
      if (signal.aborted) return;
      this.show(found, pairs);
    } catch (error) {
      if (signal.aborted) return;
      showNothing(error.message);
      form.dataset.state = "away";
    }
  }

  show(found, pairs) {
    this.sheet.show(found);
    showFound(found);
    find("why").textContent = found.valid ? "" : "There are faults to mend first.";
    const others = showFaults(form, found.faults).map((each) => (each.column ? `${each.column}: ${each.message}` : each.message));
    if (others.length) this.sheet.tell(others.join("; "), true);
    else if (this.sheet.said.classList.contains("bad")) this.sheet.tell("");
    this.preview.update(this.facts, pairs, found.places, this.fits.chosen.length ? this.fits.chosen : this.facts.chosen);
    this.places = found.places;
    this.view?.setPositions(this.positions());
    form.dataset.state = found.valid ? "valid" : "faulty";
  }

  positions() {
    return (this.places ?? []).map((each) => [each.ra_deg, each.dec_deg, each.tile ? "ok" : "unmatched"]);
  }

  // Positions, or all tiles where there are none.
  look() {
    const seen = this.positions().map(([ra, dec]) => [ra * Math.PI / 180, dec * Math.PI / 180]);
    if (!seen.length) return this.view.zoom(1.6); // all tiles, in a canvas that is wide
    const all = seen.map(([ra, dec]) => [Math.cos(dec) * Math.cos(ra), Math.cos(dec) * Math.sin(ra), Math.sin(dec)]);
    const sum = all.reduce((u, v) => u.map((each, at) => each + v[at]));
    const length = Math.hypot(...sum) || 1;
    const nearest = Math.min(...all.map((each) => each.reduce((total, part, at) => total + part * sum[at], 0) / length));
    const reach = Math.acos(Math.max(-1, Math.min(1, nearest))) * 180 / Math.PI;
    return this.view.goTo(Math.atan2(sum[1], sum[0]) * 180 / Math.PI, Math.asin(sum[2] / length) * 180 / Math.PI, reach > 12 ? WHOLE_SKY : Math.max(2.5, 4.5 * reach));
  }

  async openMap() {
    const button = find("pick"), map = find("map");
    map.hidden = !map.hidden;
    button.setAttribute("aria-expanded", String(!map.hidden));
    if (map.hidden || this.view) return;
    try {
      const { SkyView } = await import("./sky.js");
      this.view = new SkyView(map.querySelector("canvas"), { base, onPick: (ra, dec) => this.sheet.addPlace(ra, dec) });
      this.view.resize();
      this.view.setPositions(this.positions());
      await this.view.setRelease(this.facts.name);
      while (form.dataset.state === "asking") await new Promise((done) => { setTimeout(done, 50); });
      this.look();
      map.dataset.ready = "true";
    } catch (error) {
      find("map-said").textContent = error.message;
    }
  }
}

// A second click makes no second job; whoever comes back to the form may send it again.
form?.addEventListener("submit", (event) => {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "true";
});
window.addEventListener("pageshow", () => { if (form) delete form.dataset.sent; });

find("faults")?.focus();
if (form) window.askPage = new Page();
