import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PROCESS_VARIABLES, readConfig } from "../../src/config.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

type Instruction = { word: string; text: string };

/** The instructions of a Dockerfile, each in one line. */
export function parseDockerfile(text: string): Instruction[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, word = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
      return { word: word.toUpperCase(), text: rest.replaceAll(/\s+/g, " ") };
    });
}

/** What the image takes from the project, of its last stage. */
export function copiedFromContext(text: string): string[] {
  const instructions = parseDockerfile(text);
  const from = instructions.findLastIndex(({ word }) => word === "FROM");
  return instructions
    .slice(from)
    .filter(({ word, text: rest }) => word === "COPY" && !rest.startsWith("--from="))
    .flatMap(({ text: rest }) => rest.split(" ").slice(0, -1));
}

/** What is wrong with a Dockerfile, in sentences. `ignore` is what the file beside it leaves out. */
export function findImageFaults(text: string, ignore: string): string[] {
  const all = parseDockerfile(text);
  const last = all.slice(all.findLastIndex(({ word }) => word === "FROM"));
  const of = (word: string) => last.findLast((one) => one.word === word)?.text ?? "";
  const environment = Object.fromEntries(
    last
      .filter(({ word }) => word === "ENV")
      .flatMap(({ text: rest }) => rest.split(" ").map((pair) => pair.split("=", 2))),
  );
  return [
    ...findBaseFaults(all),
    ...findCopyFaults(all, ignore),
    ...(/^[1-9]\d*(:[1-9]\d*)?$/.test(of("USER")) ? [] : ["it runs as root, or as a mere name"]),
    ...(of("ENTRYPOINT") === '["tini", "--"]' ? [] : ["its first process takes in no orphans"]),
    ...(["", "SIGTERM"].includes(of("STOPSIGNAL")) ? [] : ["it is not stopped by SIGTERM"]),
    ...findProgramFaults(of("CMD")),
    ...findEnvironmentFaults(environment, of("HEALTHCHECK"), of("EXPOSE")),
  ];
}

function findBaseFaults(all: Instruction[]): string[] {
  const [, base = ""] =
    /^NODE_IMAGE=(.*)$/.exec(all.find(({ word }) => word === "ARG")?.text ?? "") ?? [];
  const manifest = JSON.parse(read("package.json")) as { devDependencies: { node: string } }; // ours
  const major = /\d+/.exec(manifest.devDependencies.node)?.[0];
  const stages = all.filter(({ word }) => word === "FROM").map(({ text }) => text.split(" ")[0]);
  return [
    ...(base === `node:${major}-slim` ? [] : [`its base is ${base}, and not Node ${major}`]),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: so Docker spells it
    ...(stages.every((stage) => stage === "${NODE_IMAGE}") ? [] : ["a stage has another base"]),
  ];
}

function findCopyFaults(all: Instruction[], ignore: string): string[] {
  const lines = ignore.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const sources = all
    .filter(({ word, text }) => word === "COPY" && !text.startsWith("--from="))
    .flatMap(({ text }) => text.split(" ").slice(0, -1));
  return [
    ...(lines[0] === "*" ? [] : ["all that lies about is sent to the builder"]),
    ...sources
      .filter((source) => !existsSync(join(ROOT, source)))
      .map((name) => `${name} is not there`),
    ...sources
      .filter((source) => !lines.includes(`!${source}`))
      .map((name) => `${name} is ignored`),
    ...lines
      .filter((line) => line.startsWith("!") && !sources.includes(line.slice(1)))
      .map((line) => `nobody copies ${line.slice(1)}`),
  ];
}

function findProgramFaults(command: string): string[] {
  const [, file = ""] = /^\["node", "([^"]+)"\]$/.exec(command) ?? [];
  return file !== "" && existsSync(join(ROOT, file)) ? [] : [`it runs ${command}`];
}

function findEnvironmentFaults(
  { NODE_ENV, ...ours }: Record<string, string | undefined>,
  check: string,
  exposed: string,
): string[] {
  const unknown = Object.keys(ours).filter((name) => !PROCESS_VARIABLES.includes(name));
  const config = readConfig({ ...ours, REDIS_URL: "redis://r", DATABASE_URL: "postgres://p" });
  const ports = [config.PORT, config.WORKER_PORT];
  return [
    ...(NODE_ENV === "production" ? [] : ["Express shows its errors"]),
    ...unknown.map((name) => `nothing reads ${name}`),
    ...(config.HOST === "0.0.0.0" ? [] : ["nobody outside its container reaches it"]),
    ...(ports.every((port) => check.includes(`127.0.0.1:${port}/health`))
      ? []
      : ["the health of a process is not checked"]),
    ...(ports.every((port) => `${port}` === exposed) ? [] : ["another port is exposed"]),
  ];
}
