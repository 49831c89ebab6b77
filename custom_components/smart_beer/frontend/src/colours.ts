// How lines are told apart.

// Each at least 3:1 on white and on #1c1c1c, and apart from the others for red- and green-blind eyes too.
export const COLOURS = ["#bf8000", "#3355ff", "#ff3377", "#0099e6", "#cc00aa", "#19805d", "#73732e", "#0080ff"];

// When the colours are used up: CSS border styles and the dashes of a canvas that look like them.
const STROKES = [
  { border: "solid", dash: [] },
  { border: "dashed", dash: [8, 4] },
  { border: "dotted", dash: [2, 3] },
  { border: "double", dash: [12, 3, 3, 3] },
];

export interface Look {
  colour: string;
  border: string;
  dash: number[];
}

/** The look of line number `index` of a chart, from 0. */
export function look(index: number): Look {
  return { colour: COLOURS[index % COLOURS.length]!, ...STROKES[Math.floor(index / COLOURS.length) % STROKES.length]! };
}
