/** As much of luaparse as the tests use; it brings no types of its own. */
declare module "luaparse" {
  export type Node = { type: string; [part: string]: unknown };
  export type Chunk = Node & { body: Node[]; globals: { name: string }[] };
  export function parse(
    source: string,
    options: { scope: true; luaVersion: "5.1"; encodingMode: "pseudo-latin1" },
  ): Chunk;
}
