import { z } from "zod";
import { BadOption, readArguments } from "../arguments.ts";

export type Options = z.infer<typeof shape>;

const inRange = (name: string, range: z.ZodCoercedNumber, words: string) =>
  range.catch(({ value }) => {
    throw new BadOption(`--${name} takes ${words}, not ${value}`);
  });

const whole = (name: string, min: number, max: number, fallback: number) =>
  inRange(
    name,
    z.coerce.number().int().min(min).max(max),
    `a whole number from ${min} to ${max}`,
  ).default(fallback);

const shape = z.object({
  only: z.array(z.string()).default([]),
  seconds: whole("seconds", 1, 600, 5),
  runs: whole("runs", 1, 99, 3),
  grown: whole("grown", 1_000, 10_000_000, 1_000_000),
  cores: inRange(
    "cores",
    z.coerce.number().min(0.05).max(64),
    "a number from 0.05 to 64",
  ).optional(),
  load: z.enum(["wrk", "autocannon"]).optional(),
  json: z.string().default("bench.json"),
  help: z.boolean().default(false),
});

export const usage = (scenarios: string[]) => `Usage: npm run bench -- [options]

Measures Holdfast on a stack of its own, prints a table and writes its figures as JSON.
  --only NAME      only this scenario: may be repeated, or be a list with commas
  --seconds N      how long a run takes (5)
  --runs N         how many runs the median is taken of (3)
  --grown N        how many holds are live in grown (1000000)
  --cores N        what overload leaves the system of a core, so that the load has the rest (Linux, as root)
  --load TOOL      wrk or autocannon; by default wrk if it is there or can be installed
  --json FILE      where the figures go (bench.json)
Scenarios: ${scenarios.join(", ")}
`;

/** @throws BadOption */
export function readOptions(args: string[], scenarios: string[]): Options {
  const { only, ...options } = shape.parse(parse(args));
  const names = only.flatMap((list) => list.split(","));
  const unknown = names.find((name) => !scenarios.includes(name));
  if (unknown !== undefined) {
    throw new BadOption(`there is no scenario "${unknown}"; there are ${scenarios.join(", ")}`);
  }
  return { ...options, only: names };
}

function parse(args: string[]) {
  const { values } = readArguments({
    args,
    options: {
      only: { type: "string", multiple: true },
      seconds: { type: "string" },
      runs: { type: "string" },
      grown: { type: "string" },
      cores: { type: "string" },
      load: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.load !== undefined && !["wrk", "autocannon"].includes(values.load)) {
    throw new BadOption(`--load takes wrk or autocannon, not ${values.load}`);
  }
  return values;
}
