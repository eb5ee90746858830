import assert from "node:assert/strict";
import { test } from "node:test";

import {
  circleAround,
  dot,
  Hammer,
  isInTile,
  makeTile,
  normalRa,
  RADIAN,
  toPosition,
  toVector,
  Zenithal,
} from "../../soda_service/pages/static/sphere.js";

const near = (actual, expected, tolerance = 1e-9) => {
  assert.equal(actual.length, expected.length);
  for (const [n, value] of expected.entries()) {
    assert.ok(Math.abs(actual[n] - value) < tolerance, `${actual} is not ${expected}`);
  }
};

const PLACES = [0, 1, 89.5, 123.4, 180, 270.25, 359.9].flatMap((ra) =>
  [-89, -45.5, 0, 0.001, 60, 88].map((dec) => [ra, dec]),
);

test("positions become vectors of length 1 and back", () => {
  near(toVector(90, 0), [0, 1, 0]);
  near(toVector(10, -90), [0, 0, -1]);
  near(toPosition([0, -1, 0]), [270, 0]);
  for (const place of PLACES) {
    const vector = toVector(...place);
    assert.ok(Math.abs(dot(vector, vector) - 1) < 1e-14);
    near(toVector(...toPosition(vector)), vector, 1e-14);
  }
  assert.deepEqual([-1, 0, 360, 721].map(normalRa), [359, 0, 0, 1]);
});

test("the zenithal projection keeps areas and can be turned back", () => {
  const projection = new Zenithal(123, -56);
  near(projection.project(toVector(123, -56)), [0, 0]);
  const [x, y] = projection.project(toVector(123, -55));
  near([x, y], [0, 2 * Math.sin(0.5 * RADIAN)]); // north is up, by the chord
  assert.ok(projection.project(toVector(124, -56))[0] < 0, "east is to the left");
  assert.equal(projection.project(toVector(303, 56)), null); // the opposite
  assert.equal(projection.unproject(1.5, 1.5), null);
  for (const place of PLACES) {
    const point = projection.project(toVector(...place));
    if (point) near(toVector(...projection.unproject(...point)), toVector(...place));
  }
});

test("the whole sky is an ellipse that can be turned back", () => {
  const projection = new Hammer(200);
  near(projection.project(toVector(200, 0)), [0, 0]);
  near(projection.project(toVector(7, 90)), [0, Math.SQRT2]);
  assert.equal(projection.unproject(2.9, 0), null);
  for (const place of PLACES) {
    const [x, y] = projection.project(toVector(...place));
    assert.ok((x * x) / 8 + (y * y) / 2 <= 1 + 1e-12);
    near(toVector(...projection.unproject(x, y)), toVector(...place));
  }
});

test("a tile across the seam is drawn at both ends", () => {
  const projection = new Hammer(0);
  const outline = (ra) => makeTile("t", [ra - 1, -1, ra + 1, -1, ra + 1, 1, ra - 1, 1]);
  assert.equal(projection.anglesOf(outline(90)).length, 1);
  const angles = projection.anglesOf(outline(179.5));
  near(angles, [179.5 * RADIAN, -180.5 * RADIAN]);
  for (const angle of angles) {
    const points = outline(179.5).corners.map((corner) => projection.project(corner, angle));
    const width = Math.max(...points.map(([x]) => x)) - Math.min(...points.map(([x]) => x));
    assert.ok(width < 0.1, `the outline is ${width} wide`);
  }
});

for (const [name, angles] of [
  ["anticlockwise", [10, 20, 11, 20, 11, 21, 10, 21]],
  ["clockwise", [10, 20, 10, 21, 11, 21, 11, 20]],
  ["across RA 0", [359.5, 20, 0.5, 20, 0.5, 21, 359.5, 21]],
  ["around the pole", [0, 89, 90, 89, 180, 89, 270, 89]],
]) {
  test(`a position lies in a tile or does not: ${name}`, () => {
    const tile = makeTile("t", angles);
    const [ra, dec] = toPosition(tile.centre);
    assert.ok(isInTile(tile, tile.centre));
    assert.ok(tile.corners.every((corner) => dot(corner, tile.centre) >= tile.nearness));
    assert.ok(!isInTile(tile, toVector(ra, dec - 2)));
    assert.ok(!isInTile(tile, toVector(ra + 180, -dec)));
    const outside = toVector(angles[0] - 0.01, Math.min(angles[1], angles[5]) - 0.01);
    assert.ok(!isInTile(tile, outside));
  });
}

test("a circle around circles reaches to the farthest", () => {
  const at = (ra, dec, radius = 0) => ({ centre: toVector(ra, dec), radius });
  const circle = circleAround([at(359, 0, 0.01), at(1, 0)]);
  near(
    toPosition(circle.centre).map((each) => Math.round(each * 1e9) / 1e9),
    [0, 0],
  );
  near([circle.radius], [RADIAN + 0.01], 1e-8);
  assert.equal(circleAround([]), null);
  assert.equal(circleAround([at(0, 0), at(180, 0)]), null); // as far this way as that
});
