// The list of jobs: live, selected together, asked before something is deleted.

import { duration, follow, number, size } from "./live.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const form = document.getElementById("jobs");
const rows = new Map([...document.querySelectorAll("tr[data-job]")].map((row) => [row.dataset.job, row]));

// Shift adds a column to the order instead of replacing it.
for (const link of document.querySelectorAll("a[data-also]")) {
  link.addEventListener("click", (event) => {
    if (!event.shiftKey) return;
    event.preventDefault();
    window.location = link.dataset.also;
  });
}

for (const box of document.querySelectorAll("#filter input[type=checkbox]")) {
  box.addEventListener("change", () => box.form.requestSubmit());
}

function write(facts) {
  const row = rows.get(facts.id);
  if (!row) return;
  if (facts.gone) {
    row.remove();
    rows.delete(facts.id);
    return;
  }
  const part = (name) => row.querySelector(`[data-part="${name}"]`);
  const badge = part("phase").querySelector(".phase");
  if (badge.title !== facts.phase) reloadRow(row);
  part("name").textContent = facts.name || "unnamed";
  part("duration").textContent = duration(facts.duration_s);
  part("size").textContent = facts.size_bytes ? size(facts.size_bytes) : "";
  if (facts.total && facts.is_active) {
    part("rows").textContent = `${number(facts.done + facts.failed)} of ${number(facts.total)}`;
  }
}

// What looks otherwise in another state is written by the server.
async function reloadRow(row) {
  const answer = await fetch(window.location, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(`tr[data-job="${row.dataset.job}"]`);
  if (!fresh) return;
  const isChecked = row.querySelector("input").checked;
  fresh.querySelector("input").checked = isChecked;
  row.replaceChildren(...fresh.childNodes);
  const button = row.querySelector("[data-rename]");
  button.classList.remove("hidden");
  button.addEventListener("click", () => rename(row.dataset.job));
}

follow([...rows.keys()], write);

const renaming = document.getElementById("rename");
for (const row of rows.values()) {
  const button = row.querySelector("[data-rename]");
  button.classList.remove("hidden");
  button.addEventListener("click", () => rename(row.dataset.job));
}

function rename(id) {
  const name = rows.get(id).querySelector('[data-part="name"]');
  const field = document.getElementById("new-name");
  field.value = name.textContent === "unnamed" ? "" : name.textContent;
  renaming.returnValue = "no";
  renaming.showModal();
  field.select();
  renaming.onclose = async () => {
    if (renaming.returnValue !== "yes") return;
    const answer = await fetch(`${meta("base")}/jobs/${id}/name`, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRF-Token": meta("csrf-token") },
      body: new URLSearchParams({ NAME: field.value }),
    });
    if (answer.ok) name.textContent = (await answer.json()).name || "unnamed";
    else document.getElementById("count").textContent = (await answer.text()).trim();
  };
}

if (form) {
  const all = document.getElementById("all");
  const boxes = () => [...form.querySelectorAll('input[name="id"]')];
  all.hidden = false;
  all.addEventListener("change", () => boxes().forEach((box) => (box.checked = all.checked)));
  form.addEventListener("change", () => {
    all.checked = boxes().every((box) => box.checked);
  });
  const sure = document.getElementById("sure");
  form.addEventListener("submit", (event) => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (!chosen) event.preventDefault();
    if (event.submitter?.value !== "delete" || form.elements.confirmed || !chosen) return;
    event.preventDefault();
    document.getElementById("sure-text").textContent =
      `${chosen === 1 ? "This job" : `These ${chosen} jobs`} and all files are removed for good.`;
    sure.showModal();
    sure.addEventListener("close", () => {
      if (sure.returnValue !== "yes") return;
      const confirmed = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "1" });
      form.append(confirmed);
      form.requestSubmit(event.submitter);
    }, { once: true });
  });
}
