import type { RouteSpec } from "../route.ts";

const SCHEME = "bearer";

export const SECURITY_SCHEMES = {
  [SCHEME]: {
    type: "http",
    scheme: "bearer",
    description:
      "An API key (AUTH=keys) or a JWT of the issuer (AUTH=oidc). With AUTH=off, which only the machine itself can reach, none is needed.",
  },
} as const;

/** What an operation says of who may call it. */
export function accessOf({ roles, owned, description }: RouteSpec) {
  const told = (words: string[]) => words.filter((word) => word !== "").join("\n\n");
  if (roles === "PUBLIC") {
    return { ...(description === undefined ? {} : { description }), security: [] };
  }
  const needed = `Needs ${roles.length === 1 ? "the role" : "one of the roles"} ${roles.map((role) => `\`${role}\``).join(", ")}.`;
  const bound =
    owned === undefined || owned === "NOBODYS"
      ? ""
      : owned.kind === "CUSTOMER"
        ? `For a caller of one customer, \`${owned.by}\` is that customer, named or not.`
        : "To a caller of one customer, what belongs to another does not exist.";
  return {
    description: told([description ?? "", needed + (bound && ` ${bound}`)]),
    security: [{ [SCHEME]: [] }],
    "x-roles": roles,
  };
}
