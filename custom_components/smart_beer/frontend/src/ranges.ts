// The buttons above a chart: earlier, the ranges, later, and back to live.

import { type Word } from "./i18n";

export const RANGES = [1, 6, 24, 168, 720, 8760] as const;

export interface RangeEvents {
  ranged: (hours: number) => void;
  /** By this part of what is shown. */
  moved: (by: number) => void;
  live: () => void;
}

// The buttons are made once: whoever works with the keyboard keeps the focus.
export class Ranges {
  private readonly buttons = new Map<Word, HTMLButtonElement>();

  constructor(
    private readonly group: HTMLElement,
    events: RangeEvents,
  ) {
    this.add("earlier", () => events.moved(-0.5));
    for (const hours of RANGES) this.add(`range_${hours}`, () => events.ranged(hours));
    this.add("later", () => events.moved(0.5));
    this.add("live", () => {
      events.live();
      (this.group.querySelector<HTMLElement>("[aria-pressed=true]") ?? this.buttons.get("range_1")!).focus(); // this one goes away
    });
  }

  /** In these words; `hours` is the live range that is shown, null for an older window. */
  show(say: Record<Word, string>, hours: number | null): void {
    this.group.setAttribute("aria-label", say.ranges);
    for (const [word, button] of this.buttons) {
      const text = { earlier: "‹", later: "›" }[word as string] ?? say[word];
      if (button.textContent !== text) button.textContent = text;
      const label = word.startsWith("range_") ? `${say.last} ${say[word]}` : say[word];
      button.title = label;
      button.setAttribute("aria-label", label);
    }
    for (const range of RANGES) this.buttons.get(`range_${range}`)!.setAttribute("aria-pressed", String(range === hours));
    this.buttons.get("live")!.hidden = hours !== null;
  }

  private add(word: Word, action: () => void): void {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", action);
    this.buttons.set(word, button);
    this.group.append(button);
  }
}
