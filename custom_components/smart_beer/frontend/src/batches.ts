// What the storage bridge keeps of batches, and how it is said. No DOM, no clock of its own.

import type { Missing } from "./hass";

export interface InKettle {
  kettle_id: string;
  started: number;
  ended: number | null;
  running: boolean;
}

/** One batch as `smart_beer/batches` lists it; times in UTC ms. */
export interface Batch {
  batch_id: string;
  name: string;
  started: number;
  ended: number | null;
  running: boolean;
  kettles: InKettle[];
}

export interface BatchList {
  batches: Batch[];
  more: boolean;
  partial: Missing[];
}

export interface Alarm {
  node_id: string;
  alarm_id: string;
  since: number;
  text: string;
  cleared: number | null;
  kettle_id: string | null;
}

export interface Acknowledgement {
  node_id: string;
  alarm_id: string;
  since: number;
  t: number;
  by: string;
  text: string;
}

export interface Note {
  note_id: string;
  t: number;
  kettle_id: string;
  by: string;
  text: string;
}

/** All of one batch as `smart_beer/batch` tells it. */
export interface WholeBatch extends Batch {
  series: { series: string; kettle_id: string; first: number; last: number | null; samples: number }[];
  alarms: Alarm[];
  acknowledgements: Acknowledgement[];
  notes: Note[];
  partial: Missing[];
}

export type Format = "csv" | "parquet";

/** Newest first; each once, however many pages name it. */
export function newestFirst(batches: Batch[]): Batch[] {
  const once = new Map<string, Batch>();
  for (const batch of batches) if (!once.has(batch.batch_id)) once.set(batch.batch_id, batch);
  return [...once.values()].sort((a, b) => b.started - a.started || a.batch_id.localeCompare(b.batch_id));
}

/** Who has seen an alarm, first to last. */
export function seenBy(alarm: Alarm, all: Acknowledgement[]): Acknowledgement[] {
  return all
    .filter((one) => one.node_id === alarm.node_id && one.alarm_id === alarm.alarm_id && one.since === alarm.since)
    .sort((a, b) => a.t - b.t);
}

/** `2 d 3 h`, `3 h 12 min`, `12 min`: the two largest units of a stretch of time. */
export function lasting(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return minutes > 0 ? `${minutes} min` : "< 1 min";
}

/** Where a batch's file is; without the signature that lets a browser fetch it. */
export function filePath(batchId: string, format: Format): string {
  return `/api/smart_beer/export?batch=${encodeURIComponent(batchId)}&format=${format}`;
}
