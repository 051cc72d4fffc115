import { isOfPlatform } from "./findings.ts";
import type { Dependency, Supply } from "./lock-file.ts";

/** docs/licences.md: which licence each package has. */
export function licencesPage({ dependencies }: Supply): string {
  const listed = dependencies.filter((dependency) => !isOfPlatform(dependency));
  const delivered = listed.filter(({ dev }) => !dev);
  const tools = listed.filter(({ dev }) => dev);
  return [
    "# Licences of what others wrote",
    "",
    "Made by `npm run licences` of package-lock.json; `npm run check:supply` says which may be here. Parts of a package",
    "for one kind of machine are not listed: they have its licence.",
    "",
    "## What runs in production",
    "",
    ...linesOf(delivered),
    "",
    "## Tools for development, which are never delivered",
    "",
    ...linesOf(tools),
    "",
  ].join("\n");
}

// A line each: so two changes of dependencies seldom meet.
function linesOf(dependencies: Dependency[]): string[] {
  const lines = dependencies.map(({ name, license = "none" }) => `- ${name}: ${license}`);
  return [...new Set(lines)].sort();
}
