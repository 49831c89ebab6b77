// What is in a history card before anything is known.

import uplotCss from "uplot/dist/uPlot.min.css";
import cardCss from "./history-card.css";

export const SKELETON = `<style>${uplotCss}${cardCss}</style>
  <ha-card>
    <header><h2 part="title"></h2><div part="ranges" role="group"></div></header>
    <p part="notice" role="status" hidden></p>
    <div part="chart" role="img"></div>
    <ul part="legend"></ul>
  </ha-card>`;
