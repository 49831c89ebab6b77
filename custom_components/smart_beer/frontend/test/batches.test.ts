import assert from "node:assert/strict";
import { test } from "node:test";
import { type Batch, filePath, lasting, newestFirst, seenBy } from "../src/batches";
import { listBatches, why } from "../src/batches-api";
import { type Hass, tiers } from "../src/hass";

const batch = (id: string, started: number): Batch => ({ batch_id: id, name: id, started, ended: null, running: true, kettles: [] });
const ids = (batches: Batch[]): string[] => batches.map((one) => one.batch_id);

test("the newest batch comes first, and each comes once", () => {
  assert.deepEqual(ids(newestFirst([batch("a", 1), batch("c", 3), batch("b", 3), batch("a", 2)])), ["b", "c", "a"]);
});

test("a stretch of time is said in its two largest units", () => {
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
  for (const [ms, text] of [
    [-5, "< 1 min"],
    [59_999, "< 1 min"],
    [12 * minute, "12 min"],
    [3 * hour, "3 h"],
    [3 * hour + 12 * minute, "3 h 12 min"],
    [2 * day, "2 d"],
    [2 * day + 3 * hour + 9 * minute, "2 d 3 h"],
  ] as const) assert.equal(lasting(ms), text);
});

test("an alarm was seen by who acknowledged this very one", () => {
  const alarm = { node_id: "n", alarm_id: "hot", since: 5, text: "", cleared: null, kettle_id: null };
  const ack = (node_id: string, alarm_id: string, since: number, t: number, by: string) => ({ node_id, alarm_id, since, t, by, text: "" });
  const all = [ack("n", "hot", 5, 9, "Bo"), ack("n", "hot", 5, 7, "Ana"), ack("n", "hot", 1, 7, "Eve"), ack("m", "hot", 5, 7, "Eve"), ack("n", "cold", 5, 7, "Eve")];
  assert.deepEqual(seenBy(alarm, all).map((one) => one.by), ["Ana", "Bo"]);
});

test("a tier that did not answer is named once", () => {
  assert.equal(tiers([{ tier: "cold", error: "a" }, { tier: "warm", error: "b" }, { tier: "cold", error: "c" }]), "cold, warm");
});

test("a batch's file is found whatever its name is", () => {
  const url = new URL(filePath("B001/LÄGER 7&format=x#", "parquet"), "http://host");
  assert.deepEqual([...url.searchParams], [["batch", "B001/LÄGER 7&format=x#"], ["format", "parquet"]]);
  assert.equal(url.hash, "");
});

/** Home Assistant with these batches, of which it tells two at a time. */
function brewery(all: Batch[], asked: Record<string, unknown>[]): Hass {
  const callWS = async (message: Record<string, unknown>): Promise<unknown> => {
    asked.push(message);
    const found = all.filter((one) => one.started >= (message.start as number));
    return { batches: found.slice(0, 2), more: found.length > 2, partial: [] };
  };
  return { callWS } as unknown as Hass;
}

test("batches come page by page until all are there", async () => {
  const asked: Record<string, unknown>[] = [];
  const all = [batch("a", 1), batch("b", 2), batch("c", 3), batch("d", 4), batch("e", 5)];
  assert.deepEqual(ids((await listBatches(brewery(all, asked), "mash", 1)).batches), ["a", "b", "c", "d", "e"]);
  assert.deepEqual(asked.map((one) => one.start), [1, 2, 3, 4]);
  assert.ok(asked.every((one) => one.kettle === "mash"));
});

test("a page that brings nothing new ends the question", async () => {
  const asked: Record<string, unknown>[] = [];
  const all = [batch("a", 1), batch("b", 1), batch("c", 1)];
  assert.deepEqual(ids((await listBatches(brewery(all, asked), undefined, 0)).batches), ["a", "b"]);
  assert.equal(asked.length, 2);
});

test("what went wrong is said in the user's language where there are words for it", async () => {
  const hass = {
    loadBackendTranslation: async () => (key: string, values?: Record<string, string>) =>
      key === "component.smart_beer.exceptions.no_batch.message" ? `No hay lote en ${values?.kettle}` : "",
  } as unknown as Hass;
  const failure = { message: "No batch", translation_domain: "smart_beer", translation_key: "no_batch", translation_placeholders: { kettle: "K" } };
  assert.equal(await why(hass, failure), "No hay lote en K");
  assert.equal(await why(hass, { ...failure, translation_key: "other" }), "No batch");
  assert.equal(await why(hass, new Error("broken")), "broken");
  assert.equal(await why({ loadBackendTranslation: () => Promise.reject(new Error("gone")) } as unknown as Hass, failure), "No batch");
});
