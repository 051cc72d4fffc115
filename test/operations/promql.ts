/** A metric that a query names, and what it asks of its labels. */
export type Selector = {
  metric: string;
  matchers: { label: string; operator: string; value: string }[];
};
/** What a query names. `grouped` are the labels it groups by: of all its metrics. */
export type Named = { selectors: Selector[]; grouped: string[] };

const WORDS = new Set([
  ...[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
  ],
  ...["sum", "max", "min", "avg", "count", "rate", "increase", "changes", "absent", "topk"],
  ...["histogram_quantile"],
]);
const MATCHER = /([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g;

/**
 * What a query of PromQL names. It knows the grammar no further than that takes; a function it does not know
 * would count as a metric, which nothing has, and so be noticed.
 */
export function namesIn(query: string): Named {
  const grouped: string[] = [];
  const without_groups = query.replaceAll(
    /\b(?:by|without)\s*\(([^)]*)\)/g,
    (_, labels: string) => {
      grouped.push(...labels.split(",").map((label) => label.trim()));
      return " ";
    },
  );
  const without_ranges = without_groups.replaceAll(/\[[^\]]*\]/g, " ");
  const selectors: Selector[] = [];
  // A metric with its braces, or a word alone; texts are only in braces.
  for (const [, metric = "", braces = ""] of without_ranges.matchAll(
    /(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?/g,
  )) {
    if (WORDS.has(metric)) continue;
    const matchers = [...braces.matchAll(MATCHER)].map(
      ([, label = "", operator = "", value = ""]) => ({
        label,
        operator,
        value,
      }),
    );
    selectors.push({ metric, matchers });
  }
  return { selectors, grouped };
}

/** Whether brackets and texts of a query end where they should: the least that Prometheus asks. */
export function isBalanced(query: string): boolean {
  const open: string[] = [];
  const pairs: Record<string, string> = { ")": "(", "}": "{", "]": "[" };
  for (const sign of query.replaceAll(/"(?:[^"\\]|\\.)*"/g, "")) {
    if ("({[".includes(sign)) open.push(sign);
    else if (sign in pairs && open.pop() !== pairs[sign]) return false;
    else if (sign === '"') return false;
  }
  return open.length === 0;
}
