/** Columns for a terminal, in the manner of psql. */
export function formatTable(names: string[], rows: unknown[][]): string {
  const cells = rows.map((row) => row.map((value) => (value === null ? "" : String(value))));
  const widths = names.map((name, column) =>
    Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(" | ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  const count = rows.length === 1 ? "(1 row)" : `(${rows.length} rows)`;
  return `${[line(names), rule, ...cells.map(line), count].join("\n")}\n`;
}
