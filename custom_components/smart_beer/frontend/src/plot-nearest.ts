// Apart from plot.ts because uPlot needs a DOM to be imported.

/** Index of the nearest point with a value within `reach` positions, else null. */
export function nearest(values: ArrayLike<number | null | undefined>, index: number, reach: number): number | null {
  for (let step = 0; step <= reach; step++) {
    if (values[index - step] != null) return index - step;
    if (values[index + step] != null) return index + step;
  }
  return null;
}
