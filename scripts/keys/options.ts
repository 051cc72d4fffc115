import { z } from "zod";
import { KEY_NAME_PATTERN } from "../../src/domain/api-key.ts";
import { USER_ID_CHARS_MAX } from "../../src/domain/limits.ts";
import { CUSTOMER_ROLES, isRole, ROLES, type Role } from "../../src/domain/roles.ts";
import { BadOption, readArguments } from "../arguments.ts";

export type Command =
  | {
      verb: "create";
      name: string;
      roles: Role[];
      customer: string | null;
      expires_in_ms: number | null;
    }
  | { verb: "list" }
  | { verb: "rotate"; name: string; overlap_ms: number }
  | { verb: "revoke"; name: string };
export type Options = { command: Command; as_json: boolean };

export const USAGE = `Usage: npm run keys -- create --name NAME --role ROLE [--role ROLE…]
                             [--customer C] [--expires-in 30d]
       npm run keys -- list
       npm run keys -- rotate NAME [--overlap 1h]
       npm run keys -- revoke NAME

API keys, for AUTH=keys. What is changed counts within a second. create and rotate print the new key, which
nobody can ever read again: on stdout it stands alone, the rest goes to stderr.

  --role        ${ROLES.join(", ")}
  --customer    the only customer it may act for; with the role checkout alone
  --expires-in  how long it lives, as in 12h or 30d; without it, for ever
  --overlap     how long the old key goes on beside the new one; 1h unless you say, 0s ends it at once
  --json        prints JSON
`;

/** @returns undefined when only the usage is asked for */
export function readOptions(args: string[]): Options | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [verb, ...rest] = positionals;
  const { json: as_json = false, ...given } = values;
  return { command: commandOf(verb, rest, given), as_json };
}

type Given = Omit<ReturnType<typeof parsed>["values"], "json">;

function commandOf(verb: string | undefined, rest: string[], given: Given): Command {
  switch (verb) {
    case "create":
      allowOnly(given, ["name", "role", "customer", "expires-in"]);
      nothingOf(rest);
      return {
        verb,
        name: nameOf(given.name),
        ...rightsOf(given.role ?? [], given.customer ?? null),
        expires_in_ms: given["expires-in"] === undefined ? null : lifetimeOf(given["expires-in"]),
      };
    case "list":
      allowOnly(given, []);
      nothingOf(rest);
      return { verb };
    case "rotate":
      allowOnly(given, ["overlap"]);
      nothingOf(rest.slice(1));
      return { verb, name: nameOf(rest[0]), overlap_ms: millisOf(given.overlap ?? "1h") };
    case "revoke":
      allowOnly(given, []);
      nothingOf(rest.slice(1));
      return { verb, name: nameOf(rest[0]) };
    default:
      throw new BadOption("Say create, list, rotate or revoke.");
  }
}

function parsed(args: string[]) {
  return readArguments({
    args,
    allowPositionals: true,
    options: {
      name: { type: "string" },
      role: { type: "string", multiple: true },
      customer: { type: "string" },
      "expires-in": { type: "string" },
      overlap: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
}

function allowOnly(given: Given, names: string[]): void {
  const wrong = Object.keys(given).find((name) => !names.includes(name));
  if (wrong !== undefined) throw new BadOption(`--${wrong} says nothing here.`);
}

function nothingOf([word]: string[]): void {
  if (word !== undefined) throw new BadOption(`What is ${word}?`);
}

function nameOf(name: string | undefined): string {
  if (name !== undefined && KEY_NAME_PATTERN.test(name)) return name;
  throw new BadOption("A key has a name of 1 to 64 of A-Z a-z 0-9 . _ -");
}

const customerName = z
  .string()
  .regex(new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${USER_ID_CHARS_MAX}}$`, "u"));

function rightsOf(words: string[], customer: string | null) {
  const unknown = words.find((word) => !isRole(word));
  if (unknown !== undefined) throw new BadOption(`${unknown} is none of ${ROLES.join(", ")}.`);
  const roles = ROLES.filter((role) => words.includes(role));
  if (roles.length === 0) throw new BadOption(`Give it a --role: ${ROLES.join(", ")}.`);
  if (customer === null) return { roles, customer };
  if (!customerName.safeParse(customer).success) throw new BadOption("That is no customer's name.");
  if (roles.every((role) => CUSTOMER_ROLES.includes(role))) return { roles, customer };
  throw new BadOption("A key of one --customer has the role checkout alone.");
}

const UNITS_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DAYS_MAX = 36_500;

function millisOf(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const millis = Number(digits) * (UNITS_MS[unit] ?? Number.NaN);
  if (millis <= DAYS_MAX * 86_400_000) return millis;
  throw new BadOption(`${text} is no time: say 90s, 15m, 12h or 30d.`);
}

function lifetimeOf(text: string): number {
  const millis = millisOf(text);
  if (millis > 0) return millis;
  throw new BadOption("A key that is over at once is none.");
}
