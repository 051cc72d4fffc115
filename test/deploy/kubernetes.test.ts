import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { PROCESS_VARIABLES, readConfig } from "../../src/config.ts";
import { type Resource, readKustomization, type Workload, workloadsOf } from "./kubernetes.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), "utf8");

const base = readKustomization("base");
const example = readKustomization("overlays/example");
const workloads = workloadsOf(base.objects);
const of = (kind: string) => base.objects.filter((one) => one.kind === kind);
const byName = workloads.map((one): [string, Workload] => [one.metadata.name, one]);
const serving = byName.filter(([, one]) => one.kind !== "Job");

/** The labels of a workload's pods, with those that the kustomization adds. */
const labelsOf = ({ spec }: Workload) => ({
  ...spec.template.metadata.labels,
  ...Object.assign({}, ...base.labels.map(({ pairs }) => pairs)),
});
const containerOf = ({ spec }: Workload) => spec.template.spec.containers[0];

/** The workloads whose pods have all these labels. */
const selected = (wanted: Record<string, string>) =>
  workloads
    .filter((one) => Object.entries(wanted).every(([name, value]) => labelsOf(one)[name] === value))
    .map(({ metadata }) => metadata.name);

describe.each([
  ["base", base],
  ["overlays/example", example],
])("the kustomization of %s", (_, kustomization) => {
  test("names files that are there, and all of them", () => {
    const named = [...kustomization.resources, ...kustomization.patches.map(({ path }) => path)];
    expect(named.filter((name) => name && !kustomization.is_there(name))).toEqual([]);
    expect(kustomization.unnamed).toEqual([]);
  });
});

test("the example changes only what is there", () => {
  const names = base.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  const patched = [
    ...example.patched.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ...example.patches.flatMap(({ target }) => (target ? [`${target.kind} ${target.name}`] : [])),
  ];
  expect(patched.filter((name) => !names.includes(name))).toEqual([]);
  expect(example.others).toEqual(["../../base"]);
  expect(example.images.map(({ name }) => name)).toEqual(["holdfast"]);
});

test("there are what runs, and what looks after it", () => {
  expect(base.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
    "ConfigMap holdfast-settings",
    "Deployment holdfast-api",
    "HorizontalPodAutoscaler holdfast-api",
    "Job holdfast-migrate",
    "NetworkPolicy holdfast",
    "NetworkPolicy holdfast-metrics",
    "NetworkPolicy holdfast-shops",
    "PodDisruptionBudget holdfast-api",
    "PodDisruptionBudget holdfast-worker",
    "Service holdfast-api",
    "Service holdfast-worker",
    "ServiceAccount holdfast",
    "StatefulSet holdfast-worker",
  ]);
});

describe.each(byName)("%s", (_, workload) => {
  const { args, env, envFrom } = containerOf(workload);
  const { template, selector } = workload.spec;

  test("runs a file that is there", () => {
    expect(args[0]).toBe("node");
    expect(existsSync(new URL(String(args[1]), ROOT))).toBe(true);
  });

  test("runs as an account that is there", () => {
    const accounts = of("ServiceAccount").map(({ metadata }) => metadata.name);
    expect(accounts).toContain(template.spec.serviceAccountName);
  });

  test("gets settings that we have, with values that we take, and secrets by reference", () => {
    const settings = z.object({ data: z.record(z.string(), z.string()) });
    const maps = [...base.objects, ...example.patched].filter(({ kind }) => kind === "ConfigMap");
    const from = envFrom.map(({ configMapRef }) => configMapRef.name);
    expect(
      from.filter((name) => !of("ConfigMap").some((one) => one.metadata.name === name)),
    ).toEqual([]);
    const mapped = Object.assign({}, ...maps.map((one) => settings.parse(one).data));
    const set = { ...(from.length > 0 ? mapped : {}), ...valuesOf(env) };
    expect(Object.keys(set).filter((name) => !PROCESS_VARIABLES.includes(name))).toEqual([]);
    const urls = { REDIS_URL: "redis://r", DATABASE_URL: "postgres://p" };
    expect(() => readConfig({ ...set, ...urls })).not.toThrow();
    expect(Object.keys(set).filter((name) => name in urls)).toEqual([]);
    for (const { name, valueFrom } of env.filter((one) => one.name in urls)) {
      expect(valueFrom?.secretKeyRef).toEqual({ name: workload.metadata.name, key: name });
    }
  });

  test("is what its selectors select, and nothing else is", () => {
    const selectors = [
      ...(selector ? [selector] : []),
      ...template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector),
    ];
    for (const { matchLabels } of selectors) {
      expect(selected(matchLabels)).toEqual([workload.metadata.name]);
    }
  });
});

describe.each(serving)("%s", (name, workload) => {
  const container = containerOf(workload);
  const config = readConfig({
    ...valuesOf(container.env),
    REDIS_URL: "redis://r",
    DATABASE_URL: "postgres://p",
  });
  const port = name === "holdfast-api" ? config.PORT : config.WORKER_PORT;

  test("is asked for its health where it answers, and for its metrics", () => {
    expect(container.ports).toEqual([{ name: "http", containerPort: port }]);
    const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
    const asked = probes.map((probe) => `${probe?.httpGet.path} ${probe?.httpGet.port}`);
    const ready = name === "holdfast-api" ? "/health" : "/ready";
    expect(asked).toEqual(["/health http", `${ready} http`, "/health http"]);
    expect(workload.spec.template.metadata.annotations).toEqual({
      "prometheus.io/scrape": "true",
      "prometheus.io/port": `${port}`,
    });
  });

  test("has the time to stop by itself", () => {
    const [, text = ""] = /SHUTDOWN_MS_MAX = ([\d_]+)/.exec(read("src/shutdown.ts")) ?? [];
    const needed =
      (container.lifecycle?.preStop.sleep.seconds ?? 0) + Number(text.replaceAll("_", "")) / 1000;
    expect(workload.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(needed);
  });

  test("has a Service that reaches it, and a budget for disruptions", () => {
    const shape = z.looseObject({
      spec: z.looseObject({
        selector: z.record(z.string(), z.string()),
        ports: z.array(z.strictObject({ name: z.string(), port: z.int(), targetPort: z.string() })),
      }),
    });
    const service = of("Service").find(({ metadata }) => metadata.name === name);
    const { selector, ports } = shape.parse(service).spec;
    expect([selected(selector), ports.map(({ targetPort }) => targetPort)]).toEqual([
      [name],
      ["http"],
    ]);
    const budget = of("PodDisruptionBudget").find(({ metadata }) => metadata.name === name);
    expect(selected(matchLabelsOf(budget, "selector"))).toEqual([name]);
    if (workload.kind === "StatefulSet") expect(workload.spec.serviceName).toBe(name);
  });
});

test("the autoscaler scales the API, by its CPU and a metric that it has", () => {
  const shape = z.looseObject({
    spec: z.looseObject({
      scaleTargetRef: z.object({ kind: z.string(), name: z.string() }),
      metrics: z.array(
        z.looseObject({
          pods: z.looseObject({ metric: z.object({ name: z.string() }) }).optional(),
        }),
      ),
    }),
  });
  const { scaleTargetRef, metrics } = shape.parse(of("HorizontalPodAutoscaler")[0]).spec;
  expect(scaleTargetRef).toEqual({ kind: "Deployment", name: "holdfast-api" });
  const names = metrics.flatMap(({ pods }) => (pods ? [pods.metric.name] : []));
  expect(names.filter((name) => !read("src/metrics.ts").includes(`name: "${name}"`))).toEqual([]);
  expect(names).toHaveLength(1);
});

test("the network's rules are about pods that there are, and about all of them", () => {
  const found = Object.fromEntries(
    of("NetworkPolicy").map((one) => [
      one.metadata.name,
      selected(matchLabelsOf(one, "podSelector")),
    ]),
  );
  const all = workloads.map(({ metadata }) => metadata.name);
  expect(found).toEqual({
    holdfast: all,
    "holdfast-shops": ["holdfast-api"],
    "holdfast-metrics": all,
  });
});

function valuesOf(env: { name: string; value?: string | undefined }[]): Record<string, string> {
  return Object.fromEntries(
    env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  );
}

function matchLabelsOf(one: Resource | undefined, member: string): Record<string, string> {
  const labels = z.object({ matchLabels: z.record(z.string(), z.string()) });
  const shape = z.object({ spec: z.looseObject({ [member]: labels }) });
  const spec: Record<string, unknown> = shape.parse(one).spec;
  return labels.parse(spec[member]).matchLabels;
}
