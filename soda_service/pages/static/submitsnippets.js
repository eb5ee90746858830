// @ts-check
// The same request as commands, as Python, and as a link that fills in the form.
// The form may have been filled in by somebody else's link: nothing of it may become a command.

import { closest, find } from "./dom.js";

/** @typedef {[name: string, value: string][]} Parameters */

const LINK_MAX = 6000; // servers refuse longer addresses
const LINES_MAX = 40;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu; // a terminal may act on these, or break the line
const PLAIN = /^[\w.,:+/@%=-]+$/;

/**
 * Return a text as one word of bash.
 * @param {string} text
 */
export const shellWord = (text) => {
  if (PLAIN.test(text)) return text;
  if (text.search(CONTROL) < 0) return `'${text.replaceAll("'", "'\\''")}'`;
  const written = text
    .replace(/[\\']/g, "\\$&")
    .replace(CONTROL, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `$'${written}'`;
};

/**
 * Return a table that can stand in a snippet, without a line break at its end; null for a file, a
 * long table, and one with signs that a terminal acts on.
 * @param {string} table empty for a file
 */
const writable = (table) => {
  const text = table.replace(/\r\n?/g, "\n").trimEnd();
  const isOdd = text.replace(/[\n\t]/g, "").search(CONTROL) >= 0;
  return !text || isOdd || text.split("\n").length > LINES_MAX ? null : text;
};

/**
 * Return a word that is no line of a text.
 * @param {string} text
 */
const delimiterFor = (text) => {
  const lines = new Set(text.split("\n"));
  let word = "END";
  for (let n = 1; lines.has(word); n += 1) word = `END${n}`;
  return word;
};

/**
 * Return commands for bash.
 * @param {string} base address of the service
 * @param {Parameters} parameters
 * @param {string | null} table null where there is none, empty where it is a file
 */
export const curl = (base, parameters, table) => {
  const lines = [];
  const text = table === null ? null : writable(table);
  if (text !== null) {
    const end = delimiterFor(text);
    lines.push(`cat > positions.csv <<'${end}'`, text, end);
  } else if (table !== null) lines.push("# the table is in positions.csv");
  const address = shellWord(`${base}/async`);
  const options = [
    `curl -s -o /dev/null -w '%{redirect_url}\\n' ${address}`,
    "  -F PHASE=RUN",
    ...parameters.map(([name, value]) => `  --form-string ${shellWord(`${name}=${value}`)}`),
  ];
  if (table !== null) options.push("  -F POSITIONS=@positions.csv");
  lines.push(options.join(" \\\n"));
  return lines.join("\n");
};

/**
 * Return a program in Python.
 * @param {string} base address of the service
 * @param {Parameters} parameters
 * @param {string | null} table null where there is none, empty where it is a file
 */
export const python = (base, parameters, table) => {
  const lines = ["import requests", "from pyvo.dal import AsyncTAPJob", ""];
  const text = table === null ? null : writable(table);
  if (text !== null) {
    const written = text.replace(/[\\"]/g, "\\$&");
    lines.push(`positions = """\\\n${written}\n"""`);
  } else if (table !== null) lines.push('positions = open("positions.csv", "rb").read()');
  const values = [["PHASE", "RUN"], ...parameters].map(
    ([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`,
  );
  lines.push("answer = requests.post(", `    ${JSON.stringify(`${base}/async`)},`);
  lines.push("    data={", ...values, "    },");
  if (table !== null) lines.push('    files={"POSITIONS": positions},');
  lines.push(
    "    allow_redirects=False,",
    ")",
    "assert answer.status_code == 303, answer.text",
    'job = AsyncTAPJob(answer.headers["Location"])',
    "job.wait()",
    "print(job.phase, [result.href for result in job.results])",
  );
  return lines.join("\n");
};

/**
 * Return an address that fills in the form.
 * @param {string} base address of the service
 * @param {Parameters} parameters
 * @param {string | null} table null where there is none, empty where it is a file
 */
export const link = (base, parameters, table) => {
  const query = new URLSearchParams(parameters);
  if (table) query.set("POSITIONS", table);
  const address = `${base}/?${query}`;
  const isShort = table !== "" && address.length <= LINK_MAX;
  return isShort ? address : "The table is too long for a link.";
};

/**
 * Show all of them.
 * @param {string} base address of the service
 * @param {Parameters} parameters
 * @param {string | null} table null where there is none, empty where it is a file
 */
export const showSnippets = (base, parameters, table) => {
  find("curl").textContent = curl(base, parameters, table);
  find("python").textContent = python(base, parameters, table);
  find("address").textContent = link(base, parameters, table);
};

/**
 * Copy the text that a button belongs to; select it where that is not allowed (plain http).
 * @param {Event} event
 */
export const copy = async (event) => {
  const button = closest(event, "[data-copies]");
  const label = button?.firstChild;
  if (!button || !label) return;
  const source = find(button.dataset.copies ?? "");
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    label.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(source);
    label.textContent = "Selected";
  }
  setTimeout(() => {
    label.textContent = "Copy";
  }, 1500);
};
