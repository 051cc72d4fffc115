import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const locked = z.object({
  version: z.string().optional(),
  license: z.string().optional(),
  integrity: z.string().optional(),
  resolved: z.string().optional(),
  dev: z.boolean().default(false),
  optional: z.boolean().default(false),
  os: z.array(z.string()).optional(),
  cpu: z.array(z.string()).optional(),
  hasInstallScript: z.boolean().default(false),
});
const lockFile = z.object({ packages: z.record(z.string(), locked) });
const manifest = z.object({ allowScripts: z.record(z.string(), z.boolean()) });
const installedManifest = z.object({ license: z.unknown().optional() });

export type Dependency = z.infer<typeof locked> & {
  name: string;
  /** Where it lies below the project. */
  place: string;
  /** What the installed package says itself; undefined when it isn't installed here. */
  installed_license: string | undefined;
};
export type Supply = { dependencies: Dependency[]; allowScripts: Record<string, boolean> };

/** What package-lock.json, package.json and node_modules say of all that others wrote. */
export function readSupply(root: string): Supply {
  const { packages } = lockFile.parse(readJson(join(root, "package-lock.json")));
  const { allowScripts } = manifest.parse(readJson(join(root, "package.json")));
  const dependencies = Object.entries(packages).flatMap(([place, rest]) => {
    if (place === "") return []; // the project itself
    const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
    return [{ ...rest, name, place, installed_license: licenseAt(join(root, place)) }];
  });
  return { dependencies, allowScripts };
}

function licenseAt(folder: string): string | undefined {
  const path = join(folder, "package.json");
  if (!existsSync(path)) return undefined;
  const { license } = installedManifest.parse(readJson(path));
  return typeof license === "string" ? license : JSON.stringify(license ?? "none");
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
