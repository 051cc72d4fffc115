/** What a caller may be: each route names those of which it needs one. */
export const ROLES = ["checkout", "inventory", "operator", "viewer"] as const;
export type Role = (typeof ROLES)[number];

export const isRole = (word: unknown): word is Role => ROLES.some((role) => role === word);

/**
 * Of a caller that is bound to one customer only the checkout counts: every other role sees or changes what
 * belongs to all customers.
 */
export const CUSTOMER_ROLES: readonly Role[] = ["checkout"];

/** Whether somebody with these roles may give one to an API key. An operator reads all that a viewer does. */
export const mayGive = (own: readonly Role[], role: Role) =>
  own.includes(role) || (role === "viewer" && own.includes("operator"));
