import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { readKustomization, workloadsOf } from "../deploy/kubernetes.ts";
import { readAlerts } from "./queries.ts";

// Whether docs/operations.md says what somebody looks for who was woken by an alert.
const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const headings = [...page.matchAll(/^#{2,4} (.*)$/gm)].map(([, heading]) => `${heading}`);

test.each(readAlerts())("it says what to do about $alert", ({ alert, labels }) => {
  const [, what = ""] = new RegExp(`^#### ${alert}\\n+([^#]+)`, "m").exec(page) ?? [];
  expect(what.length).toBeGreaterThan(80);
  const chapter = labels.severity === "critical" ? "now" : "today";
  const above = headings
    .slice(0, headings.indexOf(alert))
    .findLast((text) => text.startsWith("Somebody"));
  expect(above).toBe(`Somebody must act ${chapter}`);
});

test("it speaks of no alert that there is not", () => {
  const alerts = readAlerts().map(({ alert }) => alert);
  const spoken = [...page.matchAll(/\bHoldfast[A-Z]\w+/g)].map(([name]) => name);
  expect(spoken.filter((name) => !alerts.includes(name))).toEqual([]);
});

test("it names the secrets that the manifests want", () => {
  const names = workloadsOf(readKustomization("base").objects).map(({ metadata }) => metadata.name);
  expect(names.filter((name) => !page.includes(`secret generic ${name}`))).toEqual([]);
});

test("it names metrics that there are", () => {
  const sources = ["src/metrics.ts", "worker/metrics.ts"]
    .map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"))
    .join("");
  const named = [...page.matchAll(/\bholdfast_\w+/g)].map(([name]) => name);
  expect(named.filter((name) => !sources.includes(`"${name}"`))).toEqual([]);
});
