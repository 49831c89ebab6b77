// `custom:smart-beer-history-card`: any series over any range, live at the right edge.

import uplotCss from "uplot/dist/uPlot.min.css";
import cardCss from "./history-card.css";
import { type Hass, type History, type LiveEvent, type Row, type SeriesInfo, listSeries } from "./hass";
import { type Word, words } from "./i18n";
import { type Hover, Plot, type PlotLine, type PlotStyle } from "./plot";
import { appendLive, dropBefore, line, liveStart } from "./rows";
import { convertible, converter, decimals } from "./units";

export interface CardConfig {
  type: string;
  title?: string;
  /** All series of this kettle. */
  kettle?: string;
  /** All series of this node. */
  node?: string;
  /** Exactly these series. */
  series?: string[];
  /** Only these kinds: temperature, pressure, co2. */
  kinds?: string[];
  hours?: number;
}

const RANGES = [1, 6, 24, 168, 720, 8760] as const;
// Colours with a contrast of at least 3:1 on both white and #1c1c1c, apart from one another in hue and lightness.
const COLOURS = ["#c77700", "#2f7fd1", "#3a9a4b", "#b0559c", "#d1495b", "#0f8f9e", "#8a7a12", "#7a6fd0"];
const HOUR = 3_600_000;
const POINTS = 1000;
const LIVE_ROWS_BEFORE_RELOAD = 600;
const RETRY_MS = 10_000;

/** The series a card shows, best known first: process temperatures before the rest. */
export function chosen(all: SeriesInfo[], config: CardConfig): SeriesInfo[] {
  return all
    .filter((one) =>
      config.series !== undefined
        ? config.series.includes(one.series)
        : (config.kettle === undefined || one.kettle_id === config.kettle) && (config.node === undefined || one.node_id === config.node),
    )
    .filter((one) => config.kinds === undefined || config.kinds.includes(one.kind))
    .slice(0, COLOURS.length);
}

function labels(series: SeriesInfo[]): string[] {
  const nodes = new Set(series.map((one) => one.node_id));
  const names = new Set(series.map((one) => one.name));
  return series.map((one) => {
    if (nodes.size === 1) return one.name;
    return names.size === 1 ? one.node_name : `${one.node_name} · ${one.name}`;
  });
}

export class HistoryCard extends HTMLElement {
  private config: CardConfig | undefined;
  private current: Hass | undefined;
  private series: SeriesInfo[] = [];
  private history: History | undefined;
  private readonly live = new Map<string, Row[]>();
  private plot: Plot | undefined;
  private hover: Hover = null;
  private hours = 6;
  private window: { start: number; end: number } | null = null; // null: live
  private unsubscribe: (() => Promise<void>) | undefined;
  private problem: { word: Word; detail: string } | undefined;
  private request = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frame = 0;
  private look = "";
  private readonly resized = new ResizeObserver(() => this.fit());

  static getConfigForm(): unknown {
    return {
      schema: [
        { name: "title", selector: { text: {} } },
        { name: "kettle", selector: { text: {} } },
        { name: "node", selector: { text: {} } },
        { name: "hours", selector: { number: { min: 1, max: 8760, mode: "box", unit_of_measurement: "h" } } },
      ],
    };
  }

  static async getStubConfig(hass: Hass): Promise<Partial<CardConfig>> {
    const first = (await listSeries(hass)).find((one) => one.kettle_id !== null);
    return first?.kettle_id ? { kettle: first.kettle_id, hours: 6 } : { hours: 6 };
  }

  setConfig(config: CardConfig): void {
    if (config.hours !== undefined && !(config.hours > 0 && config.hours <= 24 * 3660)) throw new Error("hours: a number above 0, at most ten years");
    for (const list of [config.series, config.kinds]) {
      if (list !== undefined && !Array.isArray(list)) throw new Error("series and kinds: lists");
    }
    this.config = config;
    this.hours = config.hours ?? 6;
    if (this.current !== undefined && this.isConnected) void this.open();
  }

  set hass(hass: Hass) {
    const first = this.current === undefined;
    this.current = hass;
    if (first && this.isConnected) void this.open();
    else if (this.look !== "" && this.look !== this.lookNow()) this.rebuild();
  }

  getCardSize(): number {
    return 6;
  }

  getGridOptions(): Record<string, unknown> {
    return { columns: 12, rows: "auto", min_columns: 6 };
  }

  connectedCallback(): void {
    if (this.shadowRoot === null) this.skeleton();
    this.resized.observe(this);
    this.current?.connection.addEventListener("ready", this.reopen);
    if (this.current !== undefined && this.config !== undefined) void this.open();
  }

  disconnectedCallback(): void {
    this.resized.disconnect();
    this.current?.connection.removeEventListener("ready", this.reopen);
    this.request++;
    clearTimeout(this.timer);
    void this.stopLive();
    this.plot?.destroy();
    this.plot = undefined;
  }

  // After a reconnect the socket's own resubscription brings live back; history must be asked for again.
  private readonly reopen = (): void => void this.load();

  private word(key: Word): string {
    return words(this.current?.language ?? "en")[key];
  }

  private piece<T extends HTMLElement>(name: string): T {
    return this.shadowRoot!.querySelector<T>(`[part~="${name}"]`)!;
  }

  private skeleton(): void {
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = `<style>${uplotCss}${cardCss}</style>
      <ha-card>
        <header><h2 part="title"></h2><div part="ranges" role="group"></div></header>
        <p part="notice" role="status" hidden></p>
        <div part="chart"></div>
        <ul part="legend"></ul>
      </ha-card>`;
  }

  private async open(): Promise<void> {
    const request = ++this.request;
    const hass = this.current!;
    clearTimeout(this.timer);
    this.header();
    try {
      this.series = chosen(await listSeries(hass), this.config!);
    } catch (error) {
      if (request === this.request) this.fail("failed", error, () => void this.open());
      return;
    }
    if (request !== this.request) return;
    await this.stopLive();
    this.live.clear();
    if (this.series.length === 0) {
      this.problem = { word: "no_series", detail: "" };
      this.rebuild();
      this.timer = setTimeout(() => void this.open(), RETRY_MS); // a node may be on its way
      return;
    }
    const stop = await hass.connection.subscribeMessage<LiveEvent>((event) => this.arrived(event), {
      type: "smart_beer/live",
      series: this.series.map((one) => one.series),
    });
    if (request !== this.request) {
      void stop();
      return;
    }
    this.unsubscribe = stop;
    await this.load();
  }

  private async stopLive(): Promise<void> {
    const stop = this.unsubscribe;
    this.unsubscribe = undefined;
    await stop?.().catch(() => undefined); // the connection may be gone already, and the subscription with it
  }

  private range(): { start: number; end: number } {
    if (this.window !== null) return this.window;
    const end = Date.now();
    return { start: end - this.hours * HOUR, end };
  }

  private async load(): Promise<void> {
    const request = ++this.request;
    clearTimeout(this.timer);
    const { start, end } = this.range();
    try {
      const history = await this.current!.callWS<History>({
        type: "smart_beer/history",
        series: this.series.map((one) => one.series),
        start: Math.floor(start),
        end: Math.ceil(end),
        points: POINTS,
      });
      if (request !== this.request) return;
      this.history = history;
      this.problem = history.partial.length > 0 ? { word: "partial", detail: history.partial.map((one) => one.tier).join(", ") } : undefined;
      for (const [series, rows] of this.live) this.live.set(series, dropBefore(rows, end - 120_000));
    } catch (error) {
      if (request !== this.request) return;
      this.history = undefined;
      const code = (error as { code?: string }).code;
      this.fail(code === "bridge_unavailable" ? "no_bridge" : "failed", code === "bridge_unavailable" ? "" : error, () => void this.load());
      return;
    }
    this.rebuild();
  }

  private fail(word: Word, error: unknown, again: () => void): void {
    const detail = typeof error === "string" ? error : ((error as { message?: string })?.message ?? String(error));
    this.problem = { word, detail };
    this.timer = setTimeout(again, RETRY_MS);
    this.rebuild();
  }

  private arrived(event: LiveEvent): void {
    let most = 0;
    for (const [series, samples] of Object.entries(event.samples)) {
      const rows = this.live.get(series) ?? [];
      appendLive(rows, samples);
      this.live.set(series, rows);
      most = Math.max(most, rows.length);
    }
    if (this.window !== null) return;
    if (most > LIVE_ROWS_BEFORE_RELOAD && this.history !== undefined) void this.load();
    else this.draw();
  }

  private draw(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.plot === undefined) this.rebuild();
      else this.plot.update(this.lines(), this.seconds());
      this.legend();
    });
  }

  private seconds(): [number, number] {
    const { start, end } = this.range();
    if (this.window !== null) return [start / 1000, end / 1000];
    const firsts = this.series.flatMap((one) => [this.history?.series[one.series]?.[0]?.[0], this.live.get(one.series)?.[0]?.[0]]);
    const known = firsts.filter((first) => first !== undefined);
    return [liveStart(start, end, known.length > 0 ? Math.min(...known) : undefined) / 1000, end / 1000];
  }

  private shownUnit(one: SeriesInfo): string | null {
    return convertible(one.unit, one.display_unit) ? one.display_unit : one.unit;
  }

  private lines(): PlotLine[] {
    const names = labels(this.series);
    return this.series.map((one, index) => {
      const unit = this.shownUnit(one);
      return {
        label: names[index]!,
        unit: unit ?? "",
        colour: COLOURS[index]!,
        data: line(
          this.history?.series[one.series] ?? [],
          this.history?.bucket_ms ?? 1000,
          this.window === null ? (this.live.get(one.series) ?? []) : [],
          converter(one.unit, unit),
        ),
      };
    });
  }

  private plotStyle(): PlotStyle {
    const css = getComputedStyle(this);
    const locale = this.current!.locale;
    return {
      text: css.getPropertyValue("--secondary-text-color").trim() || "#727272",
      grid: css.getPropertyValue("--divider-color").trim() || "rgba(127,127,127,.25)",
      timeZone: locale.time_zone === "server" ? this.current!.config.time_zone : Intl.DateTimeFormat().resolvedOptions().timeZone,
      language: locale.language,
      hour12: locale.time_format === "12" || (locale.time_format === "language" && /AM|PM/i.test(new Date().toLocaleTimeString(locale.language))),
    };
  }

  // What, when it changes, asks for a new chart.
  private lookNow(): string {
    return JSON.stringify([this.plotStyle(), this.current!.language, this.series.map((one) => [one.series, one.display_unit])]);
  }

  private rebuild(): void {
    if (this.shadowRoot === null || this.current === undefined || !this.isConnected) return;
    this.header();
    this.notice();
    this.plot?.destroy();
    this.plot = undefined;
    const chart = this.piece<HTMLElement>("chart");
    chart.replaceChildren();
    chart.hidden = this.series.length === 0;
    this.look = this.lookNow();
    if (this.series.length > 0 && chart.clientWidth > 0) {
      this.plot = new Plot(chart, this.lines(), this.seconds(), { width: chart.clientWidth, height: this.height() }, this.plotStyle(), {
        zoomed: (start, end) => this.show({ start, end }),
        hovered: (hover) => {
          this.hover = hover;
          this.legend();
        },
      });
    }
    this.legend();
  }

  private height(): number {
    return this.clientWidth < 450 ? 220 : 280;
  }

  private fit(): void {
    const width = this.piece<HTMLElement>("chart").clientWidth;
    if (this.plot === undefined) this.rebuild();
    else if (width > 0) this.plot.resize(width, this.height());
  }

  private show(window: { start: number; end: number } | null): void {
    this.window = window;
    this.hover = null;
    void this.load();
  }

  private header(): void {
    const one = this.series[0];
    this.piece("title").textContent = this.config?.title ?? (this.config?.kettle === undefined ? undefined : one?.kettle_name) ?? this.word("title");
    const button = (text: string, pressed: boolean, action: () => void, label = text): HTMLButtonElement => {
      const element = document.createElement("button");
      element.textContent = text;
      element.title = label;
      element.setAttribute("aria-label", label);
      element.setAttribute("aria-pressed", String(pressed));
      element.addEventListener("click", action);
      return element;
    };
    const move = (by: number): void => {
      const { start, end } = this.range();
      const step = (end - start) * by;
      if (end + step >= Date.now()) this.show(null);
      else this.show({ start: start + step, end: end + step });
    };
    this.piece("ranges").replaceChildren(
      button("‹", false, () => move(-0.5), this.word("earlier")),
      ...RANGES.map((hours) =>
        button(this.word(`range_${hours}`), this.window === null && this.hours === hours, () => {
          this.hours = hours;
          this.show(null);
        }),
      ),
      button("›", false, () => move(0.5), this.word("later")),
      ...(this.window === null ? [] : [button(this.word("live"), false, () => this.show(null))]),
    );
  }

  private notice(): void {
    const notice = this.piece<HTMLElement>("notice");
    notice.hidden = this.problem === undefined;
    notice.textContent = this.problem === undefined ? "" : `${this.word(this.problem.word)} ${this.problem.detail}`.trim();
  }

  private legend(): void {
    if (this.shadowRoot === null || this.current === undefined) return;
    const language = this.current.locale.language;
    const names = labels(this.series);
    const items = this.series.map((one, index) => {
      const unit = this.shownUnit(one);
      const digits = decimals(unit);
      const convert = converter(one.unit, unit);
      const newest = this.window === null ? this.live.get(one.series)?.at(-1)?.[3] : undefined;
      const value = this.hover === null ? (newest == null ? newest : convert(newest)) : this.hover.values[index];
      const item = document.createElement("li");
      const dot = document.createElement("i");
      dot.style.background = COLOURS[index]!;
      const text = document.createElement("b");
      if (value === null) text.textContent = this.hover === null ? this.word("bad") : "–";
      else if (value !== undefined) {
        const number = value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
        text.textContent = `${number} ${unit ?? ""}`.trim();
      }
      item.append(dot, names[index]!, " ", text);
      return item;
    });
    if (this.hover !== null) {
      const style = this.plotStyle();
      const at = document.createElement("li");
      at.className = "at";
      at.textContent = new Date(this.hover.x).toLocaleString(language, { timeZone: style.timeZone, hour12: style.hour12 });
      items.push(at);
    }
    this.piece("legend").replaceChildren(...items);
  }
}
