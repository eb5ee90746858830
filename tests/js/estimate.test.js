import assert from "node:assert/strict";
import { test } from "node:test";

import { Latest } from "../../soda_service/pages/static/latest.js";
import { describe, validate } from "../../soda_service/pages/static/submitestimate.js";
import { pictureQuery } from "../../soda_service/pages/static/submitpreview.js";

const ESTIMATE = {
  valid: true,
  is_complete: true,
  rows: 1200,
  matched: 1000,
  files: 3000,
  size_bytes: 6_081_000,
  seconds: null,
  faults: [],
  tiles: ["A", "B"],
  total_tiles: 2,
};
const plain = (text) => text.replaceAll("\u00a0", " ").replaceAll("\u202f", "_");

test("an estimate is told in words", () => {
  const { sums, coverage, tiles } = describe(ESTIMATE);
  assert.deepEqual(
    sums.map((each) => each.map(plain)),
    [
      ["Rows", "1_200"],
      ["In tiles", "1_000"],
      ["Files", "3_000"],
      ["Size", "6.08 MB"],
    ],
  );
  assert.deepEqual(coverage, [
    ["ok", 1000],
    ["off", 200],
  ]);
  assert.equal(tiles, "2 tiles: A, B");
});

test("a row is faulty once, however many faults it has", () => {
  const fault = (row) => ({ row, column: "XSIZE", message: "no number" });
  const faults = [fault(1), fault(1), fault(7), fault(null)];
  const { coverage } = describe({ ...ESTIMATE, faults, rows: 4, matched: 1 });
  assert.deepEqual(coverage, [
    ["ok", 1],
    ["off", 1],
    ["bad", 2],
  ]);
});

test("what is not known yet is left out or marked", () => {
  const { sums, tiles } = describe({ ...ESTIMATE, is_complete: false, seconds: 7500 });
  assert.equal(plain(sums[0][1]), "1_200 +");
  assert.deepEqual(sums.at(-1).map(plain), ["Time", "2 h 5 min"]);
  assert.equal(tiles, "2 tiles: A, B");
  assert.equal(describe({ ...ESTIMATE, tiles: ["A"], total_tiles: 1 }).tiles, "1 tile: A");
  assert.equal(describe({ ...ESTIMATE, tiles: [], total_tiles: 0 }).tiles, "");
  const many = { tiles: [..."ABCDEFGHIJ"], total_tiles: 1234 };
  const text = describe({ ...ESTIMATE, ...many }).tiles;
  assert.equal(plain(text), "1_234 tiles: A, B, C, D, E, F, G, H and 1_226 more");
});

test("a request is checked as the form would send it", async (context) => {
  const calls = [];
  context.mock.method(globalThis, "fetch", async (address, options) => {
    calls.push([address, [...options.body.keys()], options.body.get("XSIZE")]);
    return calls.length === 1
      ? Response.json(ESTIMATE)
      : new Response("UsageError: too large\n", { status: 413 });
  });
  const parameters = [
    ["XSIZE", "1"],
    ["POS", "CIRCLE 1 2 3"],
    ["POS", "CIRCLE 4 5 6"],
  ];
  const { signal } = new AbortController();
  const table = new Blob(["RA,DEC\n1,2\n"]);
  assert.deepEqual(await validate("http://s", parameters, table, signal), ESTIMATE);
  assert.deepEqual(calls[0], ["http://s/validate", ["XSIZE", "POS", "POS", "POSITIONS"], "1"]);
  const refused = validate("http://s", parameters, null, signal);
  await assert.rejects(refused, { message: "too large" });
  assert.deepEqual(calls[1][1], ["XSIZE", "POS", "POS"]);
});

test("the newest request wins, and runs after a pause", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const signals = [];
  const latest = new Latest(async (signal) => {
    signals.push(signal);
  }, 400);
  latest.start();
  context.mock.timers.tick(399);
  latest.start(); // the first had not begun
  context.mock.timers.tick(399);
  assert.equal(signals.length, 0);
  context.mock.timers.tick(1);
  assert.equal(signals.length, 1);
  latest.start();
  assert.ok(signals[0].aborted);
  context.mock.timers.tick(400);
  assert.equal(signals.length, 2);
  assert.ok(!signals[1].aborted);
  latest.start();
  latest.stop();
  context.mock.timers.tick(1000);
  assert.equal(signals.length, 2);
  assert.ok(signals[1].aborted);
});

const PLACE = { row: 1, ra_deg: 21.5, dec_deg: -3.25, tile: "A" };
const METHODS = [
  { method: "LUPTON", settings: ["RGB_ASINH"] },
  { method: "STIFF", settings: [] },
];
const PARAMETERS = [
  ["RELEASE", "DR1"],
  ["EDGE", "pad"],
  ["RGB_ASINH", "8"],
  ["MAKE_RGB_STIFF", "true"],
];

test("a picture of a row is asked for by its method and nothing else", () => {
  const query = (...rest) => Object.fromEntries(pictureQuery(PLACE, ...rest, METHODS));
  const common = { RA: "21.5", DEC: "-3.25", RESPONSEFORMAT: "png", RELEASE: "DR1", EDGE: "pad" };
  assert.deepEqual(query("LUPTON", "irg", PARAMETERS, [0.5, 99]), {
    ...common,
    XSIZE: "0.5",
    YSIZE: "3",
    RGB_ASINH: "8",
    MAKE_FITS: "false",
    MAKE_RGB_LUPTON: "true",
    MAKE_RGB_STIFF: "false",
    RGB_LUPTON_COLORS: "irg",
  });
  assert.deepEqual(query("FITS", "g", PARAMETERS, [Number.NaN, 2]), {
    ...common,
    XSIZE: "1",
    YSIZE: "2",
    COLORS_FITS: "g",
    MAKE_RGB_LUPTON: "false",
    MAKE_RGB_STIFF: "false",
  });
});
