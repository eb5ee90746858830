// @ts-check
// Bands of FITS images as buttons, and triplets of bands of a picture method as chips.

import { find, make, select } from "./dom.js";

/**
 * A release as the form knows it (`release_facts` of pages/submit_form.py).
 * @typedef {object} Facts
 * @property {string} name
 * @property {string[]} bands
 * @property {string[]} chosen bands of FITS images by default
 * @property {Record<string, string[][]>} triplets by picture method
 * @property {boolean} isCaseNeeded whether names differ by upper and lower case alone
 * @property {Record<string, string>} defaults by parameter
 * @property {Record<string, string>} allowed by parameter, in words
 * @property {string} example a table; empty if there is none
 */

const COLOURS = ["red", "green", "blue"];

/** @type {(facts: Facts) => boolean} */
const areLetters = ({ bands }) => bands.every((each) => each.length === 1);

/**
 * Write bands as the service does: letters together, in lower case where that will do.
 * @param {string[]} bands
 * @param {Facts} facts
 */
export const writeBands = (bands, facts) => {
  const text = bands.join(areLetters(facts) ? "" : ",");
  return facts.isCaseNeeded ? text : text.toLowerCase();
};

/**
 * Return the triplets of a text that are three different bands of the release.
 * @param {string} text
 * @param {Facts} facts
 */
export const readTriplets = (text, facts) => {
  /** @type {(name: string) => string | undefined} */
  const known = (name) =>
    facts.bands.find((each) => each === name) ??
    facts.bands.find((each) => each.toLowerCase() === name.toLowerCase());
  const triplets = [];
  for (const part of text.split(";")) {
    const isWord = areLetters(facts) && !part.includes(",");
    const names = isWord ? [...part.trim()] : part.split(",");
    const bands = names.map((name) => known(name.trim())).filter((each) => each !== undefined);
    const isTriplet = names.length === 3 && new Set(bands).size === 3;
    if (isTriplet) triplets.push(bands);
  }
  return triplets;
};

/**
 * Return the bands of a triplet after a band was pressed or taken back; a fourth has no place.
 * @param {string[]} pressed
 * @param {string} band
 * @param {boolean} isOn
 */
export const press = (pressed, band, isOn) => {
  const others = pressed.filter((each) => each !== band);
  return isOn && others.length < 3 ? [...others, band] : others;
};

/** @type {(name: string, value: string, checked: boolean) => HTMLElement} */
const choice = (name, value, checked) => {
  const input = make("input", { type: "checkbox", value, checked });
  if (name) input.name = name;
  return make("label", { className: "choice" }, input, make("span", {}, value));
};

/** @type {(box: HTMLElement) => HTMLInputElement[]} */
const inputsOf = (box) => [...box.querySelectorAll("input")];

/** The bands of FITS images. */
export class FitsBands {
  /**
   * @param {HTMLElement} box
   * @param {Facts} facts
   * @param {() => void} onChange
   */
  constructor(box, facts, onChange) {
    this.box = box;
    this.facts = facts;
    this.flag = find("MAKE_FITS", HTMLInputElement);
    box.addEventListener("change", () => {
      this.flag.checked = this.chosen.length > 0;
      onChange();
    });
    this.flag.addEventListener("change", () => {
      // A ticked box without a band would make no image.
      if (!this.flag.checked || this.chosen.length) return;
      for (const each of inputsOf(box)) each.checked = this.facts.chosen.includes(each.value);
    });
  }

  get chosen() {
    return inputsOf(this.box)
      .filter((each) => each.checked)
      .map((each) => each.value);
  }

  /**
   * Offer the bands of another release; those that both have stay chosen.
   * @param {Facts} facts
   */
  setRelease(facts) {
    this.facts = facts;
    const kept = this.chosen.filter((each) => facts.bands.includes(each));
    const chosen = kept.length ? kept : facts.chosen;
    for (const each of this.box.querySelectorAll(".choice")) each.remove();
    const choices = facts.bands.map((each) => choice("COLORS_FITS", each, chosen.includes(each)));
    this.box.prepend(...choices);
  }
}

/**
 * The pictures of a method: three different bands are pressed one after the other, red, green and
 * blue; then they are a picture.
 */
export class Triplets {
  /**
   * @param {HTMLElement} line of the form, with `data-method` and `data-title`
   * @param {Facts} facts
   * @param {() => void} onChange
   */
  constructor(line, facts, onChange) {
    this.method = line.dataset.method ?? "";
    this.title = line.dataset.title ?? this.method;
    this.settings = line.dataset.settings?.split(" ") ?? []; // parameters of the method alone
    this.field = find(`RGB_${this.method}_COLORS`, HTMLInputElement);
    this.flag = find(`MAKE_RGB_${this.method}`, HTMLInputElement);
    this.facts = facts;
    this.onChange = onChange;
    /** @type {string[]} */
    this.pressed = [];
    this.triplets = readTriplets(this.field.value, facts);
    this.chips = make("ul", { className: "chips" });
    this.chips.ariaLabel = `${this.title} pictures: red, green, blue`;
    this.bands = make("div", { className: "bands", role: "group" });
    this.bands.ariaLabel = `Bands of another ${this.title} picture: red, then green, then blue`;
    this.add = make("button", { type: "button", className: "slim", disabled: true }, "Add");
    this.status = make("p", { className: "status small muted", role: "status" });
    const picker = select(line, ".picker", HTMLElement);
    picker.append(this.chips, this.bands, this.add, this.status);
    picker.hidden = false;
    select(line, ".typed", HTMLElement).hidden = true;
    this.bands.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLInputElement)) return;
      this.pressed = press(this.pressed, target.value, target.checked);
      this.draw();
    });
    this.add.addEventListener("click", () => this.addPressed());
    this.offer();
  }

  /** Whether pictures by this method are wanted. */
  get isOn() {
    return this.flag.checked;
  }

  /** @param {Facts} facts */
  setRelease(facts) {
    this.facts = facts;
    this.triplets = this.triplets.filter((each) =>
      each.every((band) => facts.bands.includes(band)),
    );
    this.offer();
  }

  /** Offer the bands of the release. */
  offer() {
    const { facts } = this;
    if (!this.triplets.length) this.triplets = facts.triplets[this.method];
    if (facts.bands.length < 3) this.flag.checked = false;
    this.flag.disabled = facts.bands.length < 3;
    this.pressed = [];
    this.bands.replaceChildren(...facts.bands.map((band) => choice("", band, false)));
    this.draw();
  }

  addPressed() {
    const words = this.pressed.join(" ");
    if (this.triplets.some((each) => each.join(" ") === words)) {
      this.status.textContent = `${words} was already added.`;
      return;
    }
    this.triplets = [...this.triplets, this.pressed];
    this.finish(`${words} added.`);
    inputsOf(this.bands)[0].focus();
  }

  /** @param {number} place of the chip */
  remove(place) {
    const words = this.triplets[place].join(" ");
    this.triplets = this.triplets.filter((_, at) => at !== place);
    this.finish(`${words} removed.`);
    const buttons = this.chips.querySelectorAll("button");
    (buttons[Math.max(0, place - 1)] ?? inputsOf(this.bands)[0]).focus();
  }

  /** @param {string} text what was done */
  finish(text) {
    this.pressed = [];
    this.flag.checked = this.triplets.length > 0;
    this.draw();
    this.status.textContent = text;
    this.onChange();
  }

  draw() {
    this.field.value = this.triplets.map((each) => writeBands(each, this.facts)).join(";");
    this.chips.replaceChildren(...this.triplets.map((each, place) => this.chip(each, place)));
    for (const input of inputsOf(this.bands)) {
      const place = this.pressed.indexOf(input.value);
      const isOn = place >= 0;
      input.checked = isOn;
      input.disabled = !isOn && this.pressed.length === 3;
      input.ariaLabel = isOn ? `${input.value}, ${COLOURS[place]}` : input.value;
      const letter = isOn ? [make("small", {}, "RGB"[place])] : [];
      input.nextElementSibling?.replaceChildren(input.value, ...letter);
    }
    this.add.disabled = this.pressed.length !== 3;
    this.status.textContent = this.hint;
  }

  /** What to do next. */
  get hint() {
    if (!this.pressed.length) return "";
    if (this.pressed.length === 3) return "Add the picture, or remove a band.";
    return `Choose the band for ${COLOURS[this.pressed.length]}.`;
  }

  /** @type {(triplet: string[], place: number) => HTMLElement} */
  chip(triplet, place) {
    const button = make("button", { type: "button" }, "×");
    button.ariaLabel = `Remove ${triplet.join(" ")}`;
    button.addEventListener("click", () => this.remove(place));
    const bands = triplet.map((band, at) =>
      make("span", { className: "rgb"[at], title: COLOURS[at] }, band),
    );
    return make("li", { className: "chip" }, ...bands, button);
  }
}
