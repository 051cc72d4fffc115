import type { Config } from "jest";

const config: Config = {
  testEnvironment: "node",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2024" }, module: { type: "es6" } }] },
  globalSetup: "<rootDir>/test/setup/start.ts",
  globalTeardown: "<rootDir>/test/setup/stop.ts",
  testTimeout: 30_000,
  maxWorkers: 2,
};

export default config;
