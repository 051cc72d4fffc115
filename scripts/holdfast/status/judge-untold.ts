import type { Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";

// Whoever was told nothing must not say that all is well.
const ASKED = ["recovery", "projections", "letters", "audit", "payments", "paused"] as const;
const MAY_NOT = ["UNAUTHENTICATED", "FORBIDDEN"];

/** What the API would not, or could not tell. */
export function judgeUntold(facts: Facts): Finding[] {
  const untold = ASKED.flatMap((name) => {
    const read = facts[name];
    if ("code" in read) return [{ name, code: read.code, why: read.why }];
    const is_away = "state" in read.body && read.body.state === "REDIS_AWAY";
    return is_away ? [{ name, code: "REDIS_AWAY", why: "" }] : [];
  });
  const refused = untold.find(({ code }) => MAY_NOT.includes(code));
  const failed = untold.filter(({ code }) => !MAY_NOT.includes(code));
  return [
    ...(refused ? [forbidden(refused.why)] : []),
    ...(failed.length > 0 && !isExplained(facts) ? [notAsked(failed)] : []),
  ];
}

const forbidden = (why: string): Finding => ({
  urgency: "TODAY",
  what: `The API does not tell you the rest: ${why}`,
  todo: [
    "Set HOLDFAST_TOKEN to a key with the role operator or viewer.",
    "Make one beside Postgres: npm run keys -- create --name me --role operator",
  ],
  section: null,
});

function notAsked(failed: { name: string; code: string }[]): Finding {
  const names = failed.map(({ name, code }) => `${name} (${code})`).join(", ");
  return {
    urgency: "TODAY",
    what: `Not everything could be asked, so it may be wrong: ${names}.`,
    todo: ["Ask again: npx holdfast status", "If it stays so, the API's log says why."],
    section: null,
  };
}

/** An API that is away or misses something is told of by itself; one that stops still answers. */
const isExplained = ({ api }: Facts) =>
  api.state === "AWAY" ||
  (api.state === "NOT_READY" && Object.keys(api.missing).some((name) => name !== "running"));
