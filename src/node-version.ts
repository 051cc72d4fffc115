// Imported first by everything a person may run directly. Node 24 is the oldest that runs TypeScript
// without a flag and serves Express at full speed; on 22.18+ this line is reached and says so.
// (Node 20 cannot load a .ts file at all and stops before it; npm scripts always run on the right one.)
const NODE_MAJOR_MIN = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `Holdfast needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}. ` +
      "Run it through npm (npm run api, npm run worker, ./scripts/up): npm scripts use the Node " +
      "that npm ci installed into node_modules.\n",
  );
  process.exit(1);
}
