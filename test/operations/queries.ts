import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import type { Page } from "./metrics-page.ts";
import { isBalanced, namesIn, type Selector } from "./promql.ts";

const PLACE = new URL("../../docs/operations/", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, PLACE), "utf8");

const alertShape = z.strictObject({
  alert: z.string().regex(/^Holdfast[A-Z][A-Za-z]+$/),
  expr: z.string(),
  for: z.string().regex(/^\d+[sm]$/),
  labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }),
  annotations: z.strictObject({ summary: z.string(), runbook: z.string() }),
});
const rulesShape = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(alertShape) })),
});
const panelShape = z.looseObject({
  id: z.int(),
  title: z.string(),
  description: z.string().optional(),
  gridPos: z.object({ h: z.int(), w: z.int(), x: z.int(), y: z.int() }),
  targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).default([]),
});
const dashboardShape = z.looseObject({ uid: z.string(), panels: z.array(panelShape) });

export const readAlerts = () =>
  rulesShape.parse(parse(read("prometheus/alerts.yml"))).groups.flatMap(({ rules }) => rules);
export const readPanels = () =>
  dashboardShape.parse(JSON.parse(read("grafana/holdfast.json"))).panels;
export const readScrapes = () =>
  z
    .object({ scrape_configs: z.array(z.object({ job_name: z.string() })) })
    .parse(parse(read("prometheus/prometheus.yml"))).scrape_configs;

/** What Prometheus itself adds to each sample, and the series that only it makes. */
const PROMETHEUS_LABELS = new Set(["job", "instance"]);
const PROMETHEUS_METRICS = new Set(["up"]);
/** A status that no answer of a good sale has. */
const NOT_SEEN = new Set(["status"]);

/** What a query asks for and a page of metrics does not have, in words. */
export function findMissing(query: string, page: Page): string[] {
  const { selectors, grouped } = namesIn(query);
  const labels = grouped.filter((label) => label !== "le" || query.includes("_bucket"));
  return [
    ...(isBalanced(query) ? [] : ["brackets that are not closed"]),
    ...(selectors.length > 0 ? [] : ["no metric is named"]),
    ...(labels.length === grouped.length ? [] : ["`le` of no histogram"]),
    ...selectors.flatMap((selector) => findMissingOf(selector, labels, page)),
  ];
}

function findMissingOf({ metric, matchers }: Selector, grouped: string[], page: Page): string[] {
  if (PROMETHEUS_METRICS.has(metric)) return [];
  const labels = page.get(metric);
  if (!labels) return [`no metric ${metric}`];
  const asked = [...matchers.map(({ label }) => label), ...grouped];
  const missing = asked.filter((label) => !labels.has(label) && !PROMETHEUS_LABELS.has(label));
  const unmet = matchers.filter(
    ({ label, operator, value }) =>
      labels.has(label) && !NOT_SEEN.has(label) && !isMet(operator, value, labels.get(label)),
  );
  return [
    ...missing.map((label) => `${metric} has no label ${label}`),
    ...unmet.map(({ label, value }) => `${metric} has no ${label} like ${value}`),
  ];
}

/** Whether there is each value that a matcher wants or, when it wants to be without it, leaves out. */
function isMet(operator: string, value: string, values: Set<string> = new Set()): boolean {
  const wanted = operator.endsWith("~") ? value.split("|") : [value];
  return wanted.every((one) => values.has(one));
}
