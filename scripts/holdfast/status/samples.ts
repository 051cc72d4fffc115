/** The samples of a page in Prometheus's text format. */
export type Samples = { name: string; labels: string; value: number }[];

export const readSamples = (text: string): Samples =>
  [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = "", labels = "", value]) => ({
    name,
    labels,
    value: Number(value),
  }));

/** All samples of a metric together; undefined when there is none. */
export function sumOf(samples: Samples | undefined, metric: string): number | undefined {
  const values = samples?.filter(({ name }) => name === metric) ?? [];
  return values.length === 0 ? undefined : values.reduce((sum, { value }) => sum + value, 0);
}
