import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { freePort, portIsFree, reserve } from "../../scripts/free-port.ts";
import { refuseTakenPorts } from "../../scripts/ports.ts";
import { readStackConfig } from "../../scripts/stack-config.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";

async function configWithFreePorts() {
  const [PORT, WORKER_PORT, REDIS_PORT, POSTGRES_PORT] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  return { ...readStackConfig({}), PORT, WORKER_PORT, REDIS_PORT, POSTGRES_PORT };
}

async function occupy(port: number, work: () => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  try {
    await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a free port is free and below those the system hands out", async () => {
  const port = await freePort();
  expect(port).toBeGreaterThanOrEqual(20_000);
  expect(port).toBeLessThan(32_768);
  expect(await portIsFree(port)).toBe(true);
  await occupy(port, async () => expect(await portIsFree(port)).toBe(false));
});

test("a port that somebody was given is nobody else's until he has ended", async () => {
  const asking = `
    import { freePort } from ${JSON.stringify(join(REPO_DIR, "scripts", "free-port.ts"))};
    console.log(await freePort());
    setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", asking], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(child.stdout, "data");
    const port = Number(line);
    expect(await portIsFree(port)).toBe(true);
    expect(await reserve(port)).toBeNull();
    child.kill("SIGKILL");
    await once(child, "exit");
    const release = await reserve(port);
    expect(release).not.toBeNull();
    release?.();
  } finally {
    child.kill("SIGKILL");
  }
});

test("every taken port is named with the variable that changes it", async () => {
  const config = await configWithFreePorts();
  await expect(refuseTakenPorts(config)).resolves.toBeUndefined();
  await occupy(config.PORT, () =>
    occupy(config.POSTGRES_PORT, async () => {
      const refusal = refuseTakenPorts(config);
      await expect(refusal).rejects.toThrow(`PORT: ${config.PORT} is taken`);
      await expect(refusal).rejects.toThrow(`POSTGRES_PORT: ${config.POSTGRES_PORT} is taken`);
      await expect(refusal).rejects.not.toThrow("REDIS_PORT");
    }),
  );
});

test("a port that we do not need may be taken", async () => {
  const config = await configWithFreePorts();
  await occupy(config.REDIS_PORT, () =>
    refuseTakenPorts({ ...config, REDIS_URL: "redis://127.0.0.1:1" }),
  );
});

test("the API's and the worker's ports are looked for on HOST, the servers' on loopback", async () => {
  const config = await configWithFreePorts();
  await occupy(config.PORT, async () => {
    await refuseTakenPorts({ ...config, HOST: "127.0.0.2" });
    await expect(refuseTakenPorts({ ...config, HOST: "0.0.0.0" })).rejects.toThrow(
      `PORT: ${config.PORT} is taken`,
    );
  });
  await occupy(config.REDIS_PORT, () =>
    expect(refuseTakenPorts({ ...config, HOST: "127.0.0.2" })).rejects.toThrow(
      `REDIS_PORT: ${config.REDIS_PORT} is taken`,
    ),
  );
});

test("a HOST that is not this machine is blamed by name", async () => {
  const config = await configWithFreePorts();
  // From the block that RFC 5737 keeps for documents: no machine has it.
  await expect(refuseTakenPorts({ ...config, HOST: "192.0.2.1" })).rejects.toThrow(/^HOST: /);
});

test("one port for two things is refused", async () => {
  const config = await configWithFreePorts();
  await expect(refuseTakenPorts({ ...config, WORKER_PORT: config.PORT })).rejects.toThrow(
    `WORKER_PORT: ${config.PORT} is PORT already`,
  );
});
