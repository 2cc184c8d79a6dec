/**
 * The direction of imports: libraries → network → reconcile → shadow, forward, telemetry → predict, simulate → change →
 * respond → api, cli, web. A part imports from parts of earlier rows only. `npm run imports` checks it.
 */

/** Folders of src/ by layer, lowest first. Two folders of one layer don't import each other. */
const layers = [
  ["base", "config"],
  ["network", "store"],
  ["reconcile"],
  ["shadow", "forward", "telemetry"],
  ["predict", "simulate", "analysis"],
  ["change"],
  ["respond"],
  ["api"],
  ["cli", "web"],
];
const libraries = ["openflow", "ovsdb", "sflow"];
const packages = { openflow: "node-openflow", ovsdb: "ovsdb-client", sflow: "sflow-collector" };
const any = (names) => `(${names.join("|")})`;
const test = "\\.test\\.ts$";
/** A library seen from outside: by its sources, its build, or its name where it's not built yet. */
const library = (names) => `^(${names.join("|")})/|^(node_modules/)?(${names.map((name) => packages[name]).join("|")})(/|$)`;

const upwards = layers.slice(0, -1).map((names, i) => ({
  name: `not-upwards-from-${names.join("-")}`,
  comment: `${names.join(", ")} may import only what lies below; see "Imports run one way" in docs/architecture.md`,
  severity: "error",
  from: { path: `^src/${any(names)}/`, pathNot: test },
  to: { path: `^src/${any(layers.slice(i + 1).flat())}/` },
}));
const sideways = layers.filter((names) => names.length > 1).flatMap((names) =>
  names.map((name) => ({
    name: `not-sideways-from-${name}`,
    comment: `${names.join(", ")} stand side by side; what two of them need lies in a layer below`,
    severity: "error",
    from: { path: `^src/${name}/`, pathNot: test },
    to: { path: `^src/${any(names.filter((other) => other !== name))}/` },
  })),
);

module.exports = {
  forbidden: [
    { name: "no-cycles", comment: "two files that need each other are one, or need a third", severity: "error", from: {}, to: { circular: true } },
    { name: "resolvable", comment: "an import must lead somewhere", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: library(libraries) } },
    {
      name: "libraries-stand-alone",
      comment: "the workspaces are published by themselves",
      severity: "error",
      from: { path: `^${any(libraries)}/` },
      to: { path: "^(src|lab|bench|test)/" },
    },
    ...libraries.map((name) => ({
      name: `${name}-knows-no-other-library`,
      comment: "each workspace is published by itself",
      severity: "error",
      from: { path: `^${name}/` },
      to: { path: library(libraries.filter((other) => other !== name)) },
    })),
    { name: "src-without-lab-and-test", comment: "what is shipped needs nothing of the lab", severity: "error", from: { path: "^src/", pathNot: test }, to: { path: "^(lab|bench|test)/" } },
    {
      name: "libraries-by-name",
      comment: 'import "node-openflow", not "../../openflow/…": only what index.ts exports is meant for others',
      severity: "error",
      from: { path: "^(src|lab|bench|test)/" },
      to: { path: `^${any(libraries)}/(?!index\\.ts$|dist/)` },
    },
    { name: "config-imports-nothing", comment: "all may import config, so it imports no other part", severity: "error", from: { path: "^src/config/", pathNot: test }, to: { path: "^src/(?!config/)" } },
    ...upwards,
    ...sideways,
    {
      name: "roots-are-not-imported",
      comment: "the daemon puts the parts together; no part knows it",
      severity: "error",
      from: { path: "^src/(?!daemon/)[^/]+/", pathNot: test },
      to: { path: "^src/([^/]+\\.ts$|daemon/)" },
    },
    { name: "main-is-the-top", comment: "nothing imports main.ts", severity: "error", from: {}, to: { path: "^src/main\\.ts$" } },
    {
      name: "predict-and-respond-never-send",
      comment: "predict never sends, respond never reads a socket: they get values and give values",
      severity: "error",
      from: { path: "^src/(predict|respond)/", pathNot: test },
      to: { path: `^(node:)?(net|dgram|tls|http2?|https)$|${library(["openflow", "ovsdb"])}`, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "forward-is-pure",
      comment: "forwarding and the graph are functions of the network: no files, sockets, processes or events",
      severity: "error",
      from: { path: "^src/(forward/|network/(graph|hosts|lldp|flow-entry|model|pipeline)\\.ts)", pathNot: test },
      to: { path: "^(node:)?(fs|fs/promises|net|dgram|tls|http2?|https|child_process|events|timers|timers/promises)$" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.base.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules|/dist/" },
    // The workspaces are links in node_modules; taken by that name their builds are seen as what they are, a package.
    preserveSymlinks: true,
    exclude: { path: "^((openflow|ovsdb|sflow)/)?dist/|^src/api/generated/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["types", "import", "node", "default"], extensions: [".ts", ".mjs", ".js", ".cjs", ".json"] },
  },
};
