import { v7 as uuidv7 } from "uuid";

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/** A sku or a store_id: it becomes part of a key, so nothing in it may mean anything to Redis. */
export const CODE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
export const HOLD_ID_PATTERN = new RegExp(`^H-${UUID}$`);

// Version 7: ids that were made one after the other lie side by side in Postgres's indexes.
export const newHoldId = () => `H-${uuidv7()}`;
export const newOrderId = () => `O-${uuidv7()}`;
export const newEventId = () => uuidv7();
export const newRequestId = () => uuidv7();
