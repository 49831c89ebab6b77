import assert from "node:assert/strict";
import { test } from "node:test";
import { COLOURS, look } from "../src/colours";

type Triple = [number, number, number];

// What a red-blind and a green-blind eye make of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
const EYES: Record<string, [Triple, Triple, Triple]> = {
  usual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
};

const linear = (hex: string): Triple =>
  [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Triple;
const times = (matrix: [Triple, Triple, Triple], rgb: Triple): Triple =>
  matrix.map((row) => Math.min(1, Math.max(0, row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]))) as Triple;
const luminance = (hex: string): number => times([[0.2126, 0.7152, 0.0722], [0, 0, 0], [0, 0, 0]], linear(hex))[0];

/** CIE 1976 L*a*b* of linear sRGB, D65. */
function lab(rgb: Triple): Triple {
  const [x, y, z] = times([[0.4339, 0.3763, 0.1899], [0.2127, 0.7152, 0.0722], [0.0178, 0.1095, 0.8729]], rgb).map((t) =>
    t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116,
  ) as Triple;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test("every colour can be read on a light and on a dark card", () => {
  for (const colour of COLOURS) {
    assert.ok(1.05 / (luminance(colour) + 0.05) >= 3, `${colour} on white`);
    assert.ok((luminance(colour) + 0.05) / (luminance("#1c1c1c") + 0.05) >= 3, `${colour} on #1c1c1c`);
  }
});

for (const [eye, matrix] of Object.entries(EYES)) {
  test(`lines are told apart by a ${eye} eye`, () => {
    const seen = COLOURS.map((colour) => lab(times(matrix, linear(colour))));
    for (const [i, one] of seen.entries()) {
      for (const [j, other] of seen.entries()) {
        if (i >= j) continue;
        const apart = Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
        assert.ok(apart >= (j < 4 ? 35 : 15), `${COLOURS[i]} and ${COLOURS[j]}: ${apart}`);
      }
    }
  });
}

test("when the colours are used up, lines are dashed", () => {
  assert.equal(look(8).colour, look(0).colour);
  assert.equal(new Set(Array.from({ length: 32 }, (_, index) => JSON.stringify(look(index)))).size, 32);
});
