// A chart looks as Home Assistant does: its theme's colours, the user's times and numbers.

import type { Hass } from "./hass";

export interface PlotStyle {
  text: string;
  grid: string;
  timeZone: string;
  language: string;
  hour12: boolean;
}

/** The style where `element` is on the page now. */
export function plotStyle(element: HTMLElement, hass: Hass): PlotStyle {
  const css = getComputedStyle(element);
  const { locale } = hass;
  return {
    text: css.getPropertyValue("--secondary-text-color").trim() || "#727272",
    grid: css.getPropertyValue("--divider-color").trim() || "rgba(127,127,127,.25)",
    timeZone: locale.time_zone === "server" ? hass.config.time_zone : Intl.DateTimeFormat().resolvedOptions().timeZone,
    language: locale.language,
    hour12: locale.time_format === "12" || (locale.time_format === "language" && /AM|PM/i.test(new Date().toLocaleTimeString(locale.language))),
  };
}

/** An instant (UTC ms) in full. */
export function instant(t: number, style: PlotStyle): string {
  return new Date(t).toLocaleString(style.language, { timeZone: style.timeZone, hour12: style.hour12 });
}
