/** The version of what callers see; it is no program's. */
const API_VERSION = "1.0.0";

const DESCRIPTION = [
  "Stock, reservations and orders for shops whose sales are over in a minute. Nothing is ever sold twice.",
  "",
  "- **Two doors, one inventory.** `/holds/*` is the checkout's, `/v1/*` the whole system's. A hold made through one is a reservation seen through the other.",
  "- **Ask again safely.** Each write has an `Idempotency-Key`: a word of yours, new for each request, the same when you repeat it. For 24 hours the same key and request get the first answer again, with `Idempotent-Replayed: true`, and nothing is done twice. The same key for another request is 422. A refusal is not remembered: the same key may try again.",
  "- **503** means that nothing happened: wait for `Retry-After` seconds, and ask again with the same key. **504** means that nobody knows: ask again with the same key, and you get the answer of what happened.",
  "- **202** is the answer to a write of `/v1`: it is decided and safe on disk. Lists and histories have it a moment later.",
  "- **Reads say how old they are.** `X-Projection-Lag-ms` is how far what was read is behind what was decided. With `If-None-Match` and the `ETag` of the answer you have, nothing new is 304.",
  "- **Lists** come in pages: send `nextCursor` as `cursor` to get the next one, until it is null.",
  '- **Versions.** What has a `version` can be changed under `If-Match: "7"`: only if it still has that one.',
  "- **Problems** are `application/problem+json` (RFC 9457). Go by `code`, which never changes; `type` leads to a page that explains it.",
  "- **Any address** answers 405 `METHOD_NOT_ALLOWED`, with an `Allow` header, for another method than those below, 404 `NOT_FOUND` if it is not below, and `HEAD` wherever it answers `GET`.",
  "- **Unknown members and parameters** are refused, so that a typo sells nothing. Answers may get further members: don't mind them.",
].join("\n");

/** What a newcomer reads first. */
export const INTRODUCTION = {
  title: "Holdfast",
  version: API_VERSION,
  summary: "Inventory reservations for flash sales.",
  description: DESCRIPTION,
};
