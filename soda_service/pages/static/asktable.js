// Positions as people paste them -> the table that the service reads; and which line is which row.

const NUMBER = String.raw`[+\-−]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?`;
const PART = String.raw`[+\-−]?\d{1,3}(?:\s*[:hd°]\s*|\s+)\d{1,2}(?:\s*[:m'′]\s*|\s+)\d{1,2}(?:\.\d*)?\s*(?:s|"|″|'')?`;
const PAIRS = [
  [new RegExp(String.raw`^\s*(${PART})[\s,;|]+(${PART})\s*$`), true],
  [new RegExp(String.raw`^\s*(${NUMBER})[\s,;|]+(${NUMBER})\s*$`), false],
];

const plain = (text) => text.replace("−", "-");

function degrees(text, perUnit) {
  const sign = plain(text).trim().startsWith("-") ? -1 : 1;
  const [whole, minutes, seconds] = text.match(/\d+(?:\.\d*)?/g).map(Number);
  if (minutes >= 60 || seconds >= 60) return null;
  return sign * (whole + minutes / 60 + seconds / 3600) * perUnit;
}

const rounded = (value) => String(Number(value.toFixed(7)));

// Gives {table, lines, isSexagesimal} where all lines are pairs of RA and Dec, else null.
export function asTable(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  if (!lines.length) return null;
  const rows = [];
  let isSexagesimal = false;
  for (const line of lines) {
    const [found, isAngles] = PAIRS.map(([form, angles]) => [form.exec(line), angles]).find(([match]) => match) ?? [];
    if (!found) return null;
    if (isAngles) {
      const [ra, dec] = [degrees(found[1], 15), degrees(found[2], 1)];
      if (ra === null || dec === null) return null;
      isSexagesimal = true;
      rows.push(`${rounded(ra)},${rounded(dec)}`);
    } else {
      rows.push(`${plain(found[1])},${plain(found[2])}`);
    }
  }
  return { table: `RA,DEC\n${rows.join("\n")}\n`, lines: rows.length, isSexagesimal };
}

// The cells of each record of a CSV text, with the places where records begin and end.
export function records(text) {
  const found = [];
  let [start, at, isQuoted, cell, cells] = [0, 0, false, "", []];
  const end = () => {
    cells.push(cell);
    if (cells.some((each) => each.trim())) found.push({ cells, start, end: at });
    [cell, cells] = ["", []];
  };
  for (; at < text.length; at += 1) {
    const sign = text[at];
    if (isQuoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else isQuoted = false;
    } else if (sign === '"') isQuoted = true;
    else if (sign === ",") {
      cells.push(cell);
      cell = "";
    } else if (sign === "\n") {
      end();
      start = at + 1;
    } else if (sign !== "\r") cell += sign;
  }
  end();
  return found;
}

// RA and Dec of a row (1 is the first), and its own options, or null.
export function rowAt(text, number) {
  const all = records(text);
  const head = all[0]?.cells.map((name) => name.trim().toUpperCase()) ?? [];
  const cells = all[number]?.cells;
  if (!cells) return null;
  return Object.fromEntries(head.map((name, n) => [name, (cells[n] ?? "").trim()]).filter(([, value]) => value));
}

// [ra, dec] of each row that has them.
export function places(text) {
  const [head, ...rest] = records(text);
  const names = head?.cells.map((name) => name.trim().toUpperCase()) ?? [];
  const [ra, dec] = [names.indexOf("RA"), names.indexOf("DEC")];
  if (ra < 0 || dec < 0) return [];
  return rest
    .map(({ cells }) => [Number(cells[ra] || NaN), Number(cells[dec] || NaN)])
    .filter((pair) => pair.every(Number.isFinite));
}
