import { randomInt } from "node:crypto";
import { z } from "zod";
import { BadOption, readArguments } from "../arguments.ts";
import { type FaultKind, INTACT_KINDS, isFaultKind, kindOf, LOSING_KINDS } from "./kinds.ts";

export type Options = {
  seed: number;
  seconds: number;
  shoppers: number;
  units: number;
  kinds: FaultKind[];
  forever: boolean;
  help: boolean;
};

const SECONDS = 80;
const SHOPPERS_PER_SECOND = 250;
const SHOPPERS_PER_UNIT = 20;
const SEED_MAX = 999_999;

const faultLines = [...INTACT_KINDS, ...LOSING_KINDS].map((kind) => {
  const { says, loses_data = false } = kindOf(kind);
  return `  ${kind.padEnd(17)}${says}${loses_data ? ": only when asked for" : ""}\n`;
});

export const USAGE = `Usage: npm run drill -- [options]

Opens a sale on a stack of its own, does harm to the parts of the system meanwhile, and then accounts
for every answer that a shopper got. Ends with 0 when every promise was kept, with 1 when one was not.
  --seed N         the same seed plans the same faults and the same shoppers (random)
  --seconds N      how long the sale lasts; starting and accounting take some 10 s more (${SECONDS})
  --shoppers N     how many come (${SHOPPERS_PER_SECOND} a second)
  --units N        how many units there are (one for ${SHOPPERS_PER_UNIT} shoppers)
  --faults LIST    what happens to the system, with commas (all that lose no data)
  --forever        drill after drill, each with the next seed, until Ctrl-C or a broken promise
Faults:
${faultLines.join("")}`;

const whole = (name: string, min: number, max: number) =>
  z.coerce
    .number()
    .int()
    .min(min)
    .max(max)
    .catch(({ value }) => {
      throw new BadOption(`--${name} takes a whole number from ${min} to ${max}, not ${value}`);
    })
    .optional();

const shape = z.object({
  seed: whole("seed", 0, SEED_MAX),
  seconds: whole("seconds", 5, 600),
  shoppers: whole("shoppers", 1, 200_000),
  units: whole("units", 1, 200_000),
  faults: z.string().optional(),
  forever: z.boolean().default(false),
  help: z.boolean().default(false),
});

/** @throws BadOption */
export function readOptions(args: string[]): Options {
  const given = shape.parse(parse(args));
  const { seed = randomInt(SEED_MAX + 1), seconds = SECONDS, forever, help } = given;
  const { shoppers = seconds * SHOPPERS_PER_SECOND } = given;
  const { units = Math.ceil(shoppers / SHOPPERS_PER_UNIT) } = given;
  return { seed, seconds, shoppers, units, kinds: readKinds(given.faults), forever, help };
}

function readKinds(list: string | undefined): FaultKind[] {
  if (list === undefined) return INTACT_KINDS;
  const names = new Set(list.split(","));
  return [...names].map((name) => {
    if (isFaultKind(name)) return name;
    const known = [...INTACT_KINDS, ...LOSING_KINDS].join(", ");
    throw new BadOption(`there is no fault "${name}"; there are ${known}`);
  });
}

function parse(args: string[]) {
  const { values } = readArguments({
    args,
    options: {
      seed: { type: "string" },
      seconds: { type: "string" },
      shoppers: { type: "string" },
      units: { type: "string" },
      faults: { type: "string" },
      forever: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  return values;
}
