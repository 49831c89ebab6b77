import assert from "node:assert/strict";
import { test } from "node:test";
import { checked, chosen, labels } from "../src/card-config";
import type { SeriesInfo } from "../src/hass";

const type = "custom:smart-beer-history-card";
const probe = (node: string, channel: string, kettle: string | null, kind = "temperature"): SeriesInfo => ({
  series: `${node}/${channel}`,
  node_id: node,
  node_name: node.toUpperCase(),
  channel_id: channel,
  name: channel,
  kind,
  role: "process",
  kettle_id: kettle,
  kettle_name: kettle,
  unit: null,
  display_unit: null,
  entity_id: null,
});
const all = [probe("a", "t", "mash"), probe("b", "t", "mash"), probe("b", "p", "mash", "pressure"), probe("b", "room", null)];

test("a card shows a kettle's series, of the wanted kinds", () => {
  const series = chosen(all, { type, kettle: "mash", kinds: ["temperature"] });
  assert.deepEqual(series.map((one) => one.series), ["a/t", "b/t"]);
  assert.deepEqual(labels(series), ["A", "B"]);
});

test("what is not measured is shown only when asked for", () => {
  const some = [...all, probe("a", "heater", "mash", "actuator")];
  const names = (config: object): string[] => chosen(some, { type, ...config }).map((one) => one.series);
  assert.deepEqual(names({ kettle: "mash" }), ["a/t", "b/t", "b/p"]);
  assert.deepEqual(names({ kettle: "mash", kinds: ["actuator"] }), ["a/heater"]);
  assert.deepEqual(names({ series: ["a/heater"] }), ["a/heater"]); // asked for by name
});

test("a node's card names its channels", () => {
  assert.deepEqual(labels(chosen(all, { type, node: "b" })), ["t", "p", "room"]);
});

test("channels of several nodes are named with both", () => {
  assert.deepEqual(labels(chosen(all, { type, series: ["a/t", "b/p"] })), ["A · t", "B · p"]);
});

test("what makes no sense is refused", () => {
  for (const wrong of [{ hours: 0 }, { hours: -1 }, { hours: "6" }, { hours: Number.NaN }, { hours: 1e6 }, { kettle: 5 }, { series: "a/t" }, { kinds: [1] }]) {
    assert.throws(() => checked({ type, ...wrong } as never), Error, JSON.stringify(wrong));
  }
  assert.equal(checked({ type, hours: 0.5 }).hours, 0.5);
});
