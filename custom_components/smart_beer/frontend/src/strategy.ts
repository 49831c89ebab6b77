// `custom:smart-beer`: a dashboard made from the brewery that is there. It finds entities by
// device and translation key, so it fits any installation, in any language, on either server.

import { DOMAIN, type DeviceEntry, type EntityEntry, type Hass, type SeriesInfo, device, listSeries } from "./hass";
import { words } from "./i18n";

type Card = Record<string, unknown>;

interface Vessel {
  id: string;
  name: string;
  kinds: Set<string>;
}

/** The kettles that series name, in the order of their names, with the kinds each has. */
export function vessels(series: SeriesInfo[]): Vessel[] {
  const found = new Map<string, Vessel>();
  for (const one of series) {
    if (one.kettle_id === null) continue;
    const vessel = found.get(one.kettle_id) ?? { id: one.kettle_id, name: one.kettle_name ?? one.kettle_id, kinds: new Set<string>() };
    vessel.kinds.add(one.kind);
    found.set(one.kettle_id, vessel);
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** Its entities, those with these translation keys first and in their order. */
export function entities(hass: Hass, owner: DeviceEntry | undefined, keys: string[]): EntityEntry[] {
  if (owner === undefined) return [];
  const all = Object.values(hass.entities).filter((one) => one.platform === DOMAIN && one.device_id === owner.id);
  return keys.flatMap((key) => all.filter((one) => one.translation_key === key));
}

const tile = (entity: EntityEntry): Card => ({ type: "tile", entity: entity.entity_id, name: { type: "entity" } });

/** Its entities of a domain that a brewer wants at hand: neither settings nor diagnostics. */
export function controls(hass: Hass, owner: DeviceEntry | undefined, domain: string): EntityEntry[] {
  if (owner === undefined) return [];
  return Object.values(hass.entities)
    .filter((one) => one.platform === DOMAIN && one.device_id === owner.id && one.entity_id.startsWith(`${domain}.`))
    .filter((one) => one.entity_category == null && !one.hidden)
    .sort((a, b) => a.entity_id.localeCompare(b.entity_id));
}

const thermostat = (entity: EntityEntry): Card => ({
  ...tile(entity),
  state_content: ["hvac_action", "current_temperature"],
  features: [{ type: "target-temperature" }, { type: "climate-hvac-modes", style: "icons" }],
  grid_options: { columns: 12, rows: "auto" },
});

/** A switch. Heat is not one careless tap away: a heater's tile opens its dialogue instead. */
const output = (entity: EntityEntry): Card =>
  entity.translation_key?.startsWith("heater")
    ? { ...tile(entity), icon_tap_action: { action: "more-info" } }
    : { ...tile(entity), tap_action: { action: "toggle" }, icon_tap_action: { action: "toggle" } };

/** A button that a tap presses, without a question in between. */
const press = (entity: EntityEntry): Card => ({
  ...tile(entity),
  hide_state: true,
  color: entity.translation_key === "safe_stop" ? "red" : "amber",
  tap_action: { action: "toggle" },
  icon_tap_action: { action: "toggle" },
});

const only = (problems: EntityEntry[]): Card => ({
  visibility: problems.map((one) => ({ condition: "state", entity: one.entity_id, state: "on" })),
});

/** What is wrong, in words; there while something is. */
const reasons = (entity: EntityEntry): Card => ({
  ...tile(entity),
  ...only([entity]),
  color: "red",
  state_content: ["reasons"],
  grid_options: { columns: 12, rows: 1 },
});

function kettleSection(hass: Hass, vessel: Vessel, hours: number, kinds: string[]): Card {
  const owner = device(hass, `kettle/${vessel.id}`);
  const keys = ["temperature", "pressure", "co2", "probe_problem"];
  const problem = entities(hass, owner, ["heating_problem"]);
  return {
    type: "grid",
    cards: [
      { type: "heading", heading: owner?.name_by_user ?? vessel.name, icon: vessel.kinds.has("co2") ? "mdi:barrel" : "mdi:pot-steam" },
      ...controls(hass, owner, "climate").map(thermostat),
      ...entities(hass, owner, keys).map(tile),
      ...controls(hass, owner, "switch").map(output),
      ...entities(hass, owner, ["leader"]).map(tile),
      ...entities(hass, owner, ["safe_stop"]).map(press),
      ...problem.map(reasons),
      ...entities(hass, owner, ["clear_latches"]).map((entity) => ({ ...press(entity), ...only(problem) })),
      { type: "custom:smart-beer-history-card", title: "", kettle: vessel.id, kinds, hours },
    ],
  };
}

function nodeSection(hass: Hass, id: string, name: string): Card {
  const owner = device(hass, `node/${id}`);
  const own = entities(hass, owner, ["connectivity", "alarm", "clock_known", "spool_depth", "disk_free", "cpu_temperature", "clock_offset", "firmware"]);
  return {
    type: "grid",
    cards: [
      { type: "heading", heading: owner?.name_by_user ?? name, icon: "mdi:raspberry-pi" },
      ...own.map(tile),
      { type: "custom:smart-beer-history-card", title: "", node: id, hours: 24 },
    ],
  };
}

export class BreweryStrategy extends HTMLElement {
  static async generate(_config: unknown, hass: Hass): Promise<Card> {
    const say = words(hass.language);
    const series = await listSeries(hass);
    const kettles = vessels(series);
    const closed = kettles.filter((vessel) => vessel.kinds.has("co2") || vessel.kinds.has("pressure"));
    const open = kettles.filter((vessel) => !closed.includes(vessel));
    const nodes = [...new Map(series.map((one) => [one.node_id, one.node_name])).entries()];
    const sections = (cards: Card[]): Card[] =>
      cards.length > 0 ? cards : [{ type: "grid", cards: [{ type: "markdown", content: `## ${say.empty_title}\n${say.empty_text}` }] }];
    return {
      title: say.brewery,
      views: [
        {
          title: say.brewery,
          path: "brewery",
          icon: "mdi:kettle-steam",
          type: "sections",
          max_columns: 3,
          sections: sections((open.length > 0 ? open : kettles).map((vessel) => kettleSection(hass, vessel, 6, ["temperature"]))),
        },
        {
          title: say.cellar,
          path: "fermentation",
          icon: "mdi:barrel",
          type: "sections",
          max_columns: 2,
          sections: sections(closed.map((vessel) => kettleSection(hass, vessel, 24, ["temperature", "pressure", "co2"]))),
        },
        {
          title: say.batches,
          path: "batches",
          icon: "mdi:barley",
          type: "sections",
          max_columns: 2,
          sections: [{ type: "grid", column_span: 2, cards: [{ type: "custom:smart-beer-batches-card", title: "" }] }],
        },
        {
          title: say.nodes,
          path: "nodes",
          icon: "mdi:raspberry-pi",
          type: "sections",
          max_columns: 3,
          sections: sections(nodes.map(([id, name]) => nodeSection(hass, id, name))),
        },
      ],
    };
  }
}
