import type { UpConfig } from "../src/config.ts";
import { portIsFree } from "./free-port.ts";

type PortVariable = "PORT" | "WORKER_PORT" | "REDIS_PORT" | "POSTGRES_PORT";

/** The ports that a stack with these settings listens on, by the variable that chooses each. */
export function neededPorts(config: UpConfig): [PortVariable, number][] {
  const variables: PortVariable[] = ["PORT", "WORKER_PORT"];
  if (config.REDIS_URL === undefined) variables.push("REDIS_PORT");
  if (config.DATABASE_URL === undefined) variables.push("POSTGRES_PORT");
  return variables.map((variable) => [variable, config[variable]]);
}

/** Throws one error that names every port that cannot be had, with the variable that changes it. */
export async function refuseTakenPorts(config: UpConfig): Promise<void> {
  const ports = neededPorts(config);
  const lines: string[] = [];
  for (const [index, [variable, port]] of ports.entries()) {
    const twin = ports.slice(0, index).find(([, earlier]) => earlier === port);
    if (twin !== undefined) lines.push(`  ${variable}: ${port} is ${twin[0]} already`);
    else if (!(await portIsFree(port))) lines.push(`  ${variable}: ${port} is taken`);
  }
  if (lines.length === 0) return;
  throw new Error(`choose other ports with these variables:\n${lines.join("\n")}`);
}
