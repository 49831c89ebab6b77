// History and live samples of one series become one line. No DOM, no clock of its own.

import type { LiveEvent, Row } from "./hass";

/** Without a sample for this long, a live line is broken (the bridge breaks history the same way). */
export const GAP_MS = 15_000;

/** Live samples as rows: a reading without a value, or silence before it, breaks the line. */
export function appendLive(rows: Row[], samples: LiveEvent["samples"][string]): void {
  for (const [t, value] of samples) {
    const last = rows.at(-1);
    if (last !== undefined && t <= last[0]) continue; // the first event repeats what memory holds
    if (last !== undefined && t - last[0] > GAP_MS && last[3] !== null) rows.push([last[0] + 1, null, null, null]);
    rows.push([t, value, value, value]);
  }
}

const LEAST_WINDOW_MS = 600_000;

/**
 * Where a live window begins: a brewery that is younger than half of it is not drawn as a sliver at
 * the edge, but at least ten minutes are shown.
 */
export function liveStart(start: number, end: number, firstRow: number | undefined): number {
  if (firstRow === undefined || firstRow < (start + end) / 2) return start;
  return Math.max(start, Math.min(firstRow, end - LEAST_WINDOW_MS));
}

/** Keeps live rows in [from, ...). */
export function dropBefore(rows: Row[], from: number): Row[] {
  const first = rows.findIndex((row) => row[0] >= from);
  return first < 0 ? [] : rows.slice(first);
}

/**
 * One line of [x in seconds][max][min][mean]: history at the middle of its buckets, then what is newer
 * from live. The last bucket ends where the question did (`end`), so that live goes on from its middle.
 */
export function line(
  history: readonly Row[],
  bucketMs: number,
  end: number,
  live: readonly Row[],
  convert: (value: number) => number,
): [number[], (number | null)[], (number | null)[], (number | null)[]] {
  const xs: number[] = [];
  const max: (number | null)[] = [];
  const min: (number | null)[] = [];
  const mean: (number | null)[] = [];
  const put = (x: number, row: Row) => {
    xs.push(x / 1000);
    min.push(row[1] === null ? null : convert(row[1]));
    max.push(row[2] === null ? null : convert(row[2]));
    mean.push(row[3] === null ? null : convert(row[3]));
  };
  let drawn = Number.NEGATIVE_INFINITY;
  let covered = Number.NEGATIVE_INFINITY;
  for (const row of history) {
    covered = Math.max(row[0], Math.min(row[0] + bucketMs, end));
    drawn = bucketMs > 1000 ? (row[0] + covered) / 2 : row[0];
    put(drawn, row);
  }
  const newer = live.filter((row) => row[0] > drawn);
  const last = history.at(-1);
  if (last !== undefined && last[3] !== null && newer[0] !== undefined && newer[0][0] - covered > GAP_MS) {
    put(covered, [covered, null, null, null]);
  }
  for (const row of newer) put(row[0], row);
  return [xs, max, min, mean];
}
