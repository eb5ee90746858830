// @ts-check
// Positions as people write them, and tables of them.

import { normalRa } from "./sphere.js";

const NUMBER = /^[+\-−]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SEXAGESIMAL = /^([+\-−]?)(\d{1,3})[:h°d](\d{1,2})(?:[:m'′](\d{1,2}(?:\.\d*)?)?["″s]?)?$/;

/**
 * Return the value of a decimal or sexagesimal text, in its own unit; NaN if it is neither.
 * @param {string} text
 */
const parseAngle = (text) => {
  const parts = SEXAGESIMAL.exec(text);
  if (!parts) return NUMBER.test(text) ? Number(text.replace("−", "-")) : Number.NaN;
  const [minutes, seconds] = [Number(parts[3]), Number(parts[4] ?? 0)];
  if (minutes > 59 || seconds >= 60) return Number.NaN;
  const value = Number(parts[2]) + minutes / 60 + seconds / 3600;
  return parts[1] && parts[1] !== "+" ? -value : value;
};

/**
 * Return a position that is written by two numbers of degrees, or by hours and degrees.
 * @param {string} text
 * @returns {{ fields: string[], isHours: boolean[], ra: number, dec: number } | null} the two
 *   fields as they stand, which of them are sexagesimal, and degrees; null if it is no position
 */
const parse = (text) => {
  let fields = text.trim().split(/[\s,;]+/);
  if (fields.length === 6 && fields.every((each) => NUMBER.test(each))) {
    fields = [fields.slice(0, 3).join(":"), fields.slice(3).join(":")];
  }
  if (fields.length !== 2) return null;
  const isHours = fields.map((each) => SEXAGESIMAL.test(each));
  const ra = parseAngle(fields[0]) * (isHours[0] ? 15 : 1);
  const dec = parseAngle(fields[1]);
  return Number.isFinite(ra) && Math.abs(dec) <= 90 ? { fields, isHours, ra, dec } : null;
};

/**
 * Return RA (0 to 360) and Dec of a position; null if the text is none.
 * @param {string} text
 * @returns {import("./sphere.js").Position | null}
 */
export const parsePosition = (text) => {
  const found = parse(text);
  return found && [normalRa(found.ra), found.dec];
};

/**
 * Return "RA,Dec" in degrees of a line that is a bare position; null if it is anything else.
 * @param {string} line
 */
export const parseLine = (line) => {
  const found = parse(line);
  if (!found || found.isHours[0] !== found.isHours[1]) return null;
  const [isHours] = found.isHours;
  const text = isHours
    ? `${Number(found.ra.toFixed(7))},${Number(found.dec.toFixed(7))}`
    : found.fields.join(",").replaceAll("−", "-");
  return { text, isHours };
};

const HEADER = /^\s*ra[\s,;]+dec\w*\s*$/i;
const CSV_PAIR = /^[^\s,;]+,[^\s,;]+$/;

/**
 * Return a list of bare positions as CSV with a header, and a note of what was done; anything
 * else as it is, without a note.
 * @param {string} text
 */
export const toTable = (text) => {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const hasHeader = HEADER.test(lines[0] ?? "");
  const rows = lines.slice(hasHeader ? 1 : 0).map(parseLine);
  const read = rows.filter((each) => each !== null);
  if (!read.length || read.length < rows.length) return { text, note: "" };
  const notes = [];
  if (!hasHeader) notes.push("a header RA,DEC was added");
  if (read.some((each) => each.isHours)) {
    notes.push("hours and degrees were converted to degrees");
  }
  if (!notes.length) {
    const isCsv = /,/.test(lines[0]) && lines.slice(1).every((line) => CSV_PAIR.test(line.trim()));
    if (isCsv) return { text, note: "" };
    notes.push("blanks became commas");
  }
  const table = `RA,DEC\n${read.map((each) => each.text).join("\n")}\n`;
  return { text: table, note: `Read as positions: ${notes.join("; ")}.` };
};

/**
 * Return the line (from 0) on which each record of a CSV text begins; the first is the header.
 * @param {string} text
 */
export const recordLines = (text) => {
  const starts = [];
  let [line, start] = [0, 0];
  let [isQuoted, isBlank] = [false, true];
  for (let at = 0; at <= text.length; at += 1) {
    const sign = text[at];
    if (sign === '"') isQuoted = !isQuoted;
    if (sign !== undefined && sign !== "\n") {
      if (isBlank && sign.trim()) [isBlank, start] = [false, line];
      continue;
    }
    if ((!isQuoted || sign === undefined) && !isBlank) {
      starts.push(start);
      isBlank = true;
    }
    line += 1;
  }
  return starts;
};

/**
 * Return a table with one row more, for a position.
 * @param {string} table CSV; empty for a new one
 * @param {number} ra degrees
 * @param {number} dec degrees
 * @returns {string | null} null if the table has no columns RA and DEC
 */
export const addRow = (table, ra, dec) => {
  const [header, ...rows] = table.trimEnd().split("\n");
  const names = (header.trim() || "RA,DEC").split(",").map((each) => each.trim().toUpperCase());
  if (!names.includes("RA") || !names.includes("DEC")) return null;
  /** @type {Record<string, string>} */
  const cells = { RA: ra.toFixed(6), DEC: dec.toFixed(6) };
  const row = names.map((name) => cells[name] ?? "").join(",");
  return `${[header.trim() || "RA,DEC", ...rows, row].join("\n")}\n`;
};

/**
 * Write a value in units and sixtieths: `01:26:21.15`.
 * @param {number} value
 * @param {number} digits decimals of the last field
 * @param {number} period value that is written as zero
 */
const sixtieths = (value, digits, period) => {
  const total = (Math.round(value * 3600 * 10 ** digits) / 10 ** digits) % (period * 3600);
  const fields = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  const seconds = (total % 60).toFixed(digits).padStart(digits + 3, "0");
  return [...fields.map((each) => String(each).padStart(2, "0")), seconds].join(":");
};

/**
 * Write a position in hours and degrees: `01:26:21.15 +03:29:10.0`.
 * @param {number} ra degrees
 * @param {number} dec degrees
 */
export const sexagesimal = (ra, dec) => {
  const sign = dec < 0 ? "−" : "+";
  return `${sixtieths(ra / 15, 2, 24)} ${sign}${sixtieths(Math.abs(dec), 1, 360)}`;
};
