import { ACCESS } from "./list/access.ts";
import { CALLERS } from "./list/callers.ts";
import { CLIENT } from "./list/client.ts";
import { CONDITIONS } from "./list/conditions.ts";
import { DECIDING } from "./list/deciding.ts";
import { DEEDS } from "./list/deeds.ts";
import { LEDGER } from "./list/ledger.ts";
import { RATE_LIMITS } from "./list/limits.ts";
import { OUTCOMES } from "./list/outcomes.ts";
import { RECORDING } from "./list/recording.ts";
import { RECOVERY } from "./list/recovery.ts";
import { RULES } from "./list/rules.ts";
import { SALE } from "./list/sale.ts";
import { STOCK } from "./list/stock.ts";
import { TRACING } from "./list/traces.ts";
import type { Mutant } from "./mutant.ts";

/** Every way in which the system is broken on purpose. Names are for life: reports speak of them. */
export const MUTANTS: Mutant[] = [
  ...DECIDING,
  ...STOCK,
  ...OUTCOMES,
  ...RECORDING,
  ...RECOVERY,
  ...LEDGER,
  ...RULES,
  ...SALE,
  ...ACCESS,
  ...CALLERS,
  ...RATE_LIMITS,
  ...CONDITIONS,
  ...DEEDS,
  ...TRACING,
  ...CLIENT,
];
