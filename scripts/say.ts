import { BadOption } from "./arguments.ts";

/** One line to whoever started us. */
export function say(line: string): void {
  process.stdout.write(`holdfast: ${line}\n`);
}

/**
 * The end of a command that could not do its work: what went wrong in words, without a stack.
 * @param usage for whoever mistyped it; such a command ends with 2
 */
export function reportAndExit(error: unknown, usage = ""): never {
  if (error instanceof BadOption) {
    process.stderr.write(`${error.message}\n${usage && `\n${usage}`}`);
    process.exit(2);
  }
  process.stderr.write(`holdfast: ${messageOf(error)}\n`);
  process.exit(1);
}

/** Says which variable led to a failure: the settings of a person, not the inside of a library. */
export async function blame<T>(variable: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${variable}: ${messageOf(error)}`, { cause: error });
  }
}

/** A host name with several addresses fails with one error for each and no message of its own. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map(messageOf).join(", ");
  }
  return error instanceof Error ? error.message : String(error);
}
