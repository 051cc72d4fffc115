import { type ParseArgsConfig, parseArgs } from "node:util";

/** Somebody mistyped a command. The message says what. */
export class BadOption extends Error {
  override name = "BadOption";
}

/**
 * A command's arguments, as Node's parseArgs reads them.
 * @throws BadOption
 */
export function readArguments<const Config extends ParseArgsConfig>(config: Config) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new BadOption(error instanceof Error ? error.message : String(error));
  }
}
