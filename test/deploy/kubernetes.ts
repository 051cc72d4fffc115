import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

const PLACE = new URL("../../docs/operations/kubernetes/", import.meta.url).pathname;

const labels = z.record(z.string(), z.string()).default({});
const selector = z.looseObject({ matchLabels: labels });
const reference = z.strictObject({ name: z.string(), key: z.string() });
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string(), port: z.string() }),
  periodSeconds: z.int(),
  timeoutSeconds: z.int().optional(),
  failureThreshold: z.int().optional(),
});
const container = z.strictObject({
  name: z.string(),
  image: z.literal("holdfast"),
  args: z.array(z.string()),
  envFrom: z
    .array(z.strictObject({ configMapRef: z.strictObject({ name: z.string() }) }))
    .default([]),
  env: z.array(
    z.strictObject({
      name: z.string(),
      value: z.string().optional(),
      valueFrom: z
        .strictObject({
          secretKeyRef: reference.optional(),
          fieldRef: z.strictObject({ fieldPath: z.literal("metadata.name") }).optional(),
        })
        .optional(),
    }),
  ),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int() })).default([]),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  lifecycle: z
    .strictObject({
      preStop: z.strictObject({ sleep: z.strictObject({ seconds: z.int() }) }),
    })
    .optional(),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
    limits: z.strictObject({ memory: z.string() }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
});
const pod = z.strictObject({
  serviceAccountName: z.string(),
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  restartPolicy: z.string().optional(),
  terminationGracePeriodSeconds: z.int().default(30),
  topologySpreadConstraints: z.array(z.looseObject({ labelSelector: selector })).default([]),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1),
    runAsGroup: z.int().min(1),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  containers: z.tuple([container]),
});
const workload = z.looseObject({
  kind: z.enum(["Deployment", "StatefulSet", "Job"]),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: selector.optional(),
    serviceName: z.string().optional(),
    template: z.strictObject({
      metadata: z.strictObject({ labels, annotations: labels }),
      spec: pod,
    }),
  }),
});
export type Workload = z.infer<typeof workload>;

const resource = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type Resource = z.infer<typeof resource>;

const kustomization = z.strictObject({
  apiVersion: z.literal("kustomize.config.k8s.io/v1beta1"),
  kind: z.literal("Kustomization"),
  namespace: z.string().optional(),
  resources: z.array(z.string()),
  labels: z.array(z.strictObject({ pairs: labels, includeTemplates: z.literal(true) })).default([]),
  images: z
    .array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() }))
    .default([]),
  patches: z
    .array(
      z.strictObject({
        path: z.string().optional(),
        patch: z.string().optional(),
        target: z.strictObject({ kind: z.string(), name: z.string() }).optional(),
      }),
    )
    .default([]),
});

function readDocuments(path: string): unknown[] {
  const documents = parseAllDocuments(readFileSync(join(PLACE, path), "utf8"));
  return documents.map((document) => {
    if (document.errors.length > 0) throw new Error(`${path}: ${document.errors}`);
    return document.toJS();
  });
}

/** The kustomization of `dir`, and what the files have that it names. */
export function readKustomization(dir: string) {
  const [text] = readDocuments(join(dir, "kustomization.yml"));
  const parsed = kustomization.parse(text);
  const files = parsed.resources.filter((name) => name.endsWith(".yml"));
  const patches = parsed.patches.flatMap(({ path }) => (path === undefined ? [] : [path]));
  const read = (names: string[]) =>
    names.flatMap((name) => readDocuments(join(dir, name)).map((one) => resource.parse(one)));
  return {
    ...parsed,
    others: parsed.resources.filter((name) => !name.endsWith(".yml")),
    is_there: (name: string) => existsSync(join(PLACE, dir, name)),
    unnamed: readdirSync(join(PLACE, dir)).filter(
      (name) => ![...files, ...patches, "kustomization.yml"].includes(name),
    ),
    objects: read(files),
    patched: read(patches),
  };
}

/** All that run pods, as strictly as all of ours are written. */
export const workloadsOf = (objects: Resource[]): Workload[] =>
  objects
    .filter(({ kind }) => ["Deployment", "StatefulSet", "Job"].includes(kind))
    .map((one) => workload.parse(one));
