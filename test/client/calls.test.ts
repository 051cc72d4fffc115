import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { clientTypes, isOfClient } from "../../scripts/client-types/files.ts";
import { readDocument } from "../../scripts/read-document.ts";
import { createClient } from "../../src/client/client.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FOLDER = "src/client/types";
const document = readDocument();

/** Calls all functions of a client, but for `request`, and says what each of them asked for. */
async function askAll(): Promise<string[]> {
  const asked: string[] = [];
  const fetch = async (url: string, { method }: RequestInit) => {
    asked.push(`${method} ${decodeURIComponent(new URL(url).pathname)}`);
    return new Response("");
  };
  const { request: _, ...calls } = createClient({ url: "http://test", fetch });
  const call = async (node: unknown): Promise<void> => {
    if (typeof node === "function") await node("{}", {}, {});
    else for (const member of Object.values(node ?? {})) await call(member);
  };
  await call(calls);
  return asked;
}

test("the client has a function for each call of the document, and no other", async () => {
  const documented = document.operations
    .filter(isOfClient)
    .map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/, "{}")}`);
  expect(documented.length).toBeGreaterThan(50);
  expect((await askAll()).sort()).toEqual(documented.sort());
});

test("the checked-in types are what the document gives: npm run postman mends them", () => {
  const made = clientTypes(document);
  expect(readdirSync(join(ROOT, FOLDER)).sort()).toEqual([...made.keys()].sort());
  const differing = [...made].filter(
    ([name, text]) => bare(readFileSync(join(ROOT, FOLDER, name), "utf8")) !== bare(text),
  );
  expect(differing.map(([name]) => name)).toEqual([]);
});

/** Without what a formatter puts in: spaces, and a bar before the first of many choices. */
const bare = (text: string) => text.replaceAll(/\s/g, "").replaceAll(/(?<=[:<=])\|/g, "");
