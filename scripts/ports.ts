import { portIsFree } from "./free-port.ts";
import { blame } from "./say.ts";
import type { StackConfig } from "./stack-config.ts";

type PortVariable = "PORT" | "WORKER_PORT" | "REDIS_PORT" | "POSTGRES_PORT";

/** The ports that a stack with these settings listens on, by the variable that chooses each. */
export function neededPorts(config: StackConfig): [PortVariable, number][] {
  const variables: PortVariable[] = ["PORT", "WORKER_PORT"];
  if (config.REDIS_URL === undefined) variables.push("REDIS_PORT");
  if (config.DATABASE_URL === undefined) variables.push("POSTGRES_PORT");
  return variables.map((variable) => [variable, config[variable]]);
}

/** Throws one error that names every port that cannot be had, with the variable that changes it. */
export async function refuseTakenPorts(config: StackConfig): Promise<void> {
  const ports = neededPorts(config);
  const lines: string[] = [];
  for (const [index, [variable, port]] of ports.entries()) {
    const twin = ports.slice(0, index).find(([, earlier]) => earlier === port);
    if (twin !== undefined) lines.push(`  ${variable}: ${port} is ${twin[0]} already`);
    else if (!(await isFree(config, variable, port))) lines.push(`  ${variable}: ${port} is taken`);
  }
  if (lines.length === 0) return;
  throw new Error(`choose other ports with these variables:\n${lines.join("\n")}`);
}

// The API and the worker listen where HOST says, our servers on loopback always.
function isFree({ HOST }: StackConfig, variable: PortVariable, port: number): Promise<boolean> {
  const isServer = variable === "REDIS_PORT" || variable === "POSTGRES_PORT";
  return isServer ? portIsFree(port) : blame("HOST", portIsFree(port, HOST));
}
