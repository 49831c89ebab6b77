// Questions about batches to Home Assistant, and what a person does with them.

import { type Batch, type BatchList, type Format, type WholeBatch, filePath } from "./batches";
import { DOMAIN, type Hass, type Missing } from "./hass";

/** All batches that began at `start` (UTC ms) or later, of one kettle or of all. */
export async function listBatches(hass: Hass, kettle: string | undefined, start: number): Promise<{ batches: Batch[]; partial: Missing[] }> {
  const batches: Batch[] = [];
  const known = new Set<string>();
  const partial: Missing[] = [];
  let from = start;
  for (;;) {
    const page = await hass.callWS<BatchList>({ type: "smart_beer/batches", start: from, ...(kettle === undefined ? {} : { kettle }) });
    const fresh = page.batches.filter((batch) => !known.has(batch.batch_id));
    for (const batch of fresh) known.add(batch.batch_id);
    batches.push(...fresh);
    partial.push(...page.partial);
    if (!page.more || fresh.length === 0) return { batches, partial };
    from = Math.max(from, ...fresh.map((batch) => batch.started)); // the next page begins with what this one ended with
  }
}

export function wholeBatch(hass: Hass, batch: string): Promise<WholeBatch> {
  return hass.callWS<WholeBatch>({ type: "smart_beer/batch", batch });
}

/** Has Home Assistant do one of our actions. */
export async function act(hass: Hass, service: string, data: Record<string, string>): Promise<void> {
  await hass.callWS({ type: "call_service", domain: DOMAIN, service, service_data: data, return_response: true });
}

/** Has the browser save a batch's file; throws what keeps it from beginning. */
export async function download(hass: Hass, batch: string, format: Format): Promise<void> {
  const { path } = await hass.callWS<{ path: string }>({ type: "auth/sign_path", path: filePath(batch, format), expires: 60 });
  const url = hass.hassUrl(path);
  // A download that fails says nothing to people: ask first whether it can begin.
  const trial = new AbortController();
  const response = await fetch(url, { signal: trial.signal });
  if (!response.ok) throw new Error(((await response.json()) as { message: string }).message);
  trial.abort();
  const link = document.createElement("a");
  link.href = url;
  link.download = `${batch}.${format}`;
  link.target = "_blank"; // the companion app saves what would open elsewhere
  document.body.append(link);
  link.click();
  link.remove();
}

interface Failure {
  message?: string;
  translation_domain?: string;
  translation_key?: string;
  translation_placeholders?: Record<string, string>;
}

/** Why something failed, in the user's language where Home Assistant has it. */
export async function why(hass: Hass, error: unknown): Promise<string> {
  const { message, translation_domain: domain, translation_key: key, translation_placeholders: values } = error as Failure;
  if (domain !== undefined && key !== undefined) {
    const localize = await hass.loadBackendTranslation("exceptions", domain).catch(() => undefined);
    const text = localize?.(`component.${domain}.exceptions.${key}.message`, values);
    if (text) return text;
  }
  return message ?? String(error);
}
