// Bands of FITS images as buttons, and triplets of bands of a colour method as chips.

const COLOURS = ["red", "green", "blue"];

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// As the service writes bands: names of one letter stand together, in lower case where that will do.
export const writeBands = (bands, facts) => {
  const text = bands.join(facts.bands.every((each) => each.length === 1) ? "" : ",");
  return facts.isCaseNeeded ? text : text.toLowerCase();
};

export const readTriplets = (text, facts) => {
  const known = (name) => facts.bands.find((each) => each === name) ?? facts.bands.find((each) => each.toLowerCase() === name.toLowerCase());
  const plain = facts.bands.every((each) => each.length === 1);
  const triplets = text.split(";").map((part) => (plain && !part.includes(",") ? [...part.trim()] : part.split(",")).map((name) => known(name.trim())));
  return triplets.filter((each) => each.length === 3 && new Set(each).size === 3 && !each.includes(undefined));
};

const choice = (type, name, value, isOn) => {
  const input = make("input", { type, value, checked: isOn });
  if (name) input.name = name;
  return make("label", { className: "choice" }, input, make("span", { textContent: value }));
};

export class FitsBands {
  constructor(box, { onChange }) {
    this.box = box;
    this.flag = document.getElementById("MAKE_FITS");
    box.addEventListener("change", (event) => {
      if (event.target.name !== "COLORS_FITS") return;
      this.flag.checked = this.chosen.length > 0;
      onChange();
    });
    this.flag.addEventListener("change", () => {
      // A box that asks for images of no band would be a lie.
      if (this.flag.checked && !this.chosen.length) for (const each of this.inputs) each.checked = this.facts.chosen.includes(each.value);
    });
  }

  get inputs() {
    return [...this.box.querySelectorAll("input")];
  }

  get chosen() {
    return this.inputs.filter((each) => each.checked).map((each) => each.value);
  }

  setRelease(facts, isFirst) {
    this.facts = facts;
    if (isFirst) return;
    const kept = this.chosen.filter((each) => facts.bands.includes(each));
    const chosen = kept.length ? kept : facts.chosen;
    for (const each of this.box.querySelectorAll(".choice")) each.remove();
    this.box.prepend(...facts.bands.map((band) => choice("checkbox", "COLORS_FITS", band, chosen.includes(band))));
  }
}

// Three different bands are pressed one after the other: red, green, blue; then they are a picture.
export class Triplets {
  constructor(line, { onChange }) {
    this.method = line.dataset.method;
    this.line = line;
    this.field = document.getElementById(`RGB_${this.method}_COLORS`);
    this.flag = document.getElementById(`MAKE_RGB_${this.method}`);
    this.onChange = onChange;
    this.pressed = [];
    const title = this.method === "STIFF" ? "STIFF" : "Lupton";
    this.chips = make("ul", { className: "chips" });
    this.chips.setAttribute("aria-label", `${title} pictures: red, green, blue`);
    this.bands = make("div", { className: "bands" });
    this.bands.setAttribute("role", "group");
    this.bands.setAttribute("aria-label", `Bands of another ${title} picture: red, then green, then blue`);
    this.add = make("button", { type: "button", className: "slim", textContent: "Add", disabled: true });
    this.told = make("p", { className: "told small muted" });
    this.told.setAttribute("role", "status");
    this.picker = line.querySelector(".picker");
    this.picker.append(this.chips, this.bands, this.add, this.told);
    this.picker.hidden = false;
    line.querySelector(".typed").hidden = true;
    this.bands.addEventListener("change", (event) => this.press(event.target.value, event.target.checked));
    this.add.addEventListener("click", () => this.addPressed());
  }

  setRelease(facts, isFirst) {
    const before = this.triplets ?? [];
    this.facts = facts;
    const kept = before.filter((each) => each.every((band) => facts.bands.includes(band)));
    this.triplets = isFirst ? readTriplets(this.field.value, facts) : kept;
    if (!this.triplets.length) this.triplets = facts.triplets[this.method];
    if (facts.bands.length < 3) this.flag.checked = false;
    this.flag.disabled = facts.bands.length < 3;
    this.pressed = [];
    this.bands.replaceChildren(...facts.bands.map((band) => choice("checkbox", "", band, false)));
    this.draw();
  }

  press(band, isOn) {
    this.pressed = isOn ? [...this.pressed, band] : this.pressed.filter((each) => each !== band);
    this.draw();
  }

  addPressed() {
    if (this.triplets.some((each) => each.join() === this.pressed.join())) {
      this.told.textContent = `${this.pressed.join(" ")} is there already.`;
      return;
    }
    this.triplets = [...this.triplets, this.pressed];
    this.finish(`${this.pressed.join(" ")} added.`);
    this.bands.querySelector("input").focus();
  }

  remove(place) {
    const gone = this.triplets[place];
    this.triplets = this.triplets.filter((_, at) => at !== place);
    this.finish(`${gone.join(" ")} removed.`);
    (this.chips.querySelectorAll("button")[Math.max(0, place - 1)] ?? this.bands.querySelector("input")).focus();
  }

  finish(text) {
    this.pressed = [];
    this.flag.checked = this.triplets.length > 0;
    this.draw();
    this.told.textContent = text;
    this.onChange();
  }

  draw() {
    this.field.value = this.triplets.map((each) => writeBands(each, this.facts)).join(";");
    this.chips.replaceChildren(...this.triplets.map((triplet, place) => {
      const button = make("button", { type: "button", textContent: "×" });
      button.setAttribute("aria-label", `Remove ${triplet.join(" ")}`);
      button.addEventListener("click", () => this.remove(place));
      return make("li", { className: "chip" }, ...triplet.map((band, at) => make("span", { className: "rgb"[at], textContent: band, title: COLOURS[at] })), button);
    }));
    for (const input of this.bands.querySelectorAll("input")) {
      const place = this.pressed.indexOf(input.value);
      input.checked = place >= 0;
      input.disabled = place < 0 && this.pressed.length === 3;
      input.setAttribute("aria-label", place < 0 ? input.value : `${input.value}, ${COLOURS[place]}`);
      input.nextSibling.replaceChildren(input.value, ...(place < 0 ? [] : [make("small", { textContent: "RGB"[place] })]));
    }
    this.add.disabled = this.pressed.length !== 3;
    const next = COLOURS[this.pressed.length];
    this.told.textContent = this.pressed.length ? (next ? `Now the band shown as ${next}.` : "Add the picture, or take a band back.") : "";
  }
}
