// The table of positions: what is pasted, its lines and rows, and where these are at fault.

const MANY_LINES = 3000; // beyond these no line numbers are drawn
const NUMBER = /^[+\-−]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SEXAGESIMAL = /^([+\-−]?)(\d{1,3})[:h°d](\d{1,2})(?:[:m'′](\d{1,2}(?:\.\d*)?)?["″s]?)?$/;

const angle = (field, isHours) => {
  const parts = SEXAGESIMAL.exec(field);
  if (!parts) return NUMBER.test(field) ? Number(field.replace("−", "-")) : NaN;
  const [, sign, whole, minutes, seconds] = parts;
  if (minutes > 59 || (seconds ?? 0) >= 60) return NaN;
  const value = Number(whole) + minutes / 60 + (seconds ?? 0) / 3600;
  return (sign && sign !== "+" ? -value : value) * (isHours ? 15 : 1);
};

// "RA,Dec" in degrees of a line that is a bare position, else null; isHours: it was sexagesimal.
export const readLine = (line) => {
  let fields = line.trim().split(/[\s,;]+/);
  if (fields.length === 6 && fields.every((each) => NUMBER.test(each))) fields = [fields.slice(0, 3).join(":"), fields.slice(3).join(":")];
  if (fields.length !== 2) return null;
  const isHours = SEXAGESIMAL.test(fields[0]);
  if (isHours !== SEXAGESIMAL.test(fields[1])) return null;
  const [ra, dec] = [angle(fields[0], isHours), angle(fields[1], false)];
  if (!Number.isFinite(ra) || !(Math.abs(dec) <= 90)) return null;
  if (!isHours) return { text: fields.join(",").replaceAll("−", "-"), isHours };
  return { text: `${Number(ra.toFixed(7))},${Number(dec.toFixed(7))}`, isHours };
};

// A table of bare positions as CSV with a header row; anything else as it is, with nothing said.
export const toTable = (text) => {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const hasHeader = /^\s*ra[\s,;]+dec\w*\s*$/i.test(lines[0] ?? "");
  const places = lines.slice(hasHeader ? 1 : 0).map(readLine);
  if (!places.length || places.includes(null)) return { text, said: "" };
  const told = [];
  if (!hasHeader) told.push("a header RA,DEC was added");
  if (places.some((each) => each.isHours)) told.push("hours and degrees were converted to degrees");
  const table = `RA,DEC\n${places.map((each) => each.text).join("\n")}\n`;
  if (!told.length && /,/.test(lines[0]) && lines.slice(1).every((line) => /^[^\s,;]+,[^\s,;]+$/.test(line.trim()))) return { text, said: "" };
  if (!told.length) told.push("blanks became commas");
  return { text: table, said: `Read as positions: ${told.join("; ")}.` };
};

// The line (from 0) on which each record of a CSV text begins; the first is the header.
export const recordLines = (text) => {
  const starts = [];
  let line = 0, isQuoted = false, isBlank = true, start = 0;
  for (let at = 0; at <= text.length; at++) {
    const sign = text[at];
    if (sign === '"') isQuoted = !isQuoted;
    if (sign !== undefined && sign !== "\n") {
      if (isBlank && sign.trim()) { isBlank = false; start = line; }
      continue;
    }
    if ((!isQuoted || sign === undefined) && !isBlank) { starts.push(start); isBlank = true; }
    line += 1;
  }
  return starts;
};

export class Sheet {
  constructor(textarea, { onChange }) {
    this.textarea = textarea;
    this.box = textarea.parentElement;
    this.gutter = this.box.querySelector(".gutter");
    this.said = document.getElementById("said");
    this.list = document.getElementById("rows");
    this.file = null; // too long for the textarea: sent as it is
    this.input = document.getElementById("file");
    this.onChange = onChange;
    this.marks = new Map();
    this.gutter.append(document.createElement("div"));
    textarea.addEventListener("input", () => { this.marks.clear(); this.tell(""); this.drawGutter(); onChange(); });
    textarea.addEventListener("change", () => this.tidy());
    textarea.addEventListener("paste", () => setTimeout(() => this.tidy()));
    textarea.addEventListener("scroll", () => this.follow());
    this.input.addEventListener("change", () => this.takeFile(this.input.files[0]));
    textarea.addEventListener("dragover", (event) => { event.preventDefault(); textarea.classList.add("dropping"); });
    textarea.addEventListener("dragleave", () => textarea.classList.remove("dropping"));
    textarea.addEventListener("drop", (event) => this.drop(event));
    this.drawGutter();
  }

  get text() {
    return this.textarea.value;
  }

  set(text, said = "") {
    this.textarea.value = text;
    this.marks.clear();
    this.tell(said);
    this.drawGutter();
    this.onChange();
  }

  tidy() {
    const found = toTable(this.text);
    if (found.said) this.set(found.text, found.said);
  }

  tell(text, isBad = false) {
    this.said.textContent = text;
    this.said.classList.toggle("bad", isBad);
  }

  addPlace(ra, dec) {
    const [header = "", ...rows] = this.text.trimEnd().split("\n");
    const names = header.trim() ? header.split(",").map((each) => each.trim().toUpperCase()) : ["RA", "DEC"];
    if (!names.includes("RA") || !names.includes("DEC")) return this.tell("The table has no columns RA and DEC to add a position to.", true);
    const row = names.map((name) => ({ RA: ra.toFixed(6), DEC: dec.toFixed(6) })[name] ?? "").join(",");
    return this.set(`${[header.trim() || "RA,DEC", ...rows, row].join("\n")}\n`, `Added ${ra.toFixed(6)}, ${dec.toFixed(6)}.`);
  }

  drop(event) {
    this.textarea.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    this.input.files = event.dataTransfer.files;
    this.takeFile(file);
  }

  // Short files come into the textarea, others are sent as they are.
  async takeFile(file) {
    this.file = null;
    this.textarea.disabled = false;
    if (!file) return this.onChange();
    const text = file.size < 2 ** 18 ? await file.text() : null;
    if (text !== null && !text.includes("\ufffd") && !text.includes("\0")) {
      this.input.value = "";
      this.textarea.value = text;
      this.set(toTable(text).text, `${file.name}. ${toTable(text).said}`);
      return undefined;
    }
    this.file = file;
    this.textarea.disabled = true; // the file takes its place
    this.tell(`${file.name} is sent as it is.`);
    return this.onChange();
  }

  // What is looked at before sending: of a long CSV file its beginning.
  async sample() {
    if (!this.file) return new Blob([this.text]);
    const start = await this.file.slice(0, 2 ** 20).text();
    if (start.trimStart().startsWith("<") || this.file.size < 2 ** 20) return this.file;
    return new Blob([start.slice(0, start.lastIndexOf("\n") + 1)]);
  }

  get isEmpty() {
    return !this.file && !this.text.trim();
  }

  // Mark rows: found = the answer of /validate.
  show(found) {
    const isCsv = !this.file && !this.text.trimStart().startsWith("<");
    const starts = isCsv ? recordLines(this.text) : [];
    const faults = found.faults.filter((each) => each.row !== null);
    this.marks.clear();
    for (const each of found.places) if (each.tile) this.marks.set(starts[each.row], "ok");
    for (const each of found.unmatched) this.marks.set(starts[each.row], "off");
    for (const each of faults) this.marks.set(starts[each.row], "bad");
    const rows = [
      ...faults.map((each) => ["bad", each.row, `${each.column ? `${each.column}: ` : ""}${each.message}`]),
      ...found.unmatched.map((each) => ["off", each.row, each.message]),
    ].sort((a, b) => a[1] - b[1]);
    this.list.replaceChildren(...rows.slice(0, 50).map(([kind, row, message]) => this.item(kind, row, starts[row], message)));
    if (rows.length > 50) this.list.append(Object.assign(document.createElement("li"), { innerHTML: `<p>and ${rows.length - 50} more</p>` }));
    this.list.hidden = !rows.length;
    const isBad = faults.length > 0 || found.faults.some((each) => each.column === "POSITIONS");
    this.textarea.toggleAttribute("aria-invalid", false);
    if (isBad) this.textarea.setAttribute("aria-invalid", "true");
    this.drawGutter();
  }

  clear() {
    this.marks.clear();
    this.list.hidden = true;
    this.textarea.removeAttribute("aria-invalid");
    this.drawGutter();
  }

  item(kind, row, line, message) {
    const item = document.createElement("li"), button = document.createElement("button"), where = document.createElement("b");
    where.textContent = line === undefined ? `row ${row}` : `line ${line + 1}`;
    item.className = kind;
    button.type = "button";
    button.append(where, message);
    button.addEventListener("click", () => line !== undefined && this.goTo(line));
    item.append(button);
    return item;
  }

  goTo(line) {
    const lines = this.text.split("\n");
    const start = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
    this.textarea.focus();
    this.textarea.setSelectionRange(start, start + lines[line].length);
    const height = parseFloat(getComputedStyle(this.textarea).lineHeight);
    this.textarea.scrollTop = Math.max(0, line * height - this.textarea.clientHeight / 2);
  }

  drawGutter() {
    const count = this.text.split("\n").length;
    const isDrawn = count <= MANY_LINES && !this.isEmpty && !this.file;
    this.gutter.hidden = !isDrawn;
    this.box.classList.toggle("numbered", isDrawn);
    if (!isDrawn) return;
    const numbers = Array.from({ length: count }, (_, line) => {
      const span = document.createElement("span");
      span.textContent = line + 1;
      span.className = this.marks.get(line) ?? "";
      return span;
    });
    this.gutter.firstChild.replaceChildren(...numbers);
    this.follow();
  }

  follow() {
    this.gutter.firstChild.style.transform = `translateY(${-this.textarea.scrollTop}px)`;
  }
}
