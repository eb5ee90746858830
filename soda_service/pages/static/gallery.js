// Thumbnails of a job's rows: blocks of rows of which only those near the view are filled, so that
// ten thousand scroll as smoothly as ten; and the lightbox, with keys.

const BLOCK = 60;
const CELL = 104; // px, as in job.css
const SHOWN_MAX = 10000; // rows beyond it have no thumbnails

const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/");

export class Gallery {
  constructor(place, { pageUrl, resultsUrl, lightbox }) {
    this.place = place;
    this.pageUrl = pageUrl;
    this.resultsUrl = resultsUrl;
    this.lightbox = lightbox;
    this.status = place.dataset.status;
    this.total = Math.min(Number(place.dataset.total), SHOWN_MAX);
    this.rows = [];
    this.loading = new Map();
    this.blocks = [];
    this.near = new Set();
    place.hidden = false;
    this.watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          this.near.add(entry.target);
          this.fill(entry.target);
        } else {
          this.near.delete(entry.target);
          entry.target.replaceChildren();
        }
      }
    }, { root: place, rootMargin: "400px" });
    for (let first = 0; first < this.total; first += BLOCK) {
      const block = document.createElement("div");
      block.className = "block";
      block.dataset.first = first;
      this.blocks.push(block);
      this.watcher.observe(block);
    }
    place.replaceChildren(...this.blocks);
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

  // Gives the rows of a block, asked for once.
  load(first) {
    if (!this.loading.has(first)) {
      const address = `${this.pageUrl}/rows?from=${first}&count=${BLOCK}${this.status ? `&status=${this.status}` : ""}`;
      this.loading.set(first, fetch(address).then(async (answer) => {
        if (!answer.ok) throw new Error(await answer.text());
        const { rows } = await answer.json();
        rows.forEach((row, n) => (this.rows[first + n] = row));
      }));
    }
    return this.loading.get(first);
  }

  async fill(block) {
    const first = Number(block.dataset.first);
    await this.load(first);
    if (!this.near.has(block)) return; // it was passed by meanwhile
    const count = Math.min(BLOCK, this.total - first);
    const cells = [];
    for (let n = first; n < first + count; n += 1) if (this.rows[n]) cells.push(this.cell(n));
    block.replaceChildren(...cells);
  }

  cell(n) {
    const row = this.rows[n];
    const button = document.createElement("button");
    button.type = "button";
    button.className = row.thumbnail ? "cell" : "cell none";
    button.dataset.n = n;
    button.setAttribute("aria-label", `Row ${row.row}, ${row.name || "no position"}, ${row.status.replace("_", " ")}`);
    if (row.thumbnail) {
      const image = document.createElement("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = "";
      image.src = `${this.resultsUrl}/${encodePath(row.thumbnail)}`;
      button.append(image);
    } else {
      button.append(row.status.replace("_", " "));
    }
    const number = document.createElement("span");
    number.textContent = row.row;
    button.append(number);
    return button;
  }

  listen() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.place.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.show(Number(cell.dataset.n));
    }, { signal });
    this.lightbox.addEventListener("click", (event) => {
      if (event.target === this.lightbox) this.lightbox.close();
      const wanted = event.target.dataset.do;
      if (wanted === "close") this.lightbox.close();
      if (wanted === "previous") this.show(this.at - 1);
      if (wanted === "next") this.show(this.at + 1);
    }, { signal });
    this.lightbox.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: this.total - 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.show(steps[event.key]);
    }, { signal });
  }

  async show(n) {
    if (n < 0 || n >= this.total) return;
    this.at = n;
    await this.load(Math.floor(n / BLOCK) * BLOCK);
    if (this.at !== n) return;
    const row = this.rows[n];
    const place = row.ra === null ? "" : `RA ${row.ra}, Dec ${row.dec}`;
    document.getElementById("light-title").textContent = `Row ${row.row}${row.name ? `, ${row.name}` : ""}`;
    const told = [place, row.tile, row.status.replace("_", " "), row.message].filter(Boolean);
    document.getElementById("light-text").textContent = told.join(" · ");
    const picture = row.files.find((name) => /\.(png|jpg)$/.test(name));
    const image = document.getElementById("light-image");
    image.hidden = !(picture || row.thumbnail);
    image.alt = picture ? `Picture ${picture}` : "Small picture of one band";
    if (picture) image.src = `${this.resultsUrl}/${encodePath(`${row.folder}/${picture}`)}`;
    else if (row.thumbnail) image.src = `${this.resultsUrl}/${encodePath(row.thumbnail)}`;
    document.getElementById("light-files").replaceChildren(...row.files.map((name) => {
      const link = document.createElement("a");
      link.href = `${this.resultsUrl}/${encodePath(`${row.folder}/${name}`)}`;
      link.textContent = name.replace(row.name, "").replace(/^_/, "") || name;
      link.title = name;
      return link;
    }));
    if (!this.lightbox.open) this.lightbox.showModal();
  }
}
