import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, number, size } from "../../soda_service/pages/static/text.js";

// The same as tests/unit/pages/test_formatting.py has for the server.
const plain = (text) => text.replaceAll("\u00a0", " ").replaceAll("\u202f", "_");

test("counts have a thin space between thousands", () => {
  const texts = [0, 999, 1000, 1234567].map((value) => plain(number(value)));
  assert.deepEqual(texts, ["0", "999", "1_000", "1_234_567"]);
});

test("sizes have three digits", () => {
  for (const [bytes, text] of [
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1000, "1 kB"],
    [1500, "1.5 kB"],
    [6_081_000, "6.08 MB"],
    [999_499, "999 kB"],
    [999_500, "1 MB"],
    [123_456_789, "123 MB"],
    [5e15, "5000 TB"],
  ]) {
    assert.equal(plain(size(bytes)), text);
  }
});

test("time spans have their two largest units", () => {
  for (const [seconds, text] of [
    [null, ""],
    [0, "0.0 s"],
    [9.94, "9.9 s"],
    [9.96, "10 s"],
    [59.6, "1 min"],
    [3600, "1 h"],
    [7500, "2 h 5 min"],
    [3605, "1 h"],
    [86400 + 300, "1 d"],
    [90000, "1 d 1 h"],
  ]) {
    assert.equal(plain(duration(seconds)), text);
  }
});
