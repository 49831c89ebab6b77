// One opened batch: its chart, alarms, notes and files.

import { act, download, why } from "./batches-api";
import { type Alarm, type Format, type InKettle, type WholeBatch, lasting, seenBy } from "./batches";
import type { HistoryCard } from "./history-card";
import { type Hass, device } from "./hass";
import { type Word, words } from "./i18n";
import { instant, plotStyle } from "./plot-style";

const MEASURED = ["temperature", "pressure", "co2"];
const [HOUR, LEAST_MS] = [3_600_000, 60_000];

/** An element with these attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Record<string, string>, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class BatchView {
  readonly element = make("section", { part: "opened" });
  private readonly kettles = make("ul", { part: "kettles" });
  private readonly place = make("div", { part: "place" });
  private readonly alarms = make("ul", { part: "alarms" });
  private readonly notes = make("ul", { part: "notes" });
  private readonly text = make("textarea", { rows: "2", maxlength: "10000" });
  private readonly form: HTMLFormElement;
  private readonly gone = make("p", { part: "gone" });
  private readonly files = make("div", { part: "files" });
  private readonly trouble = make("p", { part: "trouble", role: "alert", hidden: "" });
  private chart: HistoryCard | undefined;
  private shown = "";

  /** `changed` is called once something that the bridge keeps has changed. */
  constructor(
    private hass: Hass,
    private batch: WholeBatch,
    private readonly changed: () => void,
  ) {
    const say = this.words();
    this.text.setAttribute("aria-label", say.note_label);
    this.text.placeholder = say.note_label;
    this.form = make("form", {}, this.text, make("button", { class: "filled" }, say.add_note));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.addNote();
    });
    this.gone.textContent = say.kettle_gone;
    for (const [format, label] of [["csv", "CSV"], ["parquet", "Parquet"]] as [Format, string][]) {
      const button = make("button", { type: "button", "aria-label": `${say.download} ${label}`, class: "outlined" }, label);
      button.addEventListener("click", () => void this.save(button, format));
      this.files.append(button);
    }
    this.files.append(make("span", {}));
    this.element.append(
      this.kettles,
      this.place,
      make("h3", {}, say.alarms),
      this.alarms,
      make("h3", {}, say.notes),
      this.notes,
      this.form,
      this.gone,
      this.trouble,
      make("h3", {}, say.download),
      this.files,
    );
    this.update(hass, batch);
  }

  /** Shows what is known now; what a person is about to write stays. */
  update(hass: Hass, batch: WholeBatch): void {
    this.follow(hass);
    this.batch = batch;
    const now = JSON.stringify([batch, hass.language]);
    if (now === this.shown) return;
    this.shown = now;
    const say = this.words();
    this.kettles.replaceChildren(...batch.kettles.map((one) => this.kettle(one)));
    this.alarms.replaceChildren(...this.orNone(batch.alarms.map((alarm) => this.alarm(alarm)), say.no_alarms));
    this.notes.replaceChildren(...this.orNone(batch.notes.map((note) => this.note(note.t, note.by, note.text)), say.no_notes));
    this.form.hidden = this.device(null) === undefined;
    this.gone.hidden = !this.form.hidden;
    const samples = batch.series.reduce((sum, one) => sum + one.samples, 0);
    this.files.lastElementChild!.textContent = `${samples.toLocaleString(hass.locale.language)} ${say.samples}`;
    this.draw();
  }

  /** Home Assistant as it is now: its states, its theme. */
  follow(hass: Hass): void {
    this.hass = hass;
    if (this.chart !== undefined) this.chart.hass = hass;
  }

  private words(): Record<Word, string> {
    return words(this.hass.language);
  }

  private time(t: number): string {
    return instant(t, plotStyle(this.element, this.hass));
  }

  private orNone(items: HTMLElement[], text: string): HTMLElement[] {
    return items.length > 0 ? items : [make("li", { class: "none" }, text)];
  }

  /** The device of a kettle of the batch, of the last one that is still there unless it is named. */
  private device(kettleId: string | null): string | undefined {
    const ids = kettleId === null ? this.batch.kettles.map((one) => one.kettle_id).reverse() : [kettleId];
    return ids.map((id) => device(this.hass, `kettle/${id}`)?.id).find((id) => id !== undefined);
  }

  private kettle(one: InKettle): HTMLElement {
    const owner = device(this.hass, `kettle/${one.kettle_id}`);
    const end = one.running || one.ended === null ? this.words().running : `${this.time(one.ended)} (${lasting(one.ended - one.started)})`;
    return make("li", {}, make("b", {}, owner?.name_by_user ?? owner?.name ?? one.kettle_id), ` ${this.time(one.started)} – ${end}`);
  }

  private note(t: number, by: string, text: string): HTMLElement {
    return make("li", {}, make("small", {}, `${this.time(t)} · ${by}`), make("p", {}, text));
  }

  private alarm(alarm: Alarm): HTMLElement {
    const say = this.words();
    const end = alarm.cleared === null ? say.stands : `${say.cleared} ${this.time(alarm.cleared)}`;
    const item = make("li", {}, make("small", {}, `${this.time(alarm.since)} · ${alarm.node_id} · ${end}`), make("p", {}, alarm.text));
    const seen = seenBy(alarm, this.batch.acknowledgements);
    for (const one of seen) item.append(make("small", {}, `${say.seen_by} ${one.by}, ${this.time(one.t)} ${one.text}`.trim()));
    const owner = this.device(alarm.kettle_id);
    if (alarm.cleared === null && seen.length === 0 && owner !== undefined) {
      const button = make("button", { type: "button", class: "outlined" }, say.seen);
      button.addEventListener("click", () => void this.doing(button, "untold", () => act(this.hass, "acknowledge_alarm", { device_id: owner, alarm: alarm.alarm_id })));
      item.append(button);
    }
    return item;
  }

  /** The chart of the batch's time: live while it runs. */
  private draw(): void {
    const { started, ended, running, series } = this.batch;
    const names = series.map((one) => one.series);
    const of = JSON.stringify([names, running, ended]);
    if (this.place.dataset.of === of || series.length === 0) return;
    this.place.dataset.of = of;
    this.chart ??= this.place.appendChild(document.createElement("smart-beer-history-card") as HistoryCard);
    this.chart.window = running || ended === null ? null : { start: started, end: Math.max(ended, started + LEAST_MS) };
    const hours = Math.max(LEAST_MS, Date.now() - started) / HOUR;
    this.chart.setConfig({ type: "custom:smart-beer-history-card", title: "", series: names, kinds: MEASURED, hours });
    this.chart.hass = this.hass;
  }

  private async addNote(): Promise<void> {
    const text = this.text.value.trim();
    const owner = this.device(null);
    if (text === "" || owner === undefined) return;
    await this.doing(this.form.querySelector("button")!, "note_failed", async () => {
      await act(this.hass, "add_note", { device_id: owner, batch: this.batch.batch_id, text });
      this.text.value = "";
    });
  }

  private save(button: HTMLButtonElement, format: Format): Promise<void> {
    return this.doing(button, "untold", () => download(this.hass, this.batch.batch_id, format));
  }

  /** Does what a button asks for, once at a time, and says what went wrong. */
  private async doing(button: HTMLButtonElement, failed: Word, task: () => Promise<void>): Promise<void> {
    button.disabled = true;
    try {
      await task();
      this.trouble.hidden = true;
      this.changed();
    } catch (error) {
      this.trouble.textContent = `${this.words()[failed]} ${await why(this.hass, error)}`;
      this.trouble.hidden = false;
    } finally {
      button.disabled = false;
    }
  }
}
