// `custom:smart-beer-batches-card`: the batches that the storage bridge keeps, newest first.

import { BatchView, make } from "./batch-view";
import { listBatches, why, wholeBatch } from "./batches-api";
import { type Batch, lasting, newestFirst } from "./batches";
import css from "./batches-card.css";
import { type Hass, type Missing, device, shownBatches, tiers } from "./hass";
import { words } from "./i18n";
import { instant, plotStyle } from "./plot-style";

export interface BatchesConfig {
  type: string;
  /** Empty: no title, where a heading above says it already. */
  title?: string;
  /** Only batches of this kettle. */
  kettle?: string;
}

const AGAIN_MS = 30_000;
// What a person changes takes seconds through the node and the bridge until it is in the store.
const [SOON_MS, SOON_TIMES] = [3000, 4];
const YEAR_MS = 366 * 86_400_000;
const STEP = 20;

interface Item {
  element: HTMLLIElement;
  button: HTMLButtonElement;
  name: HTMLElement;
  where: HTMLElement;
  state: HTMLElement;
  view: BatchView | undefined;
  /** Opened, or about to be. */
  open: boolean;
}

export class BatchesCard extends HTMLElement {
  private config: BatchesConfig | undefined;
  private current: Hass | undefined;
  private batches: Batch[] | undefined;
  private readonly items = new Map<string, Item>();
  private readonly list = make("ul", { part: "list" });
  private readonly heading = make("h2", { part: "title" });
  private readonly notice = make("p", { part: "notice", role: "status", hidden: "" });
  private readonly more = make("button", { type: "button", part: "more", class: "outlined", hidden: "" });
  private all = false; // not only those of the last year
  private count = STEP;
  private request = 0;
  private soon = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  static getConfigForm(): unknown {
    return { schema: ["title", "kettle"].map((name) => ({ name, selector: { text: {} } })) };
  }

  static getStubConfig(): Partial<BatchesConfig> {
    return {};
  }

  setConfig(config: BatchesConfig): void {
    for (const key of ["title", "kettle"] as const) {
      if (config[key] !== undefined && typeof config[key] !== "string") throw new Error(`${key}: a text`);
    }
    this.config = config;
    this.begin();
  }

  set hass(hass: Hass) {
    const before = this.current;
    this.current = hass;
    for (const { view } of this.items.values()) view?.follow(hass);
    if (before === undefined) this.begin();
    else if (this.isConnected && shownBatches(before) !== shownBatches(hass)) this.changed();
  }

  getCardSize(): number {
    return 5;
  }

  getGridOptions(): Record<string, unknown> {
    return { columns: "full", rows: "auto", min_columns: 6 };
  }

  connectedCallback(): void {
    if (this.shadowRoot === null) {
      const card = document.createElement("ha-card");
      card.append(this.heading, this.notice, this.list, this.more);
      this.attachShadow({ mode: "open" }).append(make("style", {}, css), card);
      this.more.addEventListener("click", () => this.showMore());
    }
    this.begin();
  }

  disconnectedCallback(): void {
    clearTimeout(this.timer);
    this.request++;
    this.current?.connection.removeEventListener("ready", this.again);
  }

  /** Opens once everything is there: element, configuration and Home Assistant, in any order. */
  private begin(): void {
    if (this.current === undefined || this.config === undefined || !this.isConnected) return;
    const { connection } = this.current;
    connection.removeEventListener("ready", this.again);
    connection.addEventListener("ready", this.again);
    this.changed(); // a batch may have begun just before
  }

  private readonly again = (): void => void this.load();
  private readonly changed = (): void => {
    this.soon = SOON_TIMES;
    this.again();
  };

  private async load(): Promise<void> {
    const request = ++this.request;
    clearTimeout(this.timer);
    const hass = this.current!;
    try {
      const { batches, partial } = await listBatches(hass, this.config!.kettle, this.all ? 0 : Date.now() - YEAR_MS);
      const opened = [...this.items].filter(([, item]) => item.open).map(([id]) => id);
      const missing = await Promise.all(opened.map((id) => this.fetch(id)));
      if (request !== this.request) return;
      this.batches = newestFirst(batches);
      this.say([...partial, ...missing.flat()]);
    } catch (error) {
      const reason = await this.reason(error);
      if (request !== this.request) return;
      this.tell(reason);
    }
    this.show();
    this.timer = setTimeout(this.again, this.soon-- > 0 ? SOON_MS : AGAIN_MS);
  }

  /** Brings an opened batch up to date; what no tier could tell of it. */
  private async fetch(id: string): Promise<Missing[]> {
    const whole = await wholeBatch(this.current!, id);
    const item = this.items.get(id);
    if (item === undefined || !item.open) return [];
    if (item.view === undefined) {
      item.view = new BatchView(this.current!, whole, this.changed);
      item.element.append(item.view.element);
    } else item.view.update(this.current!, whole);
    return whole.partial;
  }

  private async reason(error: unknown): Promise<string> {
    const say = words(this.current!.language);
    if ((error as { code?: string }).code === "bridge_unavailable") return say.no_batch_bridge;
    return `${say.failed} ${await why(this.current!, error)}`;
  }

  private say(partial: Missing[]): void {
    this.tell(partial.length === 0 ? "" : `${words(this.current!.language).partial} ${tiers(partial)}`);
  }

  private tell(text: string): void {
    this.notice.hidden = text === "";
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }

  private showMore(): void {
    this.count += STEP;
    if (!this.all && this.count > (this.batches?.length ?? 0)) {
      this.all = true;
      this.again();
    } else this.show();
  }

  /** Shows what there is now; elements are kept, and with them the focus. */
  private show(): void {
    const say = words(this.current!.language);
    this.heading.hidden = this.config?.title === "";
    this.heading.textContent = this.config?.title || say.batches;
    if (this.batches === undefined) return;
    const shown = this.batches.filter((batch, place) => place < this.count || this.items.get(batch.batch_id)?.open);
    const elements = shown.map((batch) => this.item(batch).element);
    for (const [id, item] of this.items) {
      if (elements.includes(item.element)) continue;
      item.element.remove();
      this.items.delete(id);
    }
    if (this.batches.length === 0) this.list.replaceChildren(make("li", { class: "none" }, say.no_batches));
    else if (elements.some((element, place) => this.list.children[place] !== element)) this.list.replaceChildren(...elements);
    this.more.textContent = this.count < this.batches.length ? say.more : say.older;
    this.more.hidden = this.all && this.count >= this.batches.length;
  }

  private item(batch: Batch): Item {
    let item = this.items.get(batch.batch_id);
    if (item === undefined) {
      item = this.made(batch.batch_id);
      this.items.set(batch.batch_id, item);
    }
    const say = words(this.current!.language);
    const names = batch.kettles.map(({ kettle_id: id }) => {
      const owner = device(this.current!, `kettle/${id}`);
      return owner?.name_by_user ?? owner?.name ?? id;
    });
    const length = lasting((batch.ended ?? Date.now()) - batch.started);
    const texts: [HTMLElement, string][] = [
      [item.name, batch.name],
      [item.where, `${names.join(", ")} · ${instant(batch.started, plotStyle(this, this.current!))}`],
      [item.state, batch.running ? `${say.running} · ${length}` : batch.ended === null ? "" : `${say.ended} · ${length}`],
    ];
    for (const [element, text] of texts) if (element.textContent !== text) element.textContent = text;
    item.state.className = batch.running ? "running" : "";
    return item;
  }

  private made(id: string): Item {
    const [name, where, state] = [make("b", {}), make("small", {}), make("span", { part: "state" })];
    const button = make("button", { type: "button", part: "batch", "aria-expanded": "false" }, make("span", {}, name, where), state);
    const item: Item = { element: make("li", {}, button), button, name, where, state, view: undefined, open: false };
    button.addEventListener("click", () => void this.toggle(id, item));
    return item;
  }

  private async toggle(id: string, item: Item): Promise<void> {
    item.open = !item.open;
    item.button.setAttribute("aria-expanded", String(item.open));
    if (!item.open) {
      item.view?.element.remove();
      item.view = undefined;
      return;
    }
    const wait = make("p", { class: "none", role: "status" }, words(this.current!.language).at_work);
    item.element.append(wait);
    try {
      this.say(await this.fetch(id));
    } catch (error) {
      this.tell(await this.reason(error));
    } finally {
      wait.remove();
    }
  }
}
