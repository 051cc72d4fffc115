import { BadOption, readArguments } from "../arguments.ts";

export type Options = { file: string; dry_run: boolean; again: boolean };

export const USAGE = `Usage: npm run seed -- [--dry-run] [--again] file.csv

Sets the stock of each line of a CSV file, and makes or changes its product when the line has a name. Stopped
or killed, and started again with the same file, it goes on where it was.

  --dry-run   only check the file
  --again     begin anew with a file that was seeded before: each line sets its stock once more

The first line names the columns: sku and quantity (or onHand); store (or storeId), name, description, price,
category and location may be left out. An empty cell says nothing: the default store, no product, or what
the product has already.
`;

/** @returns undefined when only the usage is asked for */
export function readOptions(args: string[]): Options | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new BadOption("Name one file.");
  return { file, dry_run: values["dry-run"], again: values.again };
}

function parsed(args: string[]) {
  return readArguments({
    args,
    allowPositionals: true,
    options: {
      "dry-run": { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
}
