import type { RequestListener } from "node:http";
import cors from "cors";
import helmet from "helmet";
import { ANSWER_HEADERS } from "./docs/headers.ts";
import { METHODS } from "./route.ts";

// What nobody needs of an API is left out: each header costs each answer. Pages for people have a policy of
// their own. Whether browsers must use TLS is for whoever ends TLS before us to say.
const setSafeHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  originAgentCluster: false,
  strictTransportSecurity: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xPoweredBy: false,
  xFrameOptions: { action: "deny" },
  xXssProtection: false,
});

/** What a page elsewhere may send, beside what it always may. */
const REQUEST_HEADERS = [
  ...["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Prefer"],
  ...["X-Request-Id", "X-Trace-Id"],
];
const PREFLIGHT_SECONDS = 600;

/**
 * Answers as `app` does, with headers that keep browsers from doing what nobody asked them to.
 * @param cors_origins the pages that may read the answers: exact origins, and none unless told
 */
export function answerSafely(
  app: RequestListener,
  { cors_origins }: { cors_origins: string[] },
): RequestListener {
  const share =
    cors_origins.length > 0 &&
    cors({
      origin: cors_origins,
      methods: ["HEAD", ...METHODS],
      allowedHeaders: REQUEST_HEADERS,
      exposedHeaders: [...Object.keys(ANSWER_HEADERS), "Location"],
      maxAge: PREFLIGHT_SECONDS,
    });
  return (req, res) => {
    setSafeHeaders(req, res, () => {});
    // Any other OPTIONS is no preflight, but a request like any other.
    if (!share || (req.method === "OPTIONS" && !req.headers["access-control-request-method"])) {
      return app(req, res);
    }
    share(req, res, () => app(req, res));
  };
}
