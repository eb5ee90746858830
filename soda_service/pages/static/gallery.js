// @ts-check
// Thumbnails of a job's rows: blocks of rows of which only those near the view are filled, so that
// ten thousand scroll as smoothly as ten; and the lightbox, with keys.

import { closest, encodePath, find, make } from "./dom.js";

/**
 * A row as JOB/rows has it.
 * @typedef {object} Row
 * @property {number} row
 * @property {string} name
 * @property {number | null} ra degrees
 * @property {number | null} dec degrees
 * @property {string} tile
 * @property {string} status
 * @property {string} message
 * @property {string} folder of its files, among the results
 * @property {string[]} files
 * @property {string} [thumbnail] path among the results
 */
/** @typedef {{ rows: Row[], total: number }} RowPage */

const BLOCK = 60;
const CELL = 104; // px, as in job.css
const ROWS_MAX = 10000; // rows beyond it have no thumbnails

export class Gallery {
  /**
   * @param {HTMLElement} place
   * @param {object} settings
   * @param {string} settings.pageUrl of the job
   * @param {string} settings.resultsUrl
   * @param {HTMLDialogElement} settings.lightbox
   */
  constructor(place, { pageUrl, resultsUrl, lightbox }) {
    this.place = place;
    this.pageUrl = pageUrl;
    this.resultsUrl = resultsUrl;
    this.lightbox = lightbox;
    this.status = place.dataset.status ?? "";
    this.suffixes = (place.dataset.pictures ?? "").split(" ");
    this.total = Math.min(Number(place.dataset.total), ROWS_MAX);
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Map<number, Promise<void>>} */
    this.loading = new Map();
    /** @type {Set<Element>} */
    this.near = new Set();
    this.at = 0;
    this.stop = new AbortController();
    place.hidden = false;
    /** @type {HTMLElement[]} */
    this.blocks = [];
    for (let first = 0; first < this.total; first += BLOCK) {
      const block = make("div", { className: "block" });
      block.dataset.first = String(first);
      this.blocks.push(block);
    }
    place.replaceChildren(...this.blocks);
    const margins = { root: place, rootMargin: "400px" };
    this.watcher = new IntersectionObserver((entries) => this.scrolled(entries), margins);
    for (const block of this.blocks) this.watcher.observe(block);
    this.sizer = new ResizeObserver(() => this.measure());
    this.sizer.observe(place);
    this.measure();
    this.listen();
  }

  close() {
    this.watcher.disconnect();
    this.sizer.disconnect();
    this.stop.abort();
  }

  measure() {
    const columns = Math.max(1, Math.floor(this.place.clientWidth / CELL));
    for (const block of this.blocks) {
      const count = Math.min(BLOCK, this.total - Number(block.dataset.first));
      block.style.height = `${Math.ceil(count / columns) * CELL}px`;
    }
  }

  /** @param {IntersectionObserverEntry[]} entries */
  scrolled(entries) {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        this.near.add(target);
        this.fill(/** @type {HTMLElement} */ (target));
      } else {
        this.near.delete(target);
        target.replaceChildren();
      }
    }
  }

  /**
   * Load the rows of a block, once.
   * @param {number} first
   */
  load(first) {
    const known = this.loading.get(first);
    if (known) return known;
    const loading = this.fetchRows(first);
    this.loading.set(first, loading);
    return loading;
  }

  /** @param {number} first */
  async fetchRows(first) {
    const status = this.status ? `&status=${this.status}` : "";
    const answer = await fetch(`${this.pageUrl}/rows?from=${first}&count=${BLOCK}${status}`);
    if (!answer.ok) throw new Error(await answer.text());
    /** @type {RowPage} */
    const page = await answer.json();
    for (const [n, row] of page.rows.entries()) this.rows[first + n] = row;
  }

  /** @param {HTMLElement} block */
  async fill(block) {
    const first = Number(block.dataset.first);
    await this.load(first);
    if (!this.near.has(block)) return; // it was passed by meanwhile
    const cells = [];
    for (let n = first; n < Math.min(first + BLOCK, this.total); n += 1) {
      if (this.rows[n]) cells.push(this.cell(n));
    }
    block.replaceChildren(...cells);
  }

  /** @param {number} n */
  cell(n) {
    const row = this.rows[n];
    const status = row.status.replace("_", " ");
    const button = make("button", {
      type: "button",
      className: row.thumbnail ? "cell" : "cell none",
      ariaLabel: `Row ${row.row}, ${row.name || "no position"}, ${status}`,
    });
    button.dataset.n = String(n);
    if (row.thumbnail) {
      const src = `${this.resultsUrl}/${encodePath(row.thumbnail)}`;
      button.append(make("img", { loading: "lazy", decoding: "async", alt: "", src }));
    } else {
      button.append(status);
    }
    button.append(make("span", {}, String(row.row)));
    return button;
  }

  listen() {
    const { signal } = this.stop;
    const click = (/** @type {Event} */ event) => {
      const cell = closest(event, ".cell");
      if (cell) this.show(Number(cell.dataset.n));
    };
    /** @type {Record<string, () => void>} */
    const actions = {
      close: () => this.lightbox.close(),
      previous: () => this.show(this.at - 1),
      next: () => this.show(this.at + 1),
    };
    const press = (/** @type {Event} */ event) => {
      if (event.target === this.lightbox) this.lightbox.close();
      const action = closest(event, "[data-do]")?.dataset.do;
      if (action) actions[action]();
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      /** @type {Record<string, number>} */
      const rows = {
        ArrowLeft: this.at - 1,
        ArrowRight: this.at + 1,
        Home: 0,
        End: this.total - 1,
      };
      if (!(event.key in rows)) return;
      event.preventDefault();
      this.show(rows[event.key]);
    };
    this.place.addEventListener("click", click, { signal });
    this.lightbox.addEventListener("click", press, { signal });
    this.lightbox.addEventListener("keydown", key, { signal });
  }

  /**
   * Show a row in the lightbox.
   * @param {number} n
   */
  async show(n) {
    if (n < 0 || n >= this.total) return;
    this.at = n;
    await this.load(Math.floor(n / BLOCK) * BLOCK);
    if (this.at !== n) return; // another was chosen meanwhile
    const row = this.rows[n];
    const position = row.ra === null ? "" : `RA ${row.ra}, Dec ${row.dec}`;
    const texts = [position, row.tile, row.status.replace("_", " "), row.message];
    find("light-title").textContent = `Row ${row.row}${row.name ? `, ${row.name}` : ""}`;
    find("light-text").textContent = texts.filter(Boolean).join(" · ");
    this.showPicture(row);
    const links = row.files.map((name) =>
      make("a", {
        href: this.address(row, name),
        textContent: name.replace(row.name, "").replace(/^_/, "") || name,
        title: name,
      }),
    );
    find("light-files").replaceChildren(...links);
    if (!this.lightbox.open) this.lightbox.showModal();
  }

  /** @param {Row} row */
  showPicture(row) {
    const picture = row.files.find((name) => this.suffixes.some((each) => name.endsWith(each)));
    const image = find("light-image", HTMLImageElement);
    image.hidden = !(picture || row.thumbnail);
    image.alt = picture ? `Picture ${picture}` : "Small picture of one band";
    if (picture) image.src = this.address(row, picture);
    else if (row.thumbnail) image.src = `${this.resultsUrl}/${encodePath(row.thumbnail)}`;
  }

  /** @type {(row: Row, name: string) => string} */
  address(row, name) {
    return `${this.resultsUrl}/${encodePath(`${row.folder}/${name}`)}`;
  }
}
