import assert from "node:assert/strict";
import { test } from "node:test";

import { press, readTriplets, writeBands } from "../../soda_service/pages/static/submitbands.js";

const DES = { bands: ["g", "r", "i", "z", "Y"], isCaseNeeded: false };
const CASE = { bands: ["g", "G", "r", "R"], isCaseNeeded: true };
const WISE = { bands: ["W1", "W2", "W3", "W4"], isCaseNeeded: false };

test("bands are written as the service does", () => {
  assert.equal(writeBands(["i", "r", "Y"], DES), "iry");
  assert.equal(writeBands(["g", "G", "R"], CASE), "gGR");
  assert.equal(writeBands(["W4", "W2"], WISE), "w4,w2");
  assert.equal(writeBands([], DES), "");
});

for (const [text, facts, triplets] of [
  [
    "irg;zgy",
    DES,
    [
      ["i", "r", "g"],
      ["z", "g", "Y"],
    ],
  ],
  [" i, R ,G ; ", DES, [["i", "r", "g"]]],
  [
    "w4,W3,w1;W1,W2,W3",
    WISE,
    [
      ["W4", "W3", "W1"],
      ["W1", "W2", "W3"],
    ],
  ],
  ["gGr", CASE, [["g", "G", "r"]]],
  ["", DES, []],
  ["ir;irgz;iri;irx;i,r", DES, []],
  ["W1W2W3", WISE, []],
  ["irgx", DES, []],
]) {
  test(`triplets are read: '${text}'`, () => {
    assert.deepEqual(readTriplets(text, facts), triplets);
    const again = triplets.map((each) => writeBands(each, facts)).join(";");
    assert.deepEqual(readTriplets(again, facts), triplets);
  });
}

test("three different bands are pressed one after the other", () => {
  let pressed = [];
  for (const [band, isOn, expected] of [
    ["z", true, ["z"]],
    ["r", true, ["z", "r"]],
    ["z", true, ["r", "z"]],
    ["g", true, ["r", "z", "g"]],
    ["Y", true, ["r", "z", "g"]], // no fourth
    ["r", false, ["z", "g"]],
    ["i", false, ["z", "g"]],
    ["Y", true, ["z", "g", "Y"]],
  ]) {
    pressed = press(pressed, band, isOn);
    assert.deepEqual(pressed, expected);
  }
});
