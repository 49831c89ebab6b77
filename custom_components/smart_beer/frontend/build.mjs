// Bundles src/ into dist/smart-beer.js, the one file that Home Assistant serves.
// `--outfile FILE` writes it elsewhere; `--tests` bundles test/*.test.ts into the repository's cache folder instead.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({ options: { tests: { type: "boolean" }, outfile: { type: "string" } } });
const common = { bundle: true, format: "esm", target: "es2022", loader: { ".css": "text" }, logLevel: "warning" };

if (options.tests) {
  await build({
    ...common,
    platform: "node",
    entryPoints: readdirSync(here("test")).filter((name) => name.endsWith(".test.ts")).map((name) => here(`test/${name}`)),
    outdir: here("../../../.cache/frontend-tests"),
    outExtension: { ".js": ".mjs" },
  });
} else {
  const { version } = JSON.parse(readFileSync(here("node_modules/uplot/package.json"), "utf8"));
  await build({
    ...common,
    minify: true,
    charset: "utf8",
    legalComments: "none",
    banner: { js: `/* smart-beer cards, Apache-2.0. Contains uPlot ${version}, MIT, (c) Leon Sorokin, https://github.com/leeoniya/uPlot */` },
    entryPoints: [here("src/index.ts")],
    outfile: options.outfile ?? here("dist/smart-beer.js"),
  });
}
