// What one request may ask for. The Lua scripts hold the same bounds once more (lua/lib/lines.lua,
// lua/lib/stock_change.lua, create_holds.lua), because they are the last to look before stock changes.
/** The default one among them. */
export const STORES_MAX = 1_000;
export const LINES_MAX = 100;
export const QUANTITY_MAX = 1_000;
/** What one adjustment, recount or line of a transfer may name; a hold's line is bound by QUANTITY_MAX. */
export const UNITS_MAX = 1_000_000_000;
/** What one store may have of one sku, held units included. */
export const STOCK_MAX = 999_999_999_999;
export const TTL_SECONDS_DEFAULT = 300;
export const TTL_SECONDS_MAX = 86_400;
/** How often a hold may be extended, whatever its rules say. */
export const HOLDS_EXTENDED_MAX = 1_000;
/** How often it may be when its rules do not say. */
export const EXTENSIONS_DEFAULT = 10;
export const USER_ID_CHARS_MAX = 128;
export const PAYMENT_REF_CHARS_MAX = 255;
export const REASON_CHARS_MAX = 255;
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
export const REFERENCE_CHARS_MAX = 255;
export const NOTES_CHARS_MAX = 1_000;
/** Of one request, together with its size: a thousand small ones would cost more than a large one. */
export const HEADERS_MAX = 100;
export const BODY_BYTES_MAX = 16 * 1024;
/** Of a bulk route. */
export const BULK_BYTES_MAX = 1024 * 1024;
/** How long a key is remembered; the scripts have it in lua/lib/idempotency.lua. */
export const IDEMPOTENCY_MS = 24 * 60 * 60 * 1000;
