/** What a page of /metrics has: its metrics, and each label of them with its values. */
export type Page = Map<string, Map<string, Set<string>>>;

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** @param texts pages in Prometheus's text format */
export function readPages(texts: string[]): Page {
  const page: Page = new Map();
  const metric = (name: string) => {
    const known = page.get(name) ?? new Map<string, Set<string>>();
    page.set(name, known);
    return known;
  };
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [, declared] = /^# TYPE (\S+)/.exec(line) ?? [];
    if (declared !== undefined) metric(declared);
    const [, name, labels = ""] = SAMPLE.exec(line) ?? [];
    if (name === undefined) continue;
    const known = metric(name);
    for (const [, label = "", value = ""] of labels.matchAll(LABEL)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  return page;
}
