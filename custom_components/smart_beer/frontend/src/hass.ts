// The part of Home Assistant's frontend that the cards touch.

export const DOMAIN = "smart_beer";

export interface HassEntity {
  entity_id: string;
  state: string;
  attributes: Record<string, unknown>;
}

export interface EntityEntry {
  entity_id: string;
  device_id?: string | null;
  platform?: string;
  translation_key?: string | null;
  entity_category?: string | null;
  hidden?: boolean;
}

export interface DeviceEntry {
  id: string;
  name: string | null;
  name_by_user?: string | null;
  identifiers: [string, string][];
}

export interface Connection {
  subscribeMessage<T>(
    callback: (message: T) => void,
    message: Record<string, unknown>,
    options?: { resubscribe?: boolean },
  ): Promise<() => Promise<void>>;
  addEventListener(event: "ready", callback: () => void): void;
  removeEventListener(event: "ready", callback: () => void): void;
}

export interface Hass {
  connection: Connection;
  callWS<T>(message: Record<string, unknown>): Promise<T>;
  language: string;
  locale: { language: string; number_format: string; time_format: string; time_zone: string };
  config: { time_zone: string; unit_system: Record<string, string> };
  states: Record<string, HassEntity>;
  entities: Record<string, EntityEntry>;
  devices: Record<string, DeviceEntry>;
  themes?: { darkMode?: boolean };
  hassUrl(path: string): string;
  loadBackendTranslation(category: string, integration: string): Promise<(key: string, values?: Record<string, string>) => string>;
}

/** One series as `smart_beer/series` lists it. */
export interface SeriesInfo {
  series: string;
  node_id: string;
  node_name: string;
  channel_id: string;
  name: string;
  kind: string;
  role: string;
  kettle_id: string | null;
  kettle_name: string | null;
  unit: string | null;
  display_unit: string | null;
  entity_id: string | null;
}

/** Bucket start in UTC ms, then min, max and mean; all null: a gap begins here. */
export type Row = [t: number, min: number | null, max: number | null, mean: number | null];

/** A tier that something is missing from, and why. */
export interface Missing {
  tier: string;
  error: string;
}

/** The tiers that something is missing from. */
export function tiers(partial: Missing[]): string {
  return [...new Set(partial.map((one) => one.tier))].join(", ");
}

/** The answer of `smart_beer/history`. */
export interface History {
  start: number;
  end: number;
  bucket_ms: number;
  partial: Missing[];
  series: Record<string, Row[]>;
}

/** An event of `smart_beer/live`. */
export interface LiveEvent {
  samples: Record<string, [t: number, value: number | null, quality: string][]>;
}

/** The device that our integration registered under this identifier. */
export function device(hass: Hass, identifier: string): DeviceEntry | undefined {
  return Object.values(hass.devices).find((one) => one.identifiers.some(([domain, id]) => domain === DOMAIN && id === identifier));
}

/** Every series there is, or the error's text. */
export async function listSeries(hass: Hass): Promise<SeriesInfo[]> {
  return (await hass.callWS<{ series: SeriesInfo[] }>({ type: "smart_beer/series" })).series;
}

const MEASURED = ["temperature", "pressure", "co2", "channel"];
const found = new WeakMap<Hass["entities"], Map<string, string[]>>();

/** Our entities with these translation keys; asked at every change of any state. */
function ours(hass: Hass, keys: string[]): string[] {
  const known = found.get(hass.entities) ?? new Map<string, string[]>();
  found.set(hass.entities, known);
  let ids = known.get(keys.join());
  if (ids === undefined) {
    const those = Object.values(hass.entities).filter((one) => one.platform === DOMAIN && keys.includes(one.translation_key ?? ""));
    ids = those.map((one) => one.entity_id);
    known.set(keys.join(), ids);
  }
  return ids;
}

/** The units that our sensors show now, as one text: when it changes, a person has chosen another. */
export function shownUnits(hass: Hass): string {
  return ours(hass, MEASURED).map((id) => hass.states[id]?.attributes.unit_of_measurement ?? "").join();
}

/** The batches that are in kettles now, as one text: when it changes, one began or ended. */
export function shownBatches(hass: Hass): string {
  return ours(hass, ["batch"]).map((id) => hass.states[id]?.state ?? "").join();
}
