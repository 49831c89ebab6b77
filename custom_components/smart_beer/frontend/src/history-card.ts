// `custom:smart-beer-history-card`: any series over any range, live at the right edge.

import { type CardConfig, FORM, checked, chosen, labels } from "./card-config";
import { look } from "./colours";
import { type Hass, type History, type LiveEvent, type Row, type SeriesInfo, listSeries, shownUnits, tiers } from "./hass";
import { type Word, words } from "./i18n";
import { showLegend } from "./legend";
import { type Hover, Plot, type PlotLine } from "./plot";
import { instant, plotStyle } from "./plot-style";
import { Ranges } from "./ranges";
import { SKELETON } from "./skeleton";
import { GAP_MS, appendLive, dropBefore, line, liveStart } from "./rows";
import { convertible, converter, measured } from "./units";

interface Window {
  start: number;
  end: number;
}

const HOUR = 3_600_000;
const [POINTS, DEFAULT_HOURS] = [1000, 6];
const LEAST_ZOOM_MS = 10_000;
const LIVE_ROWS_BEFORE_RELOAD = 600;
const MOST_LIVE_ROWS = 3600; // without a bridge, or while an older window is shown, nothing else bounds them
const RETRY_MS = 10_000;
const RELIST_MS = 1000;
const TICK_MS = 5000;

export class HistoryCard extends HTMLElement {
  private config: CardConfig | undefined;
  private current: Hass | undefined;
  private series: SeriesInfo[] = [];
  private history: History | undefined;
  private historyOf = "";
  private readonly live = new Map<string, Row[]>();
  private readonly heard = new Map<string, number>();
  private plot: Plot | undefined;
  private hover: Hover = null;
  private hours = DEFAULT_HOURS;
  window: Window | null = null; // null: live
  private unsubscribe: (() => Promise<void>) | undefined;
  private problem: { word: Word; detail: string } | undefined;
  private request = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private relist: ReturnType<typeof setTimeout> | undefined;
  private tick: ReturnType<typeof setInterval> | undefined;
  private frame = 0;
  private look = "";
  private units = "";
  private ranges: Ranges | undefined;
  private readonly resized = new ResizeObserver(() => this.fit());

  static getConfigForm(): unknown {
    return FORM;
  }

  static async getStubConfig(hass: Hass): Promise<Partial<CardConfig>> {
    const first = (await listSeries(hass)).find((one) => one.kettle_id !== null);
    return first?.kettle_id ? { kettle: first.kettle_id, hours: DEFAULT_HOURS } : { hours: DEFAULT_HOURS };
  }

  setConfig(config: CardConfig): void {
    this.config = checked(config);
    this.hours = config.hours ?? DEFAULT_HOURS;
    this.begin();
  }

  set hass(hass: Hass) {
    const before = this.current;
    this.current = hass;
    if (before === undefined) this.begin();
    else {
      const units = shownUnits(hass);
      if (before.entities !== hass.entities || before.config !== hass.config || units !== this.units) this.relistSoon();
      this.units = units;
      if (this.look !== "" && this.look !== this.lookNow()) this.refresh();
    }
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
    this.tick = setInterval(() => this.draw(), TICK_MS); // what falls silent moves to the left, and says so
    this.begin();
  }

  disconnectedCallback(): void {
    this.resized.disconnect();
    clearInterval(this.tick);
    clearTimeout(this.relist);
    this.current?.connection.removeEventListener("ready", this.reopen);
    this.pause();
    this.plot?.destroy();
    this.plot = undefined;
    this.look = "";
  }

  /** Opens once everything is there: element, configuration and Home Assistant, in any order. */
  private begin(): void {
    if (this.current === undefined || this.config === undefined || !this.isConnected) return;
    const { connection } = this.current;
    connection.removeEventListener("ready", this.reopen);
    connection.addEventListener("ready", this.reopen);
    void this.open();
  }

  // A connection that came back knows neither our subscription nor, while Home Assistant starts, our commands.
  private readonly reopen = (): void => void this.open();

  /** Stop asking and listening. */
  private pause(): number {
    clearTimeout(this.timer);
    const stop = this.unsubscribe;
    this.unsubscribe = undefined;
    stop?.().catch(() => undefined); // the connection may be gone, and the subscription with it
    return ++this.request;
  }

  private word(key: Word): string {
    return words(this.current?.language ?? "en")[key];
  }

  private piece(name: string): HTMLElement {
    return this.shadowRoot!.querySelector<HTMLElement>(`[part~="${name}"]`)!;
  }

  private skeleton(): void {
    this.attachShadow({ mode: "open" }).innerHTML = SKELETON;
    this.ranges = new Ranges(this.piece("ranges"), {
      ranged: (hours) => {
        this.hours = hours;
        this.show(null);
      },
      moved: (by) => this.move(by),
      live: () => this.show(null),
    });
  }

  private async open(): Promise<void> {
    const request = this.pause();
    const hass = this.current!;
    this.header();
    try {
      const series = chosen(await listSeries(hass), this.config!);
      if (request !== this.request) return;
      // While Home Assistant starts there are no nodes yet; what is on the screen stays there.
      if (series.length === 0 && this.series.length === 0) throw "no_series" satisfies Word;
      if (series.length > 0) this.series = series;
      const stop = await hass.connection.subscribeMessage<LiveEvent>(
        (event) => this.arrived(event),
        { type: "smart_beer/live", series: this.series.map((one) => one.series) },
        { resubscribe: false },
      );
      if (request !== this.request) {
        stop().catch(() => undefined);
        return;
      }
      this.unsubscribe = stop;
      if (series.length === 0) throw "starting" satisfies Word;
    } catch (error) {
      if (request !== this.request) return;
      if (error === "no_series" || error === "starting") this.fail(error, "", () => this.reopen());
      else this.fail("failed", error, () => this.reopen());
      return;
    }
    await this.load();
  }

  private relistSoon(): void {
    clearTimeout(this.relist);
    this.relist = setTimeout(() => void this.relistNow(), RELIST_MS);
  }

  /** Another unit, a node more: shown without a reload of the page. */
  private async relistNow(): Promise<void> {
    if (!this.isConnected || this.config === undefined) return;
    const listed = await listSeries(this.current!).catch(() => undefined); // the next event, or the page, asks again
    const series = listed === undefined ? [] : chosen(listed, this.config);
    if (series.length === 0 || !this.isConnected) return;
    const names = (some: SeriesInfo[]): string => some.map((one) => one.series).join();
    if (names(series) !== names(this.series)) void this.open();
    else {
      this.series = series;
      this.refresh();
    }
  }

  private range(): Window {
    if (this.window !== null) return this.window;
    // Nodes' clocks may be ahead of this screen's.
    const end = Math.max(Date.now(), ...[...this.live.values()].map((rows) => rows.at(-1)?.[0] ?? 0));
    return { start: end - this.hours * HOUR, end };
  }

  private async load(): Promise<void> {
    const request = ++this.request;
    clearTimeout(this.timer);
    const { start, end } = this.range();
    const of = this.window === null ? String(this.hours) : `${start}-${end}`;
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
      this.historyOf = of;
      this.problem = undefined;
      for (const [series, rows] of this.live) this.live.set(series, dropBefore(rows, end - 120_000));
      if (history.partial.length === 0) this.refresh();
      else this.fail("partial", tiers(history.partial), () => void this.load());
    } catch (error) {
      if (request !== this.request) return;
      if (of !== this.historyOf) this.history = undefined;
      const code = (error as { code?: string }).code;
      if (code === "bridge_unavailable") this.fail("no_bridge", "", () => void this.load());
      else this.fail("failed", error, () => this.reopen());
    }
  }

  private fail(word: Word, error: unknown, again: () => void): void {
    const detail = typeof error === "string" ? error : ((error as { message?: string })?.message ?? String(error));
    this.problem = { word, detail };
    this.timer = setTimeout(again, RETRY_MS);
    this.refresh();
  }

  private arrived(event: LiveEvent): void {
    let most = 0;
    for (const [series, samples] of Object.entries(event.samples)) {
      const rows = this.live.get(series) ?? [];
      appendLive(rows, samples);
      if (rows.length > MOST_LIVE_ROWS) rows.splice(0, rows.length - MOST_LIVE_ROWS);
      this.live.set(series, rows);
      this.heard.set(series, Date.now());
      most = Math.max(most, rows.length);
    }
    if (most > LIVE_ROWS_BEFORE_RELOAD && this.history !== undefined && this.problem === undefined && this.window === null) void this.load();
    else this.draw();
  }

  /** Moves a live chart on. */
  private draw(): void {
    if (this.frame !== 0 || this.window !== null) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.isConnected) this.refresh();
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
        look: look(index),
        data: line(
          this.history?.series[one.series] ?? [],
          this.history?.bucket_ms ?? 1000,
          this.history?.end ?? Number.POSITIVE_INFINITY,
          this.window === null ? (this.live.get(one.series) ?? []) : [],
          converter(one.unit, unit),
        ),
      };
    });
  }

  // What, when it changes, asks for a new chart.
  private lookNow(): string {
    return JSON.stringify([plotStyle(this, this.current!), this.current!.language, this.series.map((one) => [one.series, one.name, one.node_name, one.display_unit])]);
  }

  /** Shows what there is now; the chart is made anew only where it must look different. */
  private refresh(): void {
    if (this.shadowRoot === null || this.current === undefined || !this.isConnected) return;
    this.header();
    this.notice();
    const chart = this.piece("chart");
    chart.hidden = this.series.length === 0 && this.problem !== undefined;
    chart.setAttribute("aria-label", [this.titleText(), ...labels(this.series)].join(", "));
    const now = this.lookNow();
    if (this.look !== now) {
      this.plot?.destroy();
      this.plot = undefined;
      this.look = now;
    }
    if (this.plot !== undefined) this.plot.update(this.lines(), this.seconds());
    else if (this.series.length > 0 && chart.clientWidth > 0) {
      this.plot = new Plot(chart, this.lines(), this.seconds(), { width: chart.clientWidth, height: this.height() }, plotStyle(this, this.current!), {
        zoomed: (start, end) => this.zoom(start, end),
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
    const chart = this.piece("chart");
    chart.style.minHeight = `${this.height()}px`; // what comes into it later moves nothing
    if (this.plot === undefined) this.refresh();
    else if (chart.clientWidth > 0) this.plot.resize(chart.clientWidth, this.height());
  }

  private show(window: Window | null): void {
    this.window = window;
    this.hover = null;
    this.header();
    void this.load();
  }

  private zoom(start: number, end: number): void {
    const more = Math.max(0, LEAST_ZOOM_MS - (end - start)) / 2;
    this.show({ start: start - more, end: end + more });
  }

  private move(by: number): void {
    const { start, end } = this.range();
    const step = (end - start) * by;
    this.show(end + step >= Date.now() ? null : { start: start + step, end: end + step });
  }

  private titleText(): string {
    return this.config?.title || (this.config?.kettle === undefined ? undefined : this.series[0]?.kettle_name) || this.word("title");
  }

  private header(): void {
    const title = this.piece("title");
    title.hidden = this.config?.title === "";
    title.textContent = this.titleText();
    this.ranges!.show(words(this.current!.language), this.window === null ? this.hours : null);
  }

  private notice(): void {
    const notice = this.piece("notice");
    notice.hidden = this.problem === undefined;
    const text = this.problem === undefined ? "" : `${this.word(this.problem.word)} ${this.problem.detail}`.trim();
    if (notice.textContent !== text) notice.textContent = text;
  }

  private legend(): void {
    if (this.shadowRoot === null || this.current === undefined) return;
    const names = labels(this.series);
    const items = this.series.map((one, index) => {
      const { colour, border } = look(index);
      return { name: names[index]!, colour, stroke: border, text: this.reading(one, index) };
    });
    const at = this.hover === null ? "" : instant(this.hover.x, plotStyle(this, this.current));
    showLegend(this.piece("legend"), items, at);
  }

  /** The value under the cursor, or the newest; in words where there is none. */
  private reading(one: SeriesInfo, index: number): string {
    const unit = this.shownUnit(one);
    let value: number | null | undefined;
    if (this.hover !== null) {
      value = this.hover.values[index];
      if (value == null) return "–";
    } else if (this.window !== null) return "";
    else {
      const newest = this.live.get(one.series)?.at(-1)?.[3];
      if (newest === undefined) return "";
      if (newest === null) return this.word("bad");
      if (Date.now() - (this.heard.get(one.series) ?? 0) > GAP_MS) return this.word("silent");
      value = converter(one.unit, unit)(newest);
    }
    return measured(value, unit, this.current!.locale.language);
  }
}
