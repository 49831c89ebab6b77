// What a card was asked to show, and which series those are.

import type { SeriesInfo } from "./hass";

export interface CardConfig {
  type: string;
  /** Empty: no title, where a heading above says it already. */
  title?: string;
  /** All series of this kettle. */
  kettle?: string;
  /** All series of this node. */
  node?: string;
  /** Exactly these series. */
  series?: string[];
  /** Only these kinds; without it, and without `series`: what is measured. */
  kinds?: string[];
  hours?: number;
}

const MEASURED_KINDS = ["temperature", "pressure", "co2"];
const MOST_HOURS = 24 * 3660;
// As many as `smart_beer/history` answers at once.
const MOST_SERIES = 32;

/** Home Assistant makes the card's editor from this. */
export const FORM = {
  schema: [
    { name: "title", selector: { text: {} } },
    { name: "kettle", selector: { text: {} } },
    { name: "node", selector: { text: {} } },
    { name: "hours", selector: { number: { min: 1, max: 8760, mode: "box", unit_of_measurement: "h" } } },
  ],
};

/** Throws what Home Assistant shows in place of the card. */
export function checked(config: CardConfig): CardConfig {
  const { hours } = config;
  if (hours !== undefined && !(typeof hours === "number" && hours > 0 && hours <= MOST_HOURS)) {
    throw new Error("hours: a number above 0, at most ten years");
  }
  for (const key of ["title", "kettle", "node"] as const) {
    if (config[key] !== undefined && typeof config[key] !== "string") throw new Error(`${key}: a text`);
  }
  for (const key of ["series", "kinds"] as const) {
    const list: unknown = config[key];
    if (list !== undefined && !(Array.isArray(list) && list.every((one) => typeof one === "string"))) throw new Error(`${key}: a list of texts`);
  }
  return config;
}

/** The series a card shows, in the order in which they are listed. */
export function chosen(all: SeriesInfo[], config: CardConfig): SeriesInfo[] {
  const kinds = config.kinds ?? (config.series === undefined ? MEASURED_KINDS : undefined);
  return all
    .filter((one) =>
      config.series !== undefined
        ? config.series.includes(one.series)
        : (config.kettle === undefined || one.kettle_id === config.kettle) && (config.node === undefined || one.node_id === config.node),
    )
    .filter((one) => kinds === undefined || kinds.includes(one.kind))
    .slice(0, MOST_SERIES);
}

/** What to call each beside the others: by channel on one node, by node where channels share a name. */
export function labels(series: SeriesInfo[]): string[] {
  const nodes = new Set(series.map((one) => one.node_id));
  const names = new Set(series.map((one) => one.name));
  return series.map((one) => {
    if (nodes.size === 1) return one.name;
    return names.size === 1 ? one.node_name : `${one.node_name} · ${one.name}`;
  });
}
