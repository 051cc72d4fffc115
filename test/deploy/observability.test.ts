import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";

// docker-compose.yml's profile `observability`, and whether the files it mounts speak of the same things.
const ROOT = new URL("../../", import.meta.url).pathname;
// With YAML 1.1's merges, as Compose reads it.
const read = (path: string): unknown =>
  parse(readFileSync(join(ROOT, path), "utf8"), { version: "1.1" });

const { services } = z
  .object({
    services: z.record(
      z.string(),
      z.looseObject({
        image: z.string(),
        profiles: z.array(z.string()).default([]),
        volumes: z.array(z.string()).default([]),
        environment: z.record(z.string(), z.unknown()).default({}),
      }),
    ),
  })
  .parse(read("docker-compose.yml"));
const scrapes = z
  .object({
    rule_files: z.array(z.string()),
    scrape_configs: z.array(
      z.object({ static_configs: z.array(z.object({ targets: z.array(z.string()) })) }),
    ),
  })
  .parse(read("docs/operations/prometheus/prometheus.yml"));

const watching = Object.entries(services).filter(([, { profiles }]) => profiles.length > 0);

test("only those that watch need a profile", () => {
  expect(watching.map(([name, { profiles }]) => [name, profiles])).toEqual([
    ["prometheus", ["observability"]],
    ["grafana", ["observability"]],
    ["collector", ["observability"]],
  ]);
});

test("each of their images has a version", () => {
  const tags = watching.map(([, { image }]) => image.split(":")[1]);
  expect(tags.filter((tag) => !/^v?\d+\.\d+\.\d+$/.test(tag ?? ""))).toEqual([]);
});

test("Prometheus asks services at the ports they listen on, and finds its rules", () => {
  const targets = scrapes.scrape_configs.flatMap(({ static_configs }) =>
    static_configs.flatMap((one) => one.targets),
  );
  expect(targets).toEqual([
    `api:${services.api?.environment.PORT}`,
    `worker:${services.worker?.environment.WORKER_PORT}`,
  ]);
  expect(mountedAs("prometheus", "/etc/prometheus")).toBe("docs/operations/prometheus");
  for (const file of scrapes.rule_files) {
    expect(existsSync(join(ROOT, "docs/operations/prometheus", file))).toBe(true);
  }
});

test("Grafana is given its source and its dashboard where it looks for them", () => {
  const source = read("docs/operations/grafana/provisioning/datasources/prometheus.yml");
  expect(source).toMatchObject({ datasources: [{ url: "http://prometheus:9090" }] });
  const { providers } = z
    .object({ providers: z.array(z.object({ options: z.object({ path: z.string() }) })) })
    .parse(read("docs/operations/grafana/provisioning/dashboards/holdfast.yml"));
  const dir = providers[0]?.options.path;
  expect(mountedAs("grafana", `${dir}/holdfast.json`)).toBe(
    "docs/operations/grafana/holdfast.json",
  );
  expect(mountedAs("grafana", "/etc/grafana/provisioning")).toBe(
    "docs/operations/grafana/provisioning",
  );
});

test("the collector has what each of its pipelines names", () => {
  const part = z.record(z.string(), z.unknown());
  const { service, ...parts } = z
    .object({
      receivers: part,
      processors: part,
      exporters: part,
      service: z.object({
        pipelines: z.record(z.string(), z.record(z.string(), z.array(z.string()))),
      }),
    })
    .parse(read("docs/operations/otel/collector.yml"));
  const missing = Object.values(service.pipelines).flatMap((pipeline) =>
    Object.entries(pipeline).flatMap(([kind, names]) =>
      names.filter(
        (name) => !(name in (Object.entries(parts).find(([of]) => of === kind)?.[1] ?? {})),
      ),
    ),
  );
  expect(missing).toEqual([]);
  expect(mountedAs("collector", "/etc/otel/collector.yml")).toBe(
    "docs/operations/otel/collector.yml",
  );
});

/** What lies at a place in a service's container. */
function mountedAs(service: string, place: string): string | undefined {
  const volumes = services[service]?.volumes.map((volume) => volume.split(":")) ?? [];
  return volumes.find(([, target]) => target === place)?.[0]?.replace("./", "");
}
