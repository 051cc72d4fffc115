import type { Dependency, Supply } from "./lock-file.ts";

/** What asks for no more than to be named. */
const ALLOWED = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "Zlib",
];
/** Beside these, of tools that are never delivered: caniuse-lite is data. */
const ALLOWED_IN_DEVELOPMENT = [...ALLOWED, "CC-BY-4.0"];

/** What is wrong with what others wrote, a sentence each. */
export function findingsIn({ dependencies, allowScripts }: Supply): string[] {
  const names = new Set(dependencies.map(({ name }) => name));
  const stale = Object.keys(allowScripts).filter((name) => !names.has(name));
  return [
    ...dependencies.flatMap((dependency) => [
      ...licenceFindings(dependency),
      ...integrityFindings(dependency),
      ...scriptFindings(dependency, allowScripts),
    ]),
    ...stale.map((name) => `allowScripts names ${name}, which is not there`),
  ].sort();
}

/** A part of another package, for one kind of machine. */
export const isOfPlatform = ({ optional, os, cpu }: Dependency) =>
  optional && (os !== undefined || cpu !== undefined);

function licenceFindings(dependency: Dependency): string[] {
  const { place, license, installed_license, dev } = dependency;
  // complete-lock.ts puts these in, and knows no more than their names.
  if (license === undefined && installed_license === undefined && isOfPlatform(dependency)) {
    return [];
  }
  const allowed = dev ? ALLOWED_IN_DEVELOPMENT : ALLOWED;
  return [...new Set([license, installed_license ?? license])].flatMap((told) =>
    told !== undefined && isAllowed(told, allowed)
      ? []
      : [`${place} has the licence ${told ?? "none"}`],
  );
}

/** Of `(MIT OR GPL-3.0)` one must be allowed, of `MIT AND Zlib` both. Whatever is nested is not. */
function isAllowed(expression: string, allowed: string[]): boolean {
  const bare = expression.replace(/^\(([^()]*)\)$/, "$1");
  return bare
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((license) => allowed.includes(license)));
}

function integrityFindings(dependency: Dependency): string[] {
  const { place, integrity, resolved, dev } = dependency;
  const host = resolved === undefined ? [] : [`${place} is bound to a host`];
  // A registry that lacks a platform can't say what its package must be: only tools may be so.
  if (integrity === undefined && dev && isOfPlatform(dependency)) return host;
  if (integrity !== undefined && /^sha512-[\w+/]{86}==$/.test(integrity)) return host;
  return [...host, `${place} has no SHA-512 in package-lock.json`];
}

function scriptFindings(
  { name, place, hasInstallScript }: Dependency,
  allowScripts: Record<string, boolean>,
): string[] {
  if (!hasInstallScript || name in allowScripts) return [];
  return [`${place} has an install script that allowScripts does not decide on`];
}
