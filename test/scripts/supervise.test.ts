import { expect, test } from "@jest/globals";
import { startChild } from "../../scripts/child.ts";
import { createSupervisor, type Running } from "../../scripts/supervise.ts";
import { until } from "../../scripts/until.ts";

function sleeper(onStop: () => void = () => undefined, seconds = "600") {
  return async (): Promise<Running> => {
    const child = await startChild({ command: "sleep", args: [seconds], cwd: "/" });
    return {
      ...child,
      stop: async () => {
        onStop();
        await child.stop("SIGTERM", 5_000);
      },
    };
  };
}

function supervise() {
  const said: string[] = [];
  const started: [string, number][] = [];
  const supervisor = createSupervisor({
    say: (line) => said.push(line),
    onStarted: (name, pid) => void started.push([name, pid]),
  });
  return { supervisor, said, started };
}

test("a part that is killed is started again, and its new pid is told", async () => {
  const { supervisor, said, started } = supervise();
  await supervisor.start("api", sleeper());
  process.kill(started[0]?.[1] ?? 0, "SIGKILL");
  await until("it is started again", () => started[1]);
  await supervisor.stop();
  expect(started.map(([name]) => name)).toEqual(["api", "api"]);
  expect(said).toEqual(["api died and is started again (SIGKILL)"]);
});

test("a part that dies five times within 30 s is given up", async () => {
  const { supervisor, started } = supervise();
  await supervisor.start("worker", sleeper(undefined, "0"));
  await expect(supervisor.failed).rejects.toThrow("worker died 5 times within 30 s");
  await supervisor.stop();
  expect(started).toHaveLength(5);
});

test("parts are stopped in reverse order, and none is started again or afterwards", async () => {
  const { supervisor, said, started } = supervise();
  const stopped: string[] = [];
  await supervisor.start(
    "redis",
    sleeper(() => stopped.push("redis")),
  );
  await supervisor.start(
    "api",
    sleeper(() => stopped.push("api")),
  );
  await supervisor.stop();
  expect(stopped).toEqual(["api", "redis"]);
  await expect(supervisor.start("worker", sleeper())).rejects.toThrow("not started any more");
  expect(started).toHaveLength(2);
  expect(said).toEqual([]);
});
