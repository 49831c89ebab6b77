import assert from "node:assert/strict";
import { test } from "node:test";
import type { Row } from "../src/hass";
import { nearest } from "../src/plot-nearest";
import { appendLive, dropBefore, line, liveStart } from "../src/rows";
import { converter, convertible } from "../src/units";

const same = (value: number): number => value;

test("live samples that memory repeats are taken once", () => {
  const rows: Row[] = [];
  appendLive(rows, [[1000, 20, "ok"], [2000, 21, "ok"]]);
  appendLive(rows, [[2000, 21, "ok"], [3000, 22, "ok"]]);
  assert.deepEqual(rows.map((row) => row[0]), [1000, 2000, 3000]);
});

test("silence of more than fifteen seconds breaks the live line", () => {
  const rows: Row[] = [];
  appendLive(rows, [[1000, 20, "ok"], [17_001, 21, "ok"]]);
  assert.deepEqual(rows.map((row) => row[3]), [20, null, 21]);
});

test("fifteen seconds exactly do not", () => {
  const rows: Row[] = [];
  appendLive(rows, [[1000, 20, "ok"], [16_000, 21, "ok"]]);
  assert.deepEqual(rows.map((row) => row[3]), [20, 21]);
});

test("a bad reading is a hole, never a number", () => {
  const rows: Row[] = [];
  appendLive(rows, [[1000, 20, "ok"], [2000, null, "bad:empty"], [3000, 20, "ok"]]);
  assert.deepEqual(line([], 1000, Infinity, rows, same)[3], [20, null, 20]);
});

test("history ends where live goes on, without doubling an instant", () => {
  const history: Row[] = [[0, 19, 21, 20], [10_000, 20, 22, 21]];
  const live: Row[] = [[19_000, 22, 22, 22], [20_000, 23, 23, 23], [21_000, 24, 24, 24]];
  const [xs, max, min, mean] = line(history, 10_000, 20_000, live, same);
  assert.deepEqual(xs, [5, 15, 19, 20, 21]);
  assert.deepEqual(mean, [20, 21, 22, 23, 24]);
  assert.deepEqual(max.slice(0, 2), [21, 22]);
  assert.deepEqual(min.slice(0, 2), [19, 20]);
});

test("the last bucket of a long range does not hide what arrives while it fills", () => {
  const live: Row[] = [[100_000, 20, 20, 20], [101_000, 21, 21, 21], [102_000, 22, 22, 22]];
  const [xs, , , mean] = line([[0, 19, 21, 20]], 3_600_000, 100_500, live, same);
  assert.deepEqual(xs, [50.25, 100, 101, 102]);
  assert.deepEqual(mean, [20, 20, 21, 22]);
});

test("time between stored history and live that nobody covers is a gap", () => {
  const mean = line([[0, 1, 1, 1]], 1000, 1000, [[60_000, 2, 2, 2]], same)[3];
  assert.deepEqual(mean, [1, null, 2]);
});

test("rows before the window are dropped", () => {
  assert.deepEqual(dropBefore([[1, 1, 1, 1], [5, 1, 1, 1]], 3), [[5, 1, 1, 1]]);
  assert.deepEqual(dropBefore([[1, 1, 1, 1]], 3), []);
});

test("units are those that the user's Home Assistant shows", () => {
  assert.equal(converter("°C", "°F")(100), 212);
  assert.ok(Math.abs(converter("kPa", "psi")(100) - 14.5038) < 1e-4);
  assert.equal(converter("kPa", "bar")(150), 1.5);
  assert.equal(converter("vol", "vol")(2.4), 2.4);
  assert.ok(!convertible("°C", "furlong"));
  assert.ok(convertible(null, null));
});

test("the cursor finds the nearest value and nothing beyond its reach", () => {
  assert.equal(nearest([1, null, undefined, null], 2, 1), null);
  assert.equal(nearest([1, null, undefined, null], 2, 2), 0);
});

test("a young brewery fills the chart, an old one keeps its window", () => {
  const hour = 3_600_000;
  assert.equal(liveStart(0, 6 * hour, 5.9 * hour), 6 * hour - 600_000);
  assert.equal(liveStart(0, 6 * hour, 4 * hour), 4 * hour);
  assert.equal(liveStart(0, 6 * hour, hour), 0);
  assert.equal(liveStart(0, 6 * hour, undefined), 0);
});
