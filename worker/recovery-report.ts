import type { Log } from "../src/log.ts";
import type { Raised } from "../src/postgres/admission.ts";
import type { LastReport, Recovery } from "../src/postgres/recovery.ts";
import {
  recoveryAdmissions,
  recoveryDrift,
  recoveryEventsLost,
  recoveryRestored,
  recoverySeconds,
} from "./metrics.ts";

/** Tells the log and the metrics what an admission came to. */
export function reportAdmission(
  {
    generation,
    finding,
    restored,
    checked,
    ms,
    recovery,
  }: Raised & LastReport & { recovery: Pick<Recovery, "finding" | "report"> | null },
  log: Log,
) {
  const found = recovery?.finding ?? finding;
  recoveryAdmissions.inc({ finding: found });
  recoverySeconds.observe(ms / 1000);
  recoveryDrift.set(checked.differing);
  for (const what of ["stocks", "active_holds", "ended_holds", "records"] as const) {
    recoveryRestored.inc({ what }, restored[what]);
  }
  if (checked.differing > 0) {
    log.error({ ...checked }, "stocks have other units held than their holds add up to");
  }
  if (!recovery) {
    log.info({ generation, ms }, "redis has lost nothing and is open");
    return;
  }
  const { events_lost, holds_lost, units_lost, heard_all: exact } = recovery.report;
  recoveryEventsLost.inc(events_lost);
  const lost = { events_lost, exact, holds_lost, units_lost };
  const about = { generation, finding: found, ...lost, restored, ms };
  if (events_lost > 0) log.error(about, "events are lost for good; redis is open again");
  else log.warn(about, "redis had lost data, was given it back, and is open again");
}
