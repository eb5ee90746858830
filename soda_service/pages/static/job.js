// @ts-check
// The page of a job: live while it works, its gallery, and what it sends to other programs.

import { closest, encodePath, find, make, meta } from "./dom.js";
import { Gallery } from "./gallery.js";
import { follow } from "./live.js";
import { send } from "./samp.js";
import { number, size } from "./text.js";

const IMAGES_MAX = 20; // sent to other programs at once

const live = find("live");
const { page: pageUrl = "", results: resultsUrl = "", job: id = "" } = live.dataset;
/** @type {Gallery | null} */
let gallery = null;

const decorate = () => {
  const place = document.getElementById("gallery");
  const lightbox = find("lightbox", HTMLDialogElement);
  if (place) gallery = new Gallery(place, { pageUrl, resultsUrl, lightbox });
  for (const each of live.querySelectorAll(".samp")) each.removeAttribute("hidden");
};

/** @param {import("./live.js").JobFacts} facts */
const write = (facts) => {
  if (facts.gone) {
    find("title").textContent += " (deleted)";
    return;
  }
  const bar = live.querySelector("progress");
  if (facts.phase !== live.dataset.phase || (facts.total && !bar)) {
    live.dataset.phase = facts.phase;
    reload();
    return;
  }
  const finished = facts.done + facts.failed;
  const rate = facts.rate_per_s ? `${facts.rate_per_s} rows a second` : "";
  const end = facts.expected_end?.slice(0, 19).replace("T", " ");
  const texts = {
    done: number(finished),
    total: number(facts.total),
    failed: number(facts.failed),
    size: facts.size_bytes ? size(facts.size_bytes) : "",
    speed: rate + (end ? `, done about ${end} UTC` : ""),
  };
  for (const [name, text] of Object.entries(texts)) {
    const part = live.querySelector(`[data-part="${name}"]`);
    if (part) part.textContent = text;
  }
  if (bar) [bar.max, bar.value] = [facts.total || 1, finished];
};

/** Have the server write what looks otherwise in another phase; the page stays where it is. */
const reload = async () => {
  const address = new URL(window.location.href);
  address.searchParams.set("part", "live");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const before = window.scrollY;
  gallery?.close();
  live.innerHTML = await answer.text();
  decorate();
  window.scrollTo(0, before);
};

/**
 * Return the messages that a button sends.
 * @param {HTMLElement} button
 * @returns {Promise<import("./samp.js").Message[]>}
 */
const messages = async ({ dataset: { samp: mtype = "", url = "", name = "" } }) => {
  if (mtype === "table.load.votable") {
    return [{ "samp.mtype": mtype, "samp.params": { url, name } }];
  }
  const answer = await fetch(`${pageUrl}/rows?count=200&status=ok`);
  /** @type {import("./gallery.js").RowPage} */
  const { rows } = await answer.json();
  const images = rows.flatMap((row) =>
    row.files.filter((file) => file.endsWith(".fits")).map((file) => ({ row, file })),
  );
  if (!images.length) throw new Error("There are no FITS files to send.");
  return images.slice(0, IMAGES_MAX).map(({ row, file }) => {
    const address = `${resultsUrl}/${encodePath(`${row.folder}/${file}`)}`;
    return { "samp.mtype": mtype, "samp.params": { url: address, name: file } };
  });
};

live.addEventListener("click", async (event) => {
  const button = closest(event, "[data-samp]");
  if (!button) return;
  const status = find("samp-status");
  status.textContent = "Asking…";
  try {
    const count = await send(document.title, await messages(button));
    status.textContent = `Sent to ${count} program${count === 1 ? "" : "s"}.`;
  } catch (error) {
    status.textContent = error instanceof Error ? error.message : String(error);
  }
});

const deletion = document.getElementById("delete");
deletion?.addEventListener("submit", (event) => {
  if (window.confirm("Delete this job and all its files?")) {
    deletion.append(make("input", { type: "hidden", name: "confirmed", value: "1" }));
  } else {
    event.preventDefault();
  }
});

decorate();
if (live.hasAttribute("data-active")) follow(meta("base"), [id], write);
