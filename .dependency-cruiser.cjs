// Which folder may import which: docs/architecture.md explains it, `npm run check:layers` enforces it.
const layers = [
  ["domain-imports-nothing-of-ours", "^src/domain/", "^(src/(?!domain/)|worker|scripts|test)"],
  [
    "redis-knows-domain-and-src-files",
    "^src/redis/",
    "^(src/(postgres|http)/|worker|scripts|test)",
  ],
  [
    "postgres-knows-domain-and-src-files",
    "^src/postgres/",
    "^(src/(redis|http)/|worker|scripts|test)",
  ],
  ["http-is-not-the-worker", "^src/http/", "^(worker|scripts|test)"],
  [
    "src-files-import-no-folder-but-domain",
    "^src/(?!main\\.ts$)[^/]+\\.ts$",
    "^(src/(redis|postgres|http)/|worker|scripts|test)",
  ],
  ["worker-serves-no-http-api", "^worker/", "^(src/http/|scripts|test)"],
  ["nobody-imports-a-main", "", "(^|/)main\\.ts$"],
  ["the-api-is-not-the-worker", "^src/main\\.ts$", "^worker/"],
  ["nobody-imports-scripts-or-test", "^(src|worker)/", "^(scripts|test)/"],
].map(([name, from, to]) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { path: to },
}));

// Each outside world has one door.
const doors = [
  ["ioredis", "^src/redis/"],
  ["pg", "^src/postgres/"],
  ["express", "^src/http/"],
  ["jose", "^src/http/access/"],
].map(([name, home]) => ({
  name: `${name}-only-behind-its-door`,
  severity: "error",
  from: { path: "^(src|worker)/", pathNot: home },
  to: { path: `node_modules/(@types/)?${name}/` },
}));

// The client runs in other people's programs and pages: it brings everything it needs.
const client = [
  {
    name: "client-imports-nothing-but-itself",
    severity: "error",
    from: { path: "^src/client/" },
    to: { pathNot: "^src/client/" },
  },
  {
    name: "the-processes-are-no-clients",
    severity: "error",
    from: { path: "^(src/(?!client/)|worker/)" },
    to: { path: "^src/client/" },
  },
];

module.exports = {
  forbidden: [
    ...layers,
    ...doors,
    ...client,
    // Nobody pays for traces that nobody has asked for: not even the loading of what makes them.
    {
      name: "trace-sdk-only-behind-its-door",
      severity: "error",
      from: { path: "^(src|worker)/", pathNot: "^src/tracing-sdk\\.ts$" },
      to: { path: "node_modules/@opentelemetry/(?!api/)" },
    },
    {
      name: "trace-sdk-is-loaded-late",
      severity: "error",
      from: {},
      to: { path: "^src/tracing-sdk\\.ts$", dynamic: false },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-missing-files",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    parser: "swc", // it reads TypeScript without the compiler API, which TypeScript 7 does not have yet
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types"],
    },
  },
};
