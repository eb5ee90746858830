// @ts-check
// The list of jobs: live, renamed in place, selected together; asks before it deletes.

import { find, make, meta, select } from "./dom.js";
import { follow } from "./live.js";
import { duration, number, size } from "./text.js";

const base = meta("base");
/** @type {Map<string, HTMLElement>} */
const rows = new Map();
for (const row of document.querySelectorAll("tr")) {
  if (row.dataset.job) rows.set(row.dataset.job, row);
}

/** @type {(row: HTMLElement, name: string) => HTMLElement} */
const part = (row, name) => select(row, `[data-part="${name}"]`, HTMLElement);

/** @param {import("./live.js").JobFacts} facts */
const write = (facts) => {
  const row = rows.get(facts.id);
  if (!row) return;
  if (facts.gone) {
    row.remove();
    rows.delete(facts.id);
    return;
  }
  if (select(row, ".phase", HTMLElement).title !== facts.phase) reload(row);
  part(row, "name").textContent = facts.name || "unnamed";
  part(row, "duration").textContent = duration(facts.duration_s);
  part(row, "size").textContent = facts.size_bytes ? size(facts.size_bytes) : "";
  if (facts.total && facts.is_active) {
    const finished = number(facts.done + facts.failed);
    part(row, "rows").textContent = `${finished} of ${number(facts.total)}`;
  }
};

/**
 * Have the server write what looks otherwise in another phase.
 * @param {HTMLElement} row
 */
const reload = async (row) => {
  const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(`tr[data-job="${row.dataset.job}"]`);
  if (!fresh) return;
  const { checked } = select(row, "input", HTMLInputElement);
  row.replaceChildren(...fresh.childNodes);
  select(row, "input", HTMLInputElement).checked = checked;
  offerRename(row);
};

/** @param {HTMLElement} row */
const offerRename = (row) => {
  const button = select(row, "[data-rename]", HTMLElement);
  button.classList.remove("hidden");
  button.addEventListener("click", () => rename(row));
};

/** @param {HTMLElement} row */
const rename = (row) => {
  const name = part(row, "name");
  const field = find("new-name", HTMLInputElement);
  const dialog = find("rename", HTMLDialogElement);
  field.value = name.textContent === "unnamed" ? "" : (name.textContent ?? "");
  dialog.returnValue = "no";
  dialog.showModal();
  field.select();
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    const answer = await fetch(`${base}/jobs/${row.dataset.job}/name`, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRF-Token": meta("csrf-token") },
      body: new URLSearchParams({ NAME: field.value }),
    });
    if (answer.ok) name.textContent = (await answer.json()).name || "unnamed";
    else find("count").textContent = (await answer.text()).trim();
  };
};

/** @param {HTMLFormElement} form */
const listen = (form) => {
  const all = find("all", HTMLInputElement);
  /** @type {() => HTMLInputElement[]} */
  const boxes = () => [...form.querySelectorAll('input[name="id"]')].filter(isInput);
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
  });
  form.addEventListener("change", () => {
    all.checked = boxes().every((box) => box.checked);
  });
  form.addEventListener("submit", (event) => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (!chosen) event.preventDefault();
    const button = event.submitter;
    const isDeletion = button instanceof HTMLButtonElement && button.value === "delete";
    if (!chosen || !isDeletion || form.elements.namedItem("confirmed")) return;
    event.preventDefault();
    confirmDeletion(form, button, chosen);
  });
};

/** @type {(element: Element) => element is HTMLInputElement} */
const isInput = (element) => element instanceof HTMLInputElement;

/** @type {(form: HTMLFormElement, button: HTMLButtonElement, chosen: number) => void} */
const confirmDeletion = (form, button, chosen) => {
  const dialog = find("sure", HTMLDialogElement);
  const jobs = chosen === 1 ? "This job" : `These ${chosen} jobs`;
  find("sure-text").textContent = `${jobs} and all files will be permanently deleted.`;
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    // Only for this request: the page may stay, or come back from the browser's memory.
    const confirmed = make("input", { type: "hidden", name: "confirmed", value: "1" });
    form.append(confirmed);
    form.requestSubmit(button);
    confirmed.remove();
  };
};

// Shift adds a column to the order instead of replacing it.
for (const link of document.querySelectorAll("a")) {
  const address = link.dataset.also;
  if (!address) continue;
  link.addEventListener("click", (event) => {
    if (!event.shiftKey) return;
    event.preventDefault();
    window.location.assign(address);
  });
}

for (const box of document.querySelectorAll("#filter input[type=checkbox]")) {
  box.addEventListener("change", () => find("filter", HTMLFormElement).requestSubmit());
}

for (const row of rows.values()) offerRename(row);
const form = document.getElementById("jobs");
if (form instanceof HTMLFormElement) listen(form);
follow(base, [...rows.keys()], write);
