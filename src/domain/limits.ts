// What one request may ask for. The Lua scripts hold the same bounds once more (lua/lib/lines.lua,
// create_holds.lua), because they are the last to look before stock changes.
export const LINES_MAX = 100;
export const QUANTITY_MAX = 1_000;
export const TTL_SECONDS_DEFAULT = 300;
export const TTL_SECONDS_MAX = 86_400;
export const USER_ID_CHARS_MAX = 128;
export const PAYMENT_REF_CHARS_MAX = 255;
export const REASON_CHARS_MAX = 255;
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
export const BODY_BYTES_MAX = 16 * 1024;
