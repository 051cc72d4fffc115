import "../src/node-version.ts";
import { readFileSync, writeFileSync } from "node:fs";

// `npm run lock`, after a change of dependencies. Packages with native parts name one package for each
// platform as optional dependencies. When the registry at hand lacks some, npm leaves them out of
// package-lock.json, and `npm ci` refuses the file from then on, everywhere. This puts them back, by the
// exact version their parent names; npm checks no integrity for these until it has met them itself.
const LOCK = new URL("../package-lock.json", import.meta.url);
const EXACT_VERSION = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
const SYSTEMS = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const PROCESSORS = [
  "arm64",
  "arm",
  "ia32",
  "loong64",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

type LockedPackage = {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
};
type Lock = { packages: Record<string, LockedPackage> };

const lock = JSON.parse(readFileSync(LOCK, "utf8")) as Lock; // npm's own format, version 3
const missing = missingPlatformPackages(lock);
lock.packages = Object.fromEntries(
  [...Object.entries(lock.packages), ...missing].sort(([a], [b]) => a.localeCompare(b, "en")),
);
writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`put ${missing.length} packages of other platforms into package-lock.json`);

function missingPlatformPackages({ packages }: Lock): [string, LockedPackage][] {
  return Object.values(packages).flatMap((parent) =>
    Object.entries(parent.optionalDependencies ?? {}).flatMap(([name, version]) => {
      const place = `node_modules/${name}`;
      if (packages[place] || !EXACT_VERSION.test(version)) return [];
      return [[place, lockedPackage(name, version, parent.dev ?? false)]] satisfies [
        string,
        LockedPackage,
      ][];
    }),
  );
}

// Such packages say their platform in their name: @swc/core-linux-x64-musl, @biomejs/cli-darwin-arm64.
function lockedPackage(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.split(/[-/]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : [];
  return {
    version,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    ...(libc.length > 0 && os.includes("linux") ? { libc } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}
