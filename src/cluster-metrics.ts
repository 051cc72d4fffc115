import cluster, { type Worker } from "node:cluster";
import { AggregatorRegistry, Gauge } from "prom-client";
import { registry } from "./metrics.ts";
import { within } from "./within.ts";

// Prometheus waits for 10 s.
const REPORT_MS_MAX = 2_000;
const SUM_MS_MAX = REPORT_MS_MAX + 1_000;

type Report = Awaited<ReturnType<typeof registry.getMetricsAsJSON>>;
type Message<Answer> = { question: number } | { answer_to: number; answer: Answer };

/** In a process of several: reads the metrics of all, or only its own should the primary be silent. */
export function createMetricsReader(primary: Worker): () => Promise<string> {
  const askForSum = createAsking<string>(primary, () => registry.getMetricsAsJSON());
  return () => askForSum(SUM_MS_MAX).catch(() => registry.metrics());
}

/**
 * In the primary: adds the metrics of all processes up for any of them that asks. One that is silent counts
 * as it last reported. What a dead one has reported stays in the sum: if a counter shrank, Prometheus would
 * think that it began anew, and take all that is left for an increase.
 */
export function sumMetrics(): void {
  const askers = new Map<Worker, (msMax: number) => Promise<Report>>();
  const reports = new Map<Worker, Report>();
  let ofTheDead: Promise<Report> = Promise.resolve([]);

  // Not before it listens: one that is still starting can't answer yet, and everybody would wait for it.
  cluster.on("listening", (worker) => askers.set(worker, createAsking(worker, sum)));
  cluster.on("exit", (worker) => {
    const report = reports.get(worker) ?? [];
    ofTheDead = ofTheDead.then((dead) => add([dead, report.filter(isCount)]).getMetricsAsJSON());
    askers.delete(worker);
    reports.delete(worker);
  });

  async function sum(): Promise<string> {
    await Promise.all([...askers.keys()].map(update));
    const [own, dead] = await Promise.all([ownReport(), ofTheDead]);
    return add([own, dead, ...reports.values()]).metrics();
  }

  async function update(worker: Worker): Promise<void> {
    const report = await askers
      .get(worker)?.(REPORT_MS_MAX)
      .catch(() => undefined);
    // Its last words may arrive after its end; then they would count for ever, and twice.
    if (report !== undefined && askers.has(worker)) reports.set(worker, report);
  }
}

const add = (reports: Report[]) => AggregatorRegistry.aggregate(reports);
const isCount = ({ name }: Report[number]) => !(registry.getSingleMetric(name) instanceof Gauge);

// The CPU and memory of the primary are the API's too, and its start is the API's. Its event loop is left
// out: no request waits for it.
async function ownReport(): Promise<Report> {
  const report = await registry.getMetricsAsJSON();
  return report
    .filter(({ name }) => name.startsWith("process_"))
    .map((metric) => (metric.aggregator === "omit" ? { ...metric, aggregator: "first" } : metric));
}

/**
 * Lets the two ends of a channel ask each other one thing. Answers what the peer asks with `answer`; the
 * function returned asks the peer, and rejects when there is no answer in time.
 */
function createAsking<Answer>(peer: Worker, answer: () => Promise<unknown>) {
  const waiting = new Map<number, (answer: Answer) => void>();
  let asked = 0;

  // Without a callback, a peer that has just died would be an error that nobody handles.
  const send = (message: Message<unknown>) => peer.send(message, () => {});
  peer.on("message", async (message: Message<Answer>) => {
    if ("question" in message) send({ answer_to: message.question, answer: await answer() });
    else waiting.get(message.answer_to)?.(message.answer);
  });

  return async function ask(msMax: number): Promise<Answer> {
    const question = ++asked;
    const answered = new Promise<Answer>((resolve) => waiting.set(question, resolve));
    send({ question });
    try {
      return await within(msMax, answered);
    } finally {
      waiting.delete(question);
    }
  };
}
