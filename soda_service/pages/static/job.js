// The page of a job: live while it works, its gallery, and what it sends to other programs.

import { Gallery } from "./gallery.js";
import { follow, number, size } from "./live.js";
import { send } from "./samp.js";

const live = document.getElementById("live");
const pageUrl = live.dataset.page;
const resultsUrl = live.dataset.results;
let gallery = null;

function dress() {
  const place = document.getElementById("gallery");
  if (place) gallery = new Gallery(place, { pageUrl, resultsUrl, lightbox: document.getElementById("lightbox") });
  for (const samp of live.querySelectorAll(".samp")) samp.hidden = false;
}

function write(facts) {
  if (facts.gone) {
    document.getElementById("title").textContent += " (deleted)";
    return;
  }
  if (facts.phase !== live.dataset.phase || (facts.total && !live.querySelector("progress"))) {
    live.dataset.phase = facts.phase;
    reload();
    return;
  }
  const part = (name) => live.querySelector(`[data-part="${name}"]`);
  const set = (name, text) => {
    if (part(name)) part(name).textContent = text;
  };
  set("done", number(facts.done + facts.failed));
  set("total", number(facts.total));
  set("failed", number(facts.failed));
  set("size", facts.size_bytes ? size(facts.size_bytes) : "");
  const bar = live.querySelector("progress");
  if (bar) [bar.max, bar.value] = [facts.total || 1, facts.done + facts.failed];
  const speed = facts.rate_per_s ? `${facts.rate_per_s} rows a second` : "";
  const until = facts.expected_end ? `, done about ${facts.expected_end.slice(0, 19).replace("T", " ")} UTC` : "";
  set("speed", speed + until);
}

// What changes with the state is written by the server; where the reader is stays.
async function reload() {
  const address = new URL(window.location);
  address.searchParams.set("part", "live");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const before = window.scrollY;
  gallery?.close();
  live.innerHTML = await answer.text();
  dress();
  window.scrollTo(0, before);
}

live.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-samp]");
  if (!button) return;
  const told = document.getElementById("samp-told");
  told.textContent = "Asking…";
  try {
    const mtype = button.dataset.samp;
    const messages = mtype === "table.load.votable"
      ? [{ "samp.mtype": mtype, "samp.params": { url: button.dataset.url, name: button.dataset.name } }]
      : await images(mtype);
    const count = await send(document.title, messages);
    told.textContent = `Sent to ${count} program${count === 1 ? "" : "s"}.`;
  } catch (error) {
    told.textContent = error.message;
  }
});

const IMAGES_SENT = 20;

async function images(mtype) {
  const answer = await fetch(`${pageUrl}/rows?count=200&status=ok`);
  const { rows } = await answer.json();
  const found = rows.flatMap((row) => row.files.filter((name) => name.endsWith(".fits")).map((name) => [row.folder, name]));
  if (!found.length) throw new Error("There are no FITS files to send.");
  return found.slice(0, IMAGES_SENT).map(([folder, name]) => ({
    "samp.mtype": mtype,
    "samp.params": { url: `${resultsUrl}/${encodePath(`${folder}/${name}`)}`, name },
  }));
}

const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/");

document.getElementById("delete")?.addEventListener("submit", (event) => {
  if (!window.confirm("Delete this job and all its files?")) {
    event.preventDefault();
    return;
  }
  event.target.append(Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "1" }));
});

dress();
if (live.hasAttribute("data-active")) follow([live.dataset.job], write);
