import { IncomingMessage, ServerResponse } from "node:http";
import type { Express } from "express";

/** What a server makes requests and answers of. */
export type MessageClasses = ReturnType<typeof messageClassesOf>;

/**
 * What the server makes requests and answers of, so that they are Express's from the beginning. Else Express
 * gives each of them another prototype, which makes every later look at them slow: some twentieth of what a
 * reserve costs this process.
 */
export function messageClassesOf(app: Express) {
  class ApiRequest extends IncomingMessage {}
  class ApiResponse extends ServerResponse {}
  app.request = Object.setPrototypeOf(ApiRequest.prototype, app.request);
  app.response = Object.setPrototypeOf(ApiResponse.prototype, app.response);
  return { IncomingMessage: ApiRequest, ServerResponse: ApiResponse };
}
