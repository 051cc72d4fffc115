import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openShop, type Shop } from "../http/shop.ts";
import { freshDir } from "../setup/stack.ts";

// What `npm pack` holds, in a project that has nothing else: no types of Node, no dependency.

const ROOT = new URL("../../", import.meta.url).pathname;
const run = promisify(execFile);

const MISUSES = `import { createClient, isProblem } from "holdfast/client";

const { holds, reservations } = createClient({ url: "http://test" });
export async function misuse(error: unknown) {
  // @ts-expect-error: qty is missing
  await holds.reserve({ sku: "a", user_id: "ada" });
  // @ts-expect-error: a typo
  await holds.reserve({ sku: "a", qty: 1, user_id: "ada", ttl: 5 });
  // @ts-expect-error: no such status
  if ((await holds.get("H-1")).status === "CREATED") return;
  // @ts-expect-error: a reservation is CREATED there
  if ((await reservations.get("H-1")).status === "ACTIVE") return;
  // @ts-expect-error: no such code
  isProblem(error, "SOLD_UOT");
  // @ts-expect-error: no limit is told of what is sold out
  if (isProblem(error, "SOLD_OUT")) return error.members.limit;
  if (isProblem(error) && error.code === "LIMIT_EXCEEDED") return error.members.limit;
}
`;
const CONFIG = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: "nodenext",
    target: "es2022",
    lib: ["es2022", "dom"],
    types: [],
    rootDir: ".",
    outDir: "out",
  },
  include: ["*.ts"],
};

let project: Awaited<ReturnType<typeof freshDir>>;
let shop: Shop;
beforeAll(async () => {
  [project, shop] = await Promise.all([freshDir(), openShop()]);
  const installed = join(project.dir, "node_modules/holdfast");
  await mkdir(installed, { recursive: true });
  await run("npm", ["pack", "--silent", "--pack-destination", project.dir], { cwd: ROOT });
  const packed = join(project.dir, "holdfast-0.1.0.tgz");
  await run("tar", ["xzf", packed, "--strip-components=1", "-C", installed]);
  await writeFile(join(project.dir, "package.json"), '{"type":"module"}');
  await writeFile(join(project.dir, "tsconfig.json"), JSON.stringify(CONFIG));
  await writeFile(join(project.dir, "misuses.ts"), MISUSES);
  await writeFile(join(project.dir, "buy.ts"), await tenLines());
}, 120_000);
afterAll(() => Promise.all([project.close(), shop.close()]));

/** The README's way in, but for its address. */
async function tenLines(): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, indented = ""] =
    /\n\n( {4}import [^\n]+holdfast\/client";\n(?:(?: {4}[^\n]*)?\n)+)/.exec(readme) ?? [];
  return indented.replaceAll(/^ {4}/gm, "").replace("http://localhost:8080", shop.api.url);
}

test("what is packed has types that stand alone, and the README's ten lines do what they say", async () => {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "-p", project.dir]);
  expect(stdout).toBe("");

  const sku = await shop.stock(3);
  await writeFile(
    join(project.dir, "out/try.js"),
    `import { buy } from "./buy.js";
    const cart = { id: "cart-1", sku: "${sku}", qty: 2, user: "ada" };
    const pay = async (hold_id) => "pay_" + hold_id;
    console.log(JSON.stringify([await buy(cart, pay), await buy({ ...cart, id: "cart-2" }, pay)]));`,
  );
  const tried = await run(process.execPath, [join(project.dir, "out/try.js")]);
  const [first, second] = JSON.parse(tried.stdout);
  expect(first).toMatch(/^Order O-/);
  expect(second).toBe("Only 1 left.");
  expect(await shop.unitsOf(sku)).toEqual({ available: 1, held: 0 });
});
