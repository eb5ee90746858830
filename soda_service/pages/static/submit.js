// @ts-check
// The page of new cutouts: joins table, bands, estimate, map, preview and snippets.

import { closest, find, meta, select } from "./dom.js";
import { Latest } from "./latest.js";
import { FitsBands, Triplets, writeBands } from "./submitbands.js";
import { showEstimate, showFaults, showOutdated, showText, validate } from "./submitestimate.js";
import { Preview } from "./submitpreview.js";
import { Sheet } from "./submitsheet.js";

/** @typedef {import("./submitbands.js").Facts} Facts */
/** @typedef {import("./submitestimate.js").Estimate} Estimate */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field */

const SHAPES = ["ID", "POS", "CIRCLE", "POLYGON"];
const LINES = [...SHAPES, "BAND", "TIME", "POL"]; // a value on each line
const CONTROLS = ["RELEASE", "POSITIONS", "PHASE", "VALIDATE"]; // sent apart, or not at all
const IDLE = "You will see file count, size and time here before you submit.";

const base = meta("base");

/** @type {(element: unknown) => element is Field} */
const isField = (element) =>
  element instanceof HTMLInputElement ||
  element instanceof HTMLSelectElement ||
  element instanceof HTMLTextAreaElement;

/** @type {(error: unknown) => string} */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

class Page {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    /** @type {Facts[]} */
    this.releases = JSON.parse(find("facts").textContent ?? "");
    this.facts = this.chosenRelease;
    this.latest = new Latest((signal) => this.check(signal), 400);
    const onChange = () => this.changed();
    const lines = [...form.querySelectorAll("[data-method]")].filter(
      (e) => e instanceof HTMLElement,
    );
    this.sheet = new Sheet(find("POSITIONS", HTMLTextAreaElement), onChange);
    this.fits = new FitsBands(find("COLORS_FITS"), this.facts, onChange);
    this.methods = lines.map((line) => new Triplets(line, this.facts, onChange));
    this.preview = new Preview(base, this.methods.toReversed());
    this.width = find("XSIZE", HTMLInputElement);
    this.height = find("YSIZE", HTMLInputElement);
    this.same = find("same", HTMLDetailsElement);
    /** @type {import("./sky.js").SkyView | null} */
    this.view = null;
    /** @type {Estimate["places"]} */
    this.places = [];
    this.isLinked = this.width.value === this.height.value;
    this.showRelease();
    this.link(this.isLinked);
    this.listen();
    for (const each of document.querySelectorAll(".needs-script:not(#preview)")) {
      each.removeAttribute("hidden");
    }
    for (const each of document.querySelectorAll(".script-less")) each.remove();
    this.sheet.tidy();
    this.changed();
  }

  listen() {
    this.form.addEventListener("input", (event) => {
      if (this.isLinked && event.target === this.width) this.height.value = this.width.value;
      if (this.isLinked && event.target === this.height) this.width.value = this.height.value;
      if (!closest(event, "#preview, .sheet, .picker")) this.changed();
    });
    find("RELEASE").addEventListener("change", () => this.setRelease());
    find("link").addEventListener("click", () => {
      this.link(!this.isLinked);
      this.changed();
    });
    find("example").addEventListener("click", () => {
      this.sheet.set(this.facts.example, "Two example positions of this release.");
    });
    find("pick").addEventListener("click", () => this.toggleMap());
    this.same.addEventListener("toggle", () => this.showSame());
    this.same.addEventListener("click", (event) => this.copySame(event));
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.changed();
    });
  }

  /** @param {boolean} isLinked whether width and height are the same */
  link(isLinked) {
    this.isLinked = isLinked;
    find("link").setAttribute("aria-pressed", String(isLinked));
    if (isLinked) this.height.value = this.width.value;
  }

  get chosenRelease() {
    const { value } = find("RELEASE", HTMLSelectElement);
    const facts = this.releases.find((each) => each.name === value);
    if (!facts) throw new Error(`release ${value} is not known to the page`);
    return facts;
  }

  /** Follow the choice of a release. */
  setRelease() {
    const before = this.facts.defaults;
    this.facts = this.chosenRelease;
    this.fits.setRelease(this.facts);
    for (const each of this.methods) each.setRelease(this.facts);
    for (const [name, text] of Object.entries(before)) this.setDefault(name, text);
    this.showRelease();
    this.loadTiles();
    this.changed();
  }

  /**
   * Give a field the default of the release if it had that of the release before.
   * @param {string} name
   * @param {string} before
   */
  setDefault(name, before) {
    const field = document.getElementById(name);
    const now = this.facts.defaults[name];
    if (!isField(field) || name.endsWith("_COLORS")) return;
    if (!(field instanceof HTMLInputElement) || field.type !== "checkbox") {
      if (field.value === before) field.value = now;
    } else if (String(field.checked) === before && !field.disabled) {
      field.checked = now === "true";
    }
  }

  showRelease() {
    for (const [name, text] of Object.entries(this.facts.allowed)) {
      find(`allowed-${name}`).textContent = text;
    }
    find("example", HTMLButtonElement).disabled = !this.facts.example;
  }

  /**
   * Return the parameters that are to be sent, without what the release does anyhow.
   * @returns {[name: string, value: string][]}
   */
  parameters() {
    /** @type {[name: string, value: string][]} */
    const parameters = [["RELEASE", this.facts.name]];
    const fields = [...this.form.elements].filter(isField);
    const names = new Set(fields.map((each) => each.name).filter(Boolean));
    for (const name of names) {
      const value = CONTROLS.includes(name) ? "" : this.valueOf(name);
      const idle = this.facts.defaults[name] ?? (name === "MASK" ? "false" : "");
      if (!value || value === idle) continue;
      const values = LINES.includes(name) ? value.split("\n") : [value];
      for (const each of values) if (each.trim()) parameters.push([name, each.trim()]);
    }
    return parameters;
  }

  /** @param {string} name of a parameter */
  valueOf(name) {
    if (name === "COLORS_FITS") return writeBands(this.fits.chosen, this.facts);
    const field = document.getElementById(name);
    if (!isField(field)) return "";
    return field.type === "checkbox" && "checked" in field
      ? String(field.checked)
      : field.value.trim();
  }

  changed() {
    this.showSame();
    const hasShape = SHAPES.some((name) => this.valueOf(name));
    if (this.sheet.isEmpty && !hasShape) {
      this.showEmpty();
      return;
    }
    this.form.dataset.state = "checking";
    showOutdated();
    this.latest.start();
  }

  showEmpty() {
    this.latest.stop();
    this.sheet.clear();
    showFaults(this.form, []);
    showText(IDLE);
    this.preview.update(this.facts, [], [], []);
    this.places = [];
    this.view?.setPositions([]);
    find("why").textContent = "";
    this.form.dataset.state = "empty";
  }

  /** Write the snippets, while somebody looks at them. */
  async showSame() {
    if (!this.same.open) return;
    const { showSnippets } = await import("./submitsnippets.js");
    showSnippets(base, this.parameters(), this.sheet.shortText);
  }

  /** @param {Event} event */
  async copySame(event) {
    const { copy } = await import("./submitsnippets.js");
    await copy(event);
  }

  /** @param {AbortSignal} signal */
  async check(signal) {
    const parameters = this.parameters();
    try {
      const table = this.sheet.isEmpty ? null : await this.sheet.sample();
      const estimate = await validate(base, parameters, table, signal);
      if (!signal.aborted) this.show(estimate, parameters);
    } catch (error) {
      if (signal.aborted) return;
      showText(messageOf(error));
      this.form.dataset.state = "away";
    }
  }

  /** @type {(estimate: Estimate, parameters: [string, string][]) => void} */
  show(estimate, parameters) {
    this.sheet.show(estimate);
    showEstimate(estimate);
    find("why").textContent = estimate.valid ? "" : "Fix the problems above.";
    const others = showFaults(this.form, estimate.faults);
    const texts = others.map(({ column, message }) => (column ? `${column}: ${message}` : message));
    if (texts.length) this.sheet.report(texts.join("; "), true);
    else if (this.sheet.status.classList.contains("bad")) this.sheet.report("");
    const bands = this.fits.chosen.length ? this.fits.chosen : this.facts.chosen;
    this.preview.update(this.facts, parameters, estimate.places, bands);
    this.places = estimate.places;
    this.showPositions();
    this.form.dataset.state = estimate.valid ? "valid" : "faulty";
  }

  showPositions() {
    this.view?.setPositions(
      this.places.map((each) => [each.ra_deg, each.dec_deg, each.tile ? "ok" : "unmatched"]),
    );
  }

  async toggleMap() {
    const map = find("map");
    map.hidden = !map.hidden;
    find("pick").setAttribute("aria-expanded", String(!map.hidden));
    if (map.hidden || this.view) return;
    try {
      await this.openMap(map);
    } catch (error) {
      find("map-status").textContent = messageOf(error);
    }
  }

  /** @param {HTMLElement} map */
  async openMap(map) {
    const { SkyView } = await import("./sky.js");
    const onPick = (/** @type {number} */ ra, /** @type {number} */ dec) => {
      this.sheet.addPosition(ra, dec);
    };
    this.view = new SkyView(select(map, "canvas", HTMLCanvasElement), { base, onPick });
    this.view.resize();
    this.showPositions();
    await this.view.setRelease(this.facts.name);
    while (this.form.dataset.state === "checking") {
      await new Promise((done) => setTimeout(done, 50));
    }
    this.view.fitPositions();
    map.dataset.ready = "true";
  }

  /** Show the tiles of the release on the map, if it is open. */
  async loadTiles() {
    try {
      await this.view?.setRelease(this.facts.name);
    } catch (error) {
      find("map-status").textContent = messageOf(error);
    }
  }
}

const form = document.getElementById("submit");
if (form instanceof HTMLFormElement) {
  // A second click makes no second job; whoever comes back to the form may send it again.
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "true";
  });
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
  });
  Object.assign(window, { submitPage: new Page(form) }); // for the console, and for tests
}
document.getElementById("faults")?.focus();
