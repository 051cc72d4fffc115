import type { createRequest } from "./request.ts";
import type { CallOptions, Method, Query, RequestOptions } from "./settings.ts";
import type { Calls } from "./types/calls.ts";

type Call = keyof Calls;
type AnswerOf<C extends Call> = Promise<Calls[C]["answer"]>;
type BodyOf<C extends Call> = Calls[C] extends { body: infer Body } ? Body : never;
type QueryOf<C extends Call> = Calls[C] extends { query: infer Given extends Query }
  ? Given
  : never;
/** A call that takes a body may take a query, too. */
type MoreOf<C extends Call> = CallOptions &
  (Calls[C] extends { body: unknown; query: infer Given } ? { query?: Given } : unknown);

type OfOne = Extract<Call, `${string}{${string}`>;
type OfAll = Exclude<Call, OfOne>;
type Read<C extends Call> = Extract<C, `GET ${string}`>;
type Write<C extends Call> = Exclude<C, `GET ${string}`>;
type WithQuery = { [C in Call]: Calls[C] extends { query: unknown } ? C : never }[Call];

// These have names so that the declarations that are built lead to what is said of each member.
export type Plain<C extends Call> = (options?: CallOptions) => AnswerOf<C>;
export type List<C extends Call> = (query?: QueryOf<C>, options?: CallOptions) => AnswerOf<C>;
export type Send<C extends Call> = (body: BodyOf<C>, options?: MoreOf<C>) => AnswerOf<C>;
export type PlainOf<C extends Call> = (id: string, options?: CallOptions) => AnswerOf<C>;
export type ListOf<C extends Call> = (
  id: string,
  query?: QueryOf<C>,
  options?: CallOptions,
) => AnswerOf<C>;
export type SendTo<C extends Call> = (
  id: string,
  body: BodyOf<C>,
  options?: CallOptions,
) => AnswerOf<C>;

/** Ways to make functions of calls. Those that end in `Of` or `To` are about one thing, by its id. */
export function createCalling(request: ReturnType<typeof createRequest>) {
  async function ask<C extends Call>(call: C, options?: RequestOptions, id = ""): AnswerOf<C> {
    const [method, path] = call.split(" ", 2) as [Method, string]; // so each of them is spelled
    const at = path.replace(/\{\w+\}/, () => encodeURIComponent(id));
    return (await request<Calls[C]["answer"]>(method, at, options)).body;
  }

  return {
    plain:
      <C extends OfAll>(call: C, more?: RequestOptions): Plain<C> =>
      (options) =>
        ask(call, { ...more, ...options }),
    list:
      <C extends Read<OfAll> & WithQuery>(call: C): List<C> =>
      (query, options) =>
        ask(call, { ...options, query }),
    send:
      <C extends Write<OfAll>>(call: C): Send<C> =>
      (body, options) =>
        ask(call, { ...options, body }),
    plainOf:
      <C extends OfOne>(call: C): PlainOf<C> =>
      (id, options) =>
        ask(call, options, id),
    listOf:
      <C extends Read<OfOne> & WithQuery>(call: C): ListOf<C> =>
      (id, query, options) =>
        ask(call, { ...options, query }, id),
    sendTo:
      <C extends Write<OfOne>>(call: C): SendTo<C> =>
      (id, body, options) =>
        ask(call, { ...options, body }, id),
  };
}
