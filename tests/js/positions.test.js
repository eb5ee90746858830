import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addRow,
  parseLine,
  parsePosition,
  recordLines,
  sexagesimal,
  toTable,
} from "../../soda_service/pages/static/positions.js";

for (const [text, expected] of [
  ["21.588 3.486", [21.588, 3.486]],
  [" -1.5,-90 ", [358.5, -90]],
  ["1e1;+.5", [10, 0.5]],
  ["01:26:21.1512 +03:29:09.996", [21.58813, 3.48611]],
  ["01 26 21.1512 -00 29 09.996", [21.58813, -0.48611]],
  ["1h26m21.1512s -0d29m9.996s", [21.58813, -0.48611]],
  ["1:2 −3:4", [15.5, -3.0666667]],
  ["21.588 3:29:09.6", [21.588, 3.486]],
]) {
  test(`a position is read: ${text}`, () => {
    const found = parsePosition(text);
    for (const n of [0, 1]) assert.ok(Math.abs(found[n] - expected[n]) < 1e-6, `${found}`);
  });
}

for (const text of [
  ...["", "12", "nowhere", "1 91", "1 2 3", "1e3 x", "NaN 0", "Infinity 0", "1e999 0", "0x10 1"],
  ...["01:60:00 +00:00:00", "01:00:60 +00:00:00", "1 2 3 4 5 x", "1 2 3 4 5 6 7", "--1 2"],
]) {
  test(`no position is read: '${text}'`, () => {
    assert.equal(parsePosition(text), null);
    assert.equal(parseLine(text), null);
  });
}

test("a line of a table keeps its digits, and is all hours or none", () => {
  assert.deepEqual(parseLine("021.5880\t−3.486"), { text: "021.5880,-3.486", isHours: false });
  assert.deepEqual(parseLine("12:00:00 -45:30"), { text: "180,-45.5", isHours: true });
  assert.equal(parseLine("01:00:00 5"), null);
});

const ADDED = "a header RA,DEC was added";
for (const [text, table, note] of [
  ["1 2", "RA,DEC\n1,2\n", ADDED],
  ["1,2\r\n3;-4\r\n", "RA,DEC\n1,2\n3,-4\n", ADDED],
  ["ra dec\n1 2", "RA,DEC\n1,2\n", "blanks became commas"],
  ["ra,dec\n1 2", "RA,DEC\n1,2\n", "blanks became commas"],
  ["RA Dec_J2000\n2:00 1:30\n", "RA,DEC\n30,1.5\n", "hours and degrees were converted to degrees"],
  ["2:00 1:30", "RA,DEC\n30,1.5\n", `${ADDED}; hours and degrees were converted to degrees`],
]) {
  test(`bare positions become a table: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(toTable(text), { text: table, note: `Read as positions: ${note}.` });
  });
}

for (const text of [
  "",
  "RA,DEC\n1,2\n",
  "ra,dec,name\n1,2,a b",
  "1 2\nx",
  "<VOTABLE/>",
  "RA,DEC",
]) {
  test(`other tables stay as they are: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(toTable(text), { text, note: "" });
  });
}

for (const [text, lines] of [
  ["", []],
  ["RA,DEC\n1,2", [0, 1]],
  ["\n RA,DEC\n\n1,2\r\n\r\n3,4\n", [1, 3, 5]],
  ['RA,DEC,n\n1,2,"a\nb"\n3,4,"c ""d"""\n', [0, 1, 3]],
  ['RA,DEC\n1,"2\n', [0, 1]],
]) {
  test(`records begin in lines: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(recordLines(text), lines);
  });
}

test("a row is added in the columns of the table", () => {
  assert.equal(addRow("", 1.5, -2), "RA,DEC\n1.500000,-2.000000\n");
  assert.equal(addRow(" \n", 1, 2), "RA,DEC\n1.000000,2.000000\n");
  assert.equal(addRow("n, Dec,ra\na,1,2", 3, 4), "n, Dec,ra\na,1,2\n,4.000000,3.000000\n");
  assert.equal(addRow("COADD_OBJECT_ID\n1\n", 3, 4), null);
});

test("positions are written in hours and degrees", () => {
  assert.equal(sexagesimal(21.58813, 3.48611), "01:26:21.15 +03:29:10.0");
  assert.equal(sexagesimal(0, -0.5), "00:00:00.00 −00:30:00.0");
  assert.equal(sexagesimal(359.99999999, 89.99999999), "00:00:00.00 +90:00:00.0");
  assert.equal(sexagesimal(14.9999999, 0.99999999), "01:00:00.00 +01:00:00.0");
});
