// Draws lines with uPlot: one y axis per unit, a band from min to max, gaps left open.

import uPlot from "uplot";
import type { Look } from "./colours";
import { nearest } from "./plot-nearest";
import type { PlotStyle } from "./plot-style";
import { leastSpan } from "./units";

const FONT = "12px Roboto, system-ui, sans-serif";

export interface PlotLine {
  label: string;
  unit: string;
  look: Look;
  data: [number[], (number | null)[], (number | null)[], (number | null)[]];
}

/** What the cursor is over, per line; null where there is nothing near it. */
export type Hover = { x: number; values: (number | null)[] } | null;

// What may be asked of the plot by who owns it.
export interface PlotEvents {
  zoomed: (start: number, end: number) => void;
  hovered: (hover: Hover) => void;
}

function axisTimes(style: PlotStyle): (u: uPlot, splits: number[], axis: number, space: number, increment: number) => string[] {
  const base = { timeZone: style.timeZone, hour12: style.hour12 };
  const day = new Intl.DateTimeFormat(style.language, { timeZone: style.timeZone, day: "numeric", month: "short" });
  const clock = new Intl.DateTimeFormat(style.language, { ...base, hour: "numeric", minute: "2-digit" });
  const seconds = new Intl.DateTimeFormat(style.language, { ...base, hour: "numeric", minute: "2-digit", second: "2-digit" });
  return (_u, splits, _axis, _space, increment) => {
    let shown = day.format(new Date()); // another day is named
    return splits.map((split) => {
      const at = new Date(split * 1000);
      const date = day.format(at);
      if (increment >= 86_400) return date;
      const time = (increment < 60 ? seconds : clock).format(at);
      const first = shown !== date;
      shown = date;
      return first ? `${time}\n${date}` : time;
    });
  };
}

/** One chart in `parent`; `update` moves it on, `destroy` removes it. */
export class Plot {
  private readonly chart: uPlot;

  constructor(
    parent: HTMLElement,
    private lines: PlotLine[],
    private range: [number, number],
    size: { width: number; height: number },
    style: PlotStyle,
    events: PlotEvents,
  ) {
    const units = [...new Set(lines.map((line) => line.unit))];
    const number = new Intl.NumberFormat(style.language, { maximumFractionDigits: 2 });
    const narrow = size.width < 450;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const line of lines) {
      const edge: uPlot.Series = { scale: line.unit, stroke: "transparent", width: 0, points: { show: false } };
      bands.push({ series: [series.length, series.length + 1], fill: `color-mix(in srgb, ${line.look.colour} 22%, transparent)` });
      series.push(edge, edge, { label: line.label, scale: line.unit, stroke: line.look.colour, dash: line.look.dash, width: 2, points: { size: 4, show: true, filter: lonely } });
    }
    this.chart = new uPlot(
      {
        ...size,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), style.timeZone),
        series,
        bands,
        legend: { show: false },
        scales: {
          x: { time: true, range: () => this.range },
          ...Object.fromEntries(units.map((unit) => [unit, { range: padded(leastSpan(unit)) }])),
        },
        axes: [
          { stroke: style.text, grid: { stroke: style.grid, width: 1 }, ticks: { stroke: style.grid }, values: axisTimes(style), space: 64, font: FONT },
          ...units.map((unit, index): uPlot.Axis => ({
            scale: unit,
            side: index === 0 ? 3 : 1,
            show: index < (narrow ? 2 : 3),
            label: unit,
            labelSize: 16,
            labelGap: 2,
            labelFont: FONT,
            font: FONT,
            size: 50,
            stroke: style.text,
            grid: { show: index === 0, stroke: style.grid, width: 1 },
            ticks: { stroke: style.grid },
            values: (_u, splits) => splits.map((split) => number.format(split)),
          })),
        ],
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false },
        hooks: {
          setSelect: [
            (u) => {
              if (u.select.width < 8) return;
              events.zoomed(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000);
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          setCursor: [(u) => events.hovered(this.hover(u))],
        },
      },
      joined(lines),
      parent,
    );
  }

  /** New data and window for the same lines. */
  update(lines: PlotLine[], range: [number, number]): void {
    this.lines = lines;
    this.range = range;
    this.chart.setData(joined(lines));
  }

  resize(width: number, height: number): void {
    this.chart.setSize({ width, height });
  }

  destroy(): void {
    this.chart.destroy();
  }

  private hover(u: uPlot): Hover {
    const index = u.cursor.idx;
    if (index == null || (u.cursor.left ?? -1) < 0) return null;
    const x = u.data[0][index];
    if (x === undefined) return null;
    const values = this.lines.map((_line, at) => {
      const data = u.data[at * 3 + 3];
      const found = data === undefined ? null : nearest(data, index, this.lines.length * 2);
      return found === null ? null : (data?.[found] ?? null);
    });
    return { x: x * 1000, values };
  }
}

// A value between two gaps is no line: it is drawn as a point, and no other is.
function lonely(u: uPlot, series: number): number[] {
  const found: number[] = [];
  let before: number | null = null;
  let candidate = -1;
  u.data[series]!.forEach((value, index) => {
    if (value === undefined) return; // another line's instant
    if (value === null && candidate >= 0) found.push(candidate);
    candidate = value !== null && before === null ? index : -1;
    before = value;
  });
  if (candidate >= 0) found.push(candidate);
  return found;
}

// A flat line is not a mountain range: at least `least` is shown, and some air around.
function padded(least: number): uPlot.Range.Function {
  return (_u, low, high) => {
    if (low == null || high == null) return [0, 1]; // nothing to draw: uPlot says so with null
    const span = Math.max(high - low, least);
    const middle = (low + high) / 2;
    return [middle - span * 0.58, middle + span * 0.58];
  };
}

function joined(lines: PlotLine[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]] as unknown as uPlot.AlignedData;
  // Other series' instants come out undefined and are bridged; our own nulls stay and break the line.
  return uPlot.join(lines.map((line) => line.data as uPlot.AlignedData));
}
