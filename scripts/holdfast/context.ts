import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { type Client, createClient } from "../../src/client/client.ts";
import { BadOption } from "../arguments.ts";
import { messageOf } from "../say.ts";
import { tell } from "./output.ts";
import { findPlace, type Place } from "./place.ts";

const TIMEOUT_SECONDS = 10;
const TIMEOUT_SECONDS_MAX = 3_600;

/** What every command is given: where, how long, and how it answers. */
export type Context = Place & {
  json: boolean;
  yes: boolean;
  timeout_ms: number;
  /** Asks the API there: each call is tried until it is settled, or its time is over. */
  client: Client;
  /** The command's answer. */
  tell: (document: unknown, words: () => string) => void;
};

const options = z.object({
  url: z.string().optional(),
  workerUrl: z.string().optional(),
  token: z.string().optional(),
  json: z.boolean().default(false),
  yes: z.boolean().default(false),
  timeout: z.number().default(TIMEOUT_SECONDS),
});

const COMMON = "Options of every command:";

/** Gives every command the options that all of them take, before its name or behind. */
export function addCommonOptions(command: Command): void {
  command
    .addOption(new Option("--url <url>", "the API (HOLDFAST_URL)").helpGroup(COMMON))
    .addOption(
      new Option("--token <token>", "an API key or JWT (HOLDFAST_TOKEN)").helpGroup(COMMON),
    )
    .addOption(new Option("--json", "answer with one JSON document").helpGroup(COMMON))
    .addOption(
      new Option("--timeout <seconds>", `how long it may take (${TIMEOUT_SECONDS})`)
        .argParser(secondsOf)
        .helpGroup(COMMON),
    )
    .addOption(new Option("-y, --yes", "don't ask back").helpGroup(COMMON));
  for (const inner of command.commands) addCommonOptions(inner);
}

/** The option of a command that changes something. */
export const withKey = (command: Command): Command =>
  command.option("--key <key>", "the idempotency key: the same again does nothing more", keyOf);

function keyOf(text: string): string {
  if (/^[\x20-\x7e]{1,255}$/.test(text)) return text;
  throw new InvalidArgumentError("Say 1 to 255 printable ASCII characters.");
}

/** What `command` was called with. */
export function contextOf(command: Command): Context {
  const { json, yes, timeout, ...given } = options.parse(command.optsWithGlobals());
  // biome-ignore lint/style/noProcessEnv: place.ts reads it
  const place = findPlace(given, process.env);
  const timeout_ms = timeout * 1_000;
  const client = clientOf(place, timeout_ms);
  return {
    ...place,
    json,
    yes,
    timeout_ms,
    client,
    tell: (document, words) => tell(json, document, words),
  };
}

/** @throws BadOption when the url is none */
function clientOf({ url, token }: Place, timeoutMs: number): Client {
  try {
    return createClient({ url, token, timeoutMs });
  } catch (error) {
    throw new BadOption(`--url (or HOLDFAST_URL) ${url}: ${messageOf(error)}`);
  }
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= TIMEOUT_SECONDS_MAX) return seconds;
  throw new InvalidArgumentError(`Say seconds, up to ${TIMEOUT_SECONDS_MAX}.`);
}

/** A whole number of the line. */
export const wholeOf =
  (min: number, max: number) =>
  (text: string): number => {
    const number = Number(text);
    if (/^[+-]?\d{1,15}$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Say a whole number from ${min} to ${max}.`);
  };
