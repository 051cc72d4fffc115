import { httpScenario } from "../http-scenario.ts";

export const noop = httpScenario({
  name: "noop",
  what: "the floor: a route of the same app that reads the same body and answers 201 with a constant",
  api: "HOLDFAST",
  rows: [
    { label: "", clients: 64, skus: 1 },
    { label: "", clients: 256, skus: 1 },
  ],
  answers: { "/noop": 201 },
  cpu: ["api_us"],
});

export const reserveHot = httpScenario({
  name: "reserve-hot",
  what: "accepted reserves of one SKU",
  api: "HOLDFAST",
  rows: [
    { label: "", clients: 64, skus: 1 },
    { label: "", clients: 256, skus: 1 },
  ],
  answers: { "/holds/reserve": 201 },
  memory: true,
});

export const reserveWide = httpScenario({
  name: "reserve-wide",
  what: "accepted reserves over so many SKUs in turn",
  api: "HOLDFAST",
  rows: [
    { label: "1,000 SKUs", clients: 64, skus: 1_000 },
    { label: "100,000 SKUs", clients: 64, skus: 100_000 },
  ],
  answers: { "/holds/reserve": 201 },
});

export const refuse = httpScenario({
  name: "refuse",
  what: "reserves of a SKU with nothing left: 409",
  api: "HOLDFAST",
  rows: [{ label: "", clients: 64, skus: 1 }],
  answers: { "/holds/reserve": 409 },
  units: 0,
});

export const checkout = httpScenario({
  name: "checkout",
  what:
    "a reserve and its confirm: rate and CPU are of pairs, so at most half of noop's; p50, p99 and p99.9 " +
    "are of single requests",
  api: "HOLDFAST",
  rows: [{ label: "", clients: 64, skus: 1 }],
  answers: { "/holds/reserve": 201, "/holds/confirm": 200 },
});
