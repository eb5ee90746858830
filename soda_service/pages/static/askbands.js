// Bands as buttons: any number of them, or three of them in the order red, green, blue.

const COLOURS = ["R", "G", "B"];

class Bands {
  constructor(input, release) {
    this.input = input;
    this.names = release.bands.map((band) => band.name);
    this.isSingle = this.names.every((name) => name.length === 1);
    this.place = document.createElement("div");
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-label", document.querySelector(`label[for="${input.id}"]`).textContent);
    input.after(this.place);
    input.classList.add("hidden");
    input.addEventListener("change", () => this.draw());
  }

  // The bands that a text names, as the service reads it.
  read(text) {
    const words = this.isSingle ? [...text.replace(/[\s,]/g, "")] : text.split(/[\s,]+/).filter(Boolean);
    const known = new Map(this.names.map((name) => [name.toLowerCase(), name]));
    return words.map((word) => (this.names.includes(word) ? word : known.get(word.toLowerCase()))).filter(Boolean);
  }

  write(bands) {
    return bands.join(this.isSingle ? "" : ",");
  }

  changed(text) {
    this.input.value = text;
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.draw();
  }

  box(name, isChecked, { mark = "", isDisabled = false, onChange }) {
    const label = document.createElement("label");
    label.className = "choice";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: isChecked, disabled: isDisabled });
    box.dataset.band = name;
    const face = document.createElement("span");
    face.textContent = mark ? `${name} ${mark}` : name;
    box.setAttribute("aria-label", mark ? `${name}, ${mark}` : name);
    box.addEventListener("change", () => onChange(box.checked));
    label.append(box, face);
    return label;
  }

  refocus(name) {
    this.place.querySelector(`[data-band="${CSS.escape(name)}"]`)?.focus();
  }
}

export class BandChoice extends Bands {
  draw() {
    const chosen = new Set(this.read(this.input.value));
    this.place.className = "bands";
    this.place.replaceChildren(...this.names.map((name) => this.box(name, chosen.has(name), {
      onChange: (isChecked) => {
        if (isChecked) chosen.add(name);
        else chosen.delete(name);
        this.changed(this.write(this.names.filter((each) => chosen.has(each))));
        this.refocus(name);
      },
    })));
  }
}

// Triplets as chips, and buttons that make one more: a fourth band waits until one is let go.
export class TripletChoice extends Bands {
  constructor(input, release) {
    super(input, release);
    this.making = [];
  }

  triplets() {
    const read = this.input.value.split(";").map((part) => this.read(part));
    return read.filter((bands) => new Set(bands).size === 3);
  }

  draw() {
    const triplets = this.triplets();
    const chips = document.createElement("div");
    chips.className = "chips";
    chips.append(...triplets.map((bands, n) => {
      const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
      chip.append(`${this.write(bands)} `, Object.assign(document.createElement("b"), { textContent: "×" }));
      chip.setAttribute("aria-label", `Leave out ${this.write(bands)}`);
      chip.addEventListener("click", () => this.keep(triplets.filter((_, at) => at !== n)));
      return chip;
    }));
    const boxes = document.createElement("div");
    boxes.className = "bands";
    boxes.append(...this.names.map((name) => {
      const at = this.making.indexOf(name);
      return this.box(name, at >= 0, {
        mark: COLOURS[at] ?? "",
        isDisabled: at < 0 && this.making.length === 3,
        onChange: (isChecked) => {
          this.making = isChecked ? [...this.making, name] : this.making.filter((each) => each !== name);
          this.draw();
          this.refocus(name);
        },
      });
    }));
    const isThere = triplets.some((bands) => this.write(bands) === this.write(this.making));
    const add = Object.assign(document.createElement("button"), {
      type: "button", className: "slim", textContent: isThere ? "There already" : "Add picture",
      disabled: this.making.length < 3 || isThere,
    });
    add.addEventListener("click", () => {
      const more = [...triplets, this.making];
      this.making = [];
      this.keep(more);
    });
    boxes.append(add);
    this.place.replaceChildren(chips, boxes);
  }

  keep(triplets) {
    this.changed(triplets.map((bands) => this.write(bands)).join(";"));
    this.place.querySelector("button, input")?.focus();
  }
}
