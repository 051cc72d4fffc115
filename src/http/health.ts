import { z } from "zod";
import { type Handler, type Route, rawRoute } from "./route.ts";

const TAG = "Operation";
const up = z.object({ status: z.literal("up") });
const ready = z.object({ status: z.literal("ready") });
const notReady = z.object({
  status: z.literal("not ready"),
  missing: z.record(z.string(), z.string()).meta({
    description: "A sentence for each part that is missing.",
    example: { postgres: "connect ECONNREFUSED 127.0.0.1:5432" },
  }),
});

export function createHealthRoutes(health: Handler): Route[] {
  return [
    rawRoute(
      {
        method: "GET",
        path: "/health",
        roles: "PUBLIC",
        tag: TAG,
        summary: "Whether this process runs",
        description: "Depends on neither Redis nor Postgres.",
        answers: { 200: { description: "It runs.", body: up } },
      },
      health,
    ),
    rawRoute(
      {
        method: "GET",
        path: "/ready",
        roles: "PUBLIC",
        tag: TAG,
        summary: "Whether everything is there",
        answers: {
          200: { description: "It is.", body: ready },
          503: { description: "It is not, and this is why.", body: notReady },
        },
      },
      health,
    ),
    rawRoute(
      {
        method: "GET",
        path: "/metrics",
        roles: ["operator", "viewer"],
        tag: TAG,
        summary: "Metrics for Prometheus",
        answers: { 200: { description: "All metrics.", body: "text/plain" } },
      },
      health,
    ),
  ];
}
