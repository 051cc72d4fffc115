import type { Scenario } from "./scenario.ts";
import { oneByOne, postgres } from "./scenarios/comparisons.ts";
import { grown } from "./scenarios/grown.ts";
import { checkout, noop, refuse, reserveHot, reserveWide } from "./scenarios/http.ts";
import { overload } from "./scenarios/overload.ts";
import { record } from "./scenarios/record.ts";
import { redisHold } from "./scenarios/redis-hold.ts";
import { rules } from "./scenarios/rules.ts";
import { sweep } from "./scenarios/sweep.ts";

/** In the order in which they are run. */
export const SCENARIOS: Scenario[] = [
  noop,
  reserveHot,
  reserveWide,
  refuse,
  checkout,
  rules,
  record,
  sweep,
  overload,
  grown,
  redisHold,
  postgres,
  oneByOne,
];
