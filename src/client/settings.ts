/** How fetch is called here: what the platform has, or what the caller put in its place. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How patient a call is. */
export type Patience = {
  /** How long a call may take, with all its tries; else 10 s. */
  timeoutMs?: number | undefined;
  /** How long one try may take; else 5 s. */
  tryTimeoutMs?: number | undefined;
  /** How often a call is tried at most; else 8 times. */
  tries?: number | undefined;
};

export type ClientSettings = Patience & {
  /** Where the service is: `https://stock.example.com`. */
  url: string;
  /** An API key or a token of your issuer; a function is asked before each try, and ends by itself. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** In place of the platform's. */
  fetch?: Fetch | undefined;
};

export type CallOptions = Patience & {
  /** Your word for this one thing you want, at most 255 characters. Else each call gets one of its own. */
  idempotencyKey?: string | undefined;
  /** Ends the call at once, also between tries. What was sent may have been done. */
  signal?: AbortSignal | undefined;
  /** Do it only if this is still its version. */
  ifVersion?: number | undefined;
  /** Answer when Postgres has it, or after so many seconds, at most 10: then the answer has `recorded`. */
  waitSeconds?: number | undefined;
  /** More headers. */
  headers?: Record<string, string> | undefined;
};

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = { [name: string]: string | number | boolean | undefined };
export type RequestOptions = CallOptions & {
  body?: unknown;
  query?: Query | undefined;
  /** A status that is a good answer here, though it is none elsewhere. */
  accept?: number | undefined;
};

/** A good answer. */
export type Answer<Body = unknown> = {
  status: number;
  headers: Headers;
  body: Body;
  /** It is the answer to an earlier request with the same key: nothing was done now. */
  replayed: boolean;
  /** The key it was asked under; undefined for a read. */
  idempotencyKey: string | undefined;
  /** How many it took. */
  tries: number;
};
