// Registers the cards and the dashboard strategy with Home Assistant's frontend.

import { BatchesCard } from "./batches-card";
import { HistoryCard } from "./history-card";
import { words } from "./i18n";
import { BreweryStrategy } from "./strategy";

declare global {
  interface Window {
    customCards?: Record<string, unknown>[];
    customStrategies?: Record<string, unknown>[];
  }
}

// The file may be loaded twice, as a resource and as an extra module: a tag can be defined once only.
function define(tag: string, element: CustomElementConstructor): boolean {
  if (customElements.get(tag) !== undefined) return false;
  customElements.define(tag, element);
  return true;
}

const say = words(navigator.language);
const documentationURL = "https://github.com/smart-beer/smart-beer";
if (define("smart-beer-history-card", HistoryCard)) {
  (window.customCards ??= []).push({
    type: "smart-beer-history-card",
    name: `smart-beer: ${say.title}`,
    description: say.card_description,
    preview: true,
    documentationURL,
  });
}
if (define("smart-beer-batches-card", BatchesCard)) {
  (window.customCards ??= []).push({
    type: "smart-beer-batches-card",
    name: `smart-beer: ${say.batches}`,
    description: say.batch_description,
    preview: true,
    documentationURL,
  });
}
if (define("ll-strategy-dashboard-smart-beer", BreweryStrategy)) {
  (window.customStrategies ??= []).push({
    type: "smart-beer",
    strategyType: "dashboard",
    name: "smart-beer",
    description: say.strategy_description,
    documentationURL,
  });
}
