/** What a process tells on /metrics. */
export async function readMetrics(origin: string) {
  const response = await fetch(`${origin}/metrics`);
  if (!response.ok) throw new Error(`${origin}/metrics answered ${response.status}`);
  const samples = [...(await response.text()).matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name, labels = "", value]) => ({ name, labels, value: Number(value) }),
  );

  /** Over all samples of this name, or those that have the label. */
  function sum(name: string, label = ""): number {
    return samples
      .filter((sample) => sample.name === name && sample.labels.includes(label))
      .reduce((total, { value }) => total + value, 0);
  }

  /** Answers by status, of one route. */
  function answersOf(route: string): Map<number, number> {
    const ours = samples.filter(
      ({ name, labels }) =>
        name === "holdfast_http_requests_total" && labels.includes(`route="${route}"`),
    );
    return new Map(
      ours.map(({ labels, value }) => [Number(/status="(\d+)"/.exec(labels)?.[1]), value]),
    );
  }

  return { sum, answersOf };
}
