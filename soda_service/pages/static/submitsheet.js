// @ts-check
// The table of positions: a text with numbered lines, or a file, and where its rows are at fault.

import { find, make, select } from "./dom.js";
import { addRow, recordLines, toTable } from "./positions.js";

/** @typedef {import("./submitestimate.js").Estimate} Estimate */
/** @typedef {"ok" | "off" | "bad"} Mark a row in a tile, in none, or faulty */

const NUMBERED_MAX = 3000; // lines; beyond these none is numbered
const LISTED_MAX = 50; // rows
const TEXT_MAX = 2 ** 18; // bytes; longer files are not shown
const SAMPLE = 2 ** 20; // bytes of a file that are checked

export class Sheet {
  /**
   * @param {HTMLTextAreaElement} textarea
   * @param {() => void} onChange
   */
  constructor(textarea, onChange) {
    this.textarea = textarea;
    this.onChange = onChange;
    this.box = /** @type {HTMLElement} */ (textarea.parentElement);
    this.gutter = select(this.box, ".gutter", HTMLElement);
    this.numbers = make("div");
    this.gutter.append(this.numbers);
    this.status = find("table-status");
    this.list = find("rows");
    this.input = find("file", HTMLInputElement);
    /** @type {File | null} */
    this.file = null; // too long for the textarea: sent as it is
    /** @type {Map<number, Mark>} */
    this.marks = new Map(); // by line
    this.listen();
    this.drawGutter();
  }

  listen() {
    const { textarea } = this;
    textarea.addEventListener("input", () => {
      this.marks.clear();
      this.report("");
      this.drawGutter();
      this.onChange();
    });
    textarea.addEventListener("change", () => this.tidy());
    textarea.addEventListener("paste", () => setTimeout(() => this.tidy()));
    textarea.addEventListener("scroll", () => this.follow());
    textarea.addEventListener("dragover", (event) => {
      event.preventDefault();
      textarea.classList.add("dropping");
    });
    textarea.addEventListener("dragleave", () => textarea.classList.remove("dropping"));
    textarea.addEventListener("drop", (event) => this.drop(event));
    this.input.addEventListener("change", () => this.takeFile(this.input.files?.[0]));
  }

  get text() {
    return this.textarea.value;
  }

  get isEmpty() {
    return !this.file && !this.text.trim();
  }

  /** For snippets: null where there is no table, empty where it is a file. */
  get shortText() {
    if (this.file) return "";
    return this.isEmpty ? null : this.text;
  }

  /**
   * Replace the text.
   * @param {string} text
   * @param {string} note
   */
  set(text, note) {
    this.textarea.value = text;
    this.marks.clear();
    this.report(note);
    this.drawGutter();
    this.onChange();
  }

  /** Make a table of bare positions. */
  tidy() {
    const { text, note } = toTable(this.text);
    if (note) this.set(text, note);
  }

  /**
   * Show a note below the table.
   * @param {string} text
   * @param {boolean} [isBad]
   */
  report(text, isBad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("bad", isBad);
  }

  /**
   * Add a row for a position.
   * @param {number} ra degrees
   * @param {number} dec degrees
   */
  addPosition(ra, dec) {
    const table = addRow(this.text, ra, dec);
    if (table) this.set(table, `Added ${ra.toFixed(6)}, ${dec.toFixed(6)}.`);
    else this.report("Cannot add a position: the table has no columns RA and DEC.", true);
  }

  /** @param {DragEvent} event */
  drop(event) {
    this.textarea.classList.remove("dropping");
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    event.preventDefault();
    this.input.files = files;
    this.takeFile(files[0]);
  }

  /**
   * Take a file: a short one into the textarea, any other to be sent as it is.
   * @param {File | undefined} file
   */
  async takeFile(file) {
    this.file = null;
    this.textarea.disabled = false;
    const text = file && file.size < TEXT_MAX ? await file.text() : null;
    if (file && text !== null && !text.includes("\ufffd") && !text.includes("\0")) {
      this.input.value = "";
      const table = toTable(text);
      this.set(table.text, `${file.name}. ${table.note}`);
      return;
    }
    if (file) {
      this.file = file;
      this.textarea.disabled = true; // the file takes its place
      this.report(`${file.name} will be sent unchanged.`);
    }
    this.onChange();
  }

  /** Return what is checked before sending: of a long CSV file its beginning. */
  async sample() {
    if (!this.file) return new Blob([this.text]);
    const start = await this.file.slice(0, SAMPLE).text();
    if (start.trimStart().startsWith("<") || this.file.size < SAMPLE) return this.file;
    return new Blob([start.slice(0, start.lastIndexOf("\n") + 1)]);
  }

  /**
   * Mark the lines of rows, and list those that are faulty or in no tile.
   * @param {Estimate} estimate
   */
  show({ faults, unmatched, places }) {
    const isCsv = !this.file && !this.text.trimStart().startsWith("<");
    const starts = isCsv ? recordLines(this.text) : [];
    /** @type {{ mark: Mark, row: number, message: string }[]} */
    const rows = unmatched.map(({ row, message }) => ({ mark: "off", row, message }));
    for (const { row, column, message } of faults) {
      const words = column ? `${column}: ${message}` : message;
      if (row !== null) rows.push({ mark: "bad", row, message: words });
    }
    this.marks.clear();
    for (const each of places) if (each.tile) this.marks.set(starts[each.row], "ok");
    for (const each of rows) this.marks.set(starts[each.row], each.mark);
    rows.sort((a, b) => a.row - b.row);
    const items = rows
      .slice(0, LISTED_MAX)
      .map((each) => this.item(each.mark, each.row, starts[each.row], each.message));
    if (rows.length > LISTED_MAX) {
      items.push(make("li", {}, make("p", {}, `and ${rows.length - LISTED_MAX} more`)));
    }
    this.list.replaceChildren(...items);
    this.list.hidden = !rows.length;
    const isBad = faults.some((each) => each.row !== null || each.column === "POSITIONS");
    this.setInvalid(isBad);
    this.drawGutter();
  }

  clear() {
    this.marks.clear();
    this.list.hidden = true;
    this.setInvalid(false);
    this.drawGutter();
  }

  /** @param {boolean} isBad */
  setInvalid(isBad) {
    if (isBad) this.textarea.setAttribute("aria-invalid", "true");
    else this.textarea.removeAttribute("aria-invalid");
  }

  /**
   * @param {Mark} mark
   * @param {number} row
   * @param {number | undefined} line undefined where lines are not known
   * @param {string} message
   */
  item(mark, row, line, message) {
    const where = line === undefined ? `row ${row}` : `line ${line + 1}`;
    const button = make("button", { type: "button" }, make("b", {}, where), message);
    if (line !== undefined) button.addEventListener("click", () => this.goTo(line));
    return make("li", { className: mark }, button);
  }

  /** @param {number} line */
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
    const isDrawn = count <= NUMBERED_MAX && !this.isEmpty && !this.file;
    this.gutter.hidden = !isDrawn;
    this.box.classList.toggle("numbered", isDrawn);
    if (!isDrawn) return;
    const numbers = Array.from({ length: count }, (_, line) =>
      make("span", { className: this.marks.get(line) ?? "" }, String(line + 1)),
    );
    this.numbers.replaceChildren(...numbers);
    this.follow();
  }

  follow() {
    this.numbers.style.transform = `translateY(${-this.textarea.scrollTop}px)`;
  }
}
