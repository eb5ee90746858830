// The form of new cutouts: checked while it is filled in, with what will come of it.

import { BandChoice, TripletChoice } from "./askbands.js";
import { curl, link, python } from "./asksnippets.js";
import { asTable, places, records, rowAt } from "./asktable.js";
import { duration, number, size } from "./live.js";

const byId = (id) => document.getElementById(id);
const base = document.querySelector('meta[name="base"]').content;
const form = byId("ask");
const table = byId("positions");
const BOOLEANS = ["MAKE_RGB_STIFF", "MAKE_RGB_LUPTON", "DISCARD_FITS_FILES"];
const PICTURES = { MAKE_RGB_STIFF: "RGB_STIFF_COLORS", MAKE_RGB_LUPTON: "RGB_LUPTON_COLORS" };
const OF_ROW = ["XSIZE", "YSIZE", "XPIX", "YPIX", "EDGE", "RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH", "RGB_STIFF_COLORS", "RGB_LUPTON_COLORS"];
let release = null;

for (const id of ["example", "pick"]) byId(id).classList.remove("hidden");

// What the form says that is not the release's own: [name, text] of each.
function fields() {
  const told = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value.trim());
  const known = new Map(told);
  for (const name of BOOLEANS) known.set(name, form.elements[name].checked ? "true" : "false");
  if (byId("file").files.length) known.delete("POSITIONS");
  return [...known].filter(([name, value]) => name === "RELEASE" || !isDefault(name, value));
}

function isDefault(name, value) {
  const usual = release?.defaults[name];
  if (usual === undefined) return false;
  if (BOOLEANS.includes(name)) return (value === "true") === Boolean(usual);
  if (typeof usual === "number") return Number(value) === usual;
  return value.toLowerCase() === String(usual).toLowerCase();
}

// Checking

let asked = 0;
let timer = 0;

function later() {
  window.clearTimeout(timer);
  timer = window.setTimeout(check, 350);
}

async function check() {
  const number = (asked += 1);
  const sent = new FormData();
  for (const [name, value] of fields()) sent.append(name, value);
  const file = byId("file").files[0];
  if (file) sent.append("POSITIONS", file);
  write();
  if (!file && !table.value.trim()) {
    tell("Give positions: paste them, choose a file, or pick them on the sky.");
    return;
  }
  try {
    const answer = await fetch(`${base}/validate`, { method: "POST", body: sent });
    if (number !== asked) return; // there is a newer one
    if (answer.ok) show(await answer.json());
    else tell((await answer.text()).trim(), "bad");
  } catch {
    if (number === asked) tell("The service does not answer; it will be checked when it is sent.", "bad");
  }
}

function tell(text, kind = "") {
  byId("state").textContent = text;
  byId("state").className = kind || "muted";
  byId("found").classList.add("hidden");
  byId("marks").classList.add("hidden");
  byId("warnings").classList.add("hidden");
}

function show(found) {
  const lost = found.rows - found.matched - found.total_faults;
  if (!found.valid) tell(found.total_faults === 1 ? "One thing is wrong." : `${found.total_faults} things are wrong.`, "bad");
  else if (!found.matched) tell("No row lies in a tile: nothing would be cut.", "bad");
  else tell(lost > 0 ? "Ready, but some rows lie in no tile." : "Ready to be sent.", "ok");
  const set = (name, text) => (form.querySelector(`[data-found="${name}"]`).textContent = text);
  const rest = found.is_complete ? "" : " of the first rows";
  set("rows", `${number(found.matched)} of ${number(found.rows)} lie in a tile${rest}`);
  set("tiles", found.tiles.slice(0, 5).join(", ") + (found.total_tiles > 5 ? ` and ${number(found.total_tiles - 5)} more` : "") || "none");
  set("files", number(found.files));
  set("size", found.size_bytes ? size(found.size_bytes) : "nothing");
  set("time", found.seconds === null ? "not known yet" : `about ${duration(Math.max(1, found.seconds))}`);
  byId("found").classList.toggle("hidden", !found.rows);
  list("marks", [
    ...found.faults.map((fault) => [faultText(fault), fault.row, "bad"]),
    ...found.unmatched.slice(0, 50).map((each) => [`row ${each.row}: ${each.message}`, each.row, ""]),
  ]);
  list("warnings", found.warnings.map((text) => [text, null, ""]));
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const fault of found.faults) {
    const input = fault.row ? table : form.elements[fault.column];
    if (input instanceof Element) input.setAttribute("aria-invalid", "true");
  }
}

const faultText = (fault) =>
  [fault.row && `row ${fault.row}`, fault.column].filter(Boolean).join(", ") + (fault.row || fault.column ? ": " : "") + fault.message;

function list(id, entries) {
  const items = entries.map(([text, row, kind]) => {
    const item = Object.assign(document.createElement("li"), { className: kind });
    if (row && !byId("file").files.length) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => select(row));
      item.append(button);
    } else item.append(text);
    return item;
  });
  byId(id).replaceChildren(...items);
  byId(id).classList.toggle("hidden", !items.length);
}

function select(row) {
  const found = records(table.value)[row];
  if (!found) return;
  table.focus();
  table.setSelectionRange(found.start, found.end);
}

// Positions

function readPasted() {
  const found = asTable(table.value);
  byId("read").classList.toggle("hidden", !found);
  if (!found) return;
  const before = table.value;
  table.value = found.table;
  const told = `${found.lines} line${found.lines === 1 ? "" : "s"} read as RA and Dec, ${found.isSexagesimal ? "hours and degrees" : "degrees"}. `;
  const undo = Object.assign(document.createElement("button"), { type: "button", className: "slim", textContent: "Undo" });
  undo.addEventListener("click", () => {
    table.value = before;
    byId("read").classList.add("hidden");
    later();
  });
  byId("read").replaceChildren(told, undo);
  later();
}

table.addEventListener("change", readPasted);
table.addEventListener("paste", () => window.setTimeout(readPasted));
byId("example").addEventListener("click", (event) => {
  byId("file").value = "";
  table.value = event.target.dataset.table;
  table.disabled = false;
  later();
});
byId("file").addEventListener("change", () => {
  table.disabled = Boolean(byId("file").files.length); // one table at a time
  later();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  table.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    table.classList.toggle("dropping", kind === "dragover");
    if (kind !== "drop" || !event.dataTransfer.files.length) return;
    byId("file").files = event.dataTransfer.files;
    byId("file").dispatchEvent(new Event("change", { bubbles: true }));
  });
}

let sky = null;

byId("pick").addEventListener("click", async () => {
  byId("sky-dialog").showModal();
  const { SkyView } = await import("./sky.js");
  sky ??= new SkyView(byId("sky"), {
    base,
    onPick: (ra, dec) => {
      const rows = table.value.trim() ? table.value.trimEnd() : "RA,DEC";
      const names = records(rows)[0].cells.map((name) => name.trim().toUpperCase());
      const cells = names.map((name) => ({ RA: ra.toFixed(5), DEC: dec.toFixed(5) })[name] ?? "");
      table.value = `${rows}\n${cells.join(",")}\n`;
      byId("sky-told").textContent = `RA ${ra.toFixed(5)}, Dec ${dec.toFixed(5)} was added.`;
      sky.setPositions(places(table.value).map((pair) => [...pair, ""]));
      later();
    },
  });
  if (sky.release !== release.name) await sky.setRelease(release.name);
  sky.setPositions(places(table.value).map((pair) => [...pair, ""]));
});
byId("sky-close").addEventListener("click", () => byId("sky-dialog").close());

// Preview of one row, and the request as programs send it

function preview() {
  const chosen = Object.keys(PICTURES).filter((name) => form.elements[name].checked);
  const row = byId("file").files.length ? null : rowAt(table.value, Number(byId("preview-row").value) || 1);
  const at = row?.COADD_OBJECT_ID ? { COADD_OBJECT_ID: row.COADD_OBJECT_ID } : { RA: row?.RA, DEC: row?.DEC };
  const isThere = Boolean(chosen.length && row && Object.values(at).every(Boolean));
  byId("preview").classList.toggle("hidden", !isThere);
  if (!isThere) return;
  const asked = Object.fromEntries(fields().filter(([name]) => OF_ROW.includes(name) || name === "RELEASE"));
  for (const name of OF_ROW) if (row[name]) asked[name] = row[name];
  const figures = chosen.map((name) => {
    const query = new URLSearchParams({ ...asked, ...at, [name]: "true", RESPONSEFORMAT: "png" });
    const figure = document.createElement("figure");
    const image = Object.assign(document.createElement("img"), { alt: `Preview, ${name.endsWith("STIFF") ? "STIFF" : "Lupton"}` });
    image.addEventListener("error", () => failed(image.src));
    image.addEventListener("load", () => (byId("preview-told").textContent = ""));
    image.src = `${base}/sync?${query}`;
    const first = (asked[PICTURES[name]] ?? release.defaults[PICTURES[name]]).split(";")[0];
    figure.append(image, Object.assign(document.createElement("figcaption"), { textContent: `${name.endsWith("STIFF") ? "STIFF" : "Lupton"} ${first}` }));
    return figure;
  });
  byId("previews").replaceChildren(...figures);
}

async function failed(address) {
  const answer = await fetch(address);
  byId("preview-told").textContent = answer.status === 204 ? "There is no image of this row." : (await answer.text()).trim();
}

const SNIPPETS = { curl, Python: python, Link: (root, told) => link(root, told) };
let snippet = "curl";

function write() {
  const told = fields();
  byId("snippets").classList.remove("hidden");
  byId("snippet").textContent = SNIPPETS[snippet](base, told, Boolean(byId("file").files.length));
  byId("copied").textContent = "";
  preview();
}

byId("snippets").querySelector("[role=tablist]").append(...Object.keys(SNIPPETS).map((name) => {
  const tab = Object.assign(document.createElement("button"), { type: "button", className: "slim", textContent: name });
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-selected", String(name === snippet));
  tab.setAttribute("aria-controls", "snippet");
  tab.addEventListener("click", () => {
    snippet = name;
    for (const each of tab.parentNode.children) each.setAttribute("aria-selected", String(each === tab));
    write();
  });
  return tab;
}));
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("snippet").textContent);
  byId("copied").textContent = "Copied.";
});

// A width that is changed changes the height with it, until the height has been set.
let isSquare = form.elements.XSIZE.value === form.elements.YSIZE.value;
form.elements.XSIZE.addEventListener("input", () => {
  if (isSquare) form.elements.YSIZE.value = form.elements.XSIZE.value;
});
form.elements.YSIZE.addEventListener("input", () => (isSquare = false));

form.addEventListener("input", later);
form.addEventListener("change", (event) => {
  // Another release has other bands, defaults and limits: the server writes them.
  if (event.target.id !== "release") return;
  const kept = fields().filter(([name]) => ["RELEASE", "POSITIONS", "JOBNAME", "EMAIL"].includes(name));
  const address = link(base, kept);
  if (address.startsWith("http")) window.location = address;
});

const { releases } = await (await fetch(`${base}/releases`)).json();
release = releases.find((each) => each.name === byId("release").value);
for (const input of form.querySelectorAll("[data-bands]")) new BandChoice(input, release).draw();
for (const input of form.querySelectorAll("[data-triplets]")) new TripletChoice(input, release).draw();
form.dataset.ready = "";
check();
