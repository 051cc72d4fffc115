import { installPackage } from "../system-packages.ts";
import { createAutocannon } from "./autocannon.ts";
import type { Generator } from "./load.ts";
import { createWrk, findWrk } from "./wrk.ts";

/**
 * wrk, if need be from the system's packages; autocannon where that is not possible.
 * @param wanted takes no other than this one
 * @param dir for its output
 */
export async function chooseGenerator(
  { wanted, dir }: { wanted: "wrk" | "autocannon" | undefined; dir: string },
  say: (line: string) => void,
): Promise<Generator> {
  if (wanted === "autocannon") return createAutocannon();
  let version = await findWrk();
  if (version === undefined) {
    say("installing wrk from the system's packages ...");
    const problem = await installPackage({ apt: "wrk", brew: "wrk" });
    version = await findWrk();
    if (version === undefined && wanted === "wrk") throw new Error(`there is no wrk: ${problem}`);
    if (version === undefined) say(`autocannon makes the load, there is no wrk (${problem})`);
  }
  return version === undefined ? createAutocannon() : createWrk({ version, dir });
}
