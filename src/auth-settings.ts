import { type Config, ConfigError } from "./config.ts";

/** Who may call this API, as the settings have it. */
export type AuthSettings = { mode: "off" } | { mode: "keys" } | OidcSettings;
export type OidcSettings = {
  mode: "oidc";
  issuer: string;
  audience: string;
  /** Undefined: the issuer says where its keys are. */
  jwks_url: string | undefined;
  algorithms: string[];
  roles_claim: string;
  customer_claim: string | undefined;
};

/** @throws ConfigError when everybody on the network could call, or something of OIDC is missing */
export function readAuthSettings(config: Config): AuthSettings {
  const { AUTH, HOST, OIDC_ISSUER, OIDC_AUDIENCE, OIDC_JWKS_URL } = config;
  if (AUTH === "keys") return { mode: AUTH };
  if (AUTH === "off") {
    if (isLoopback(HOST)) return { mode: AUTH };
    throw refused(
      `AUTH: off lets everybody who reaches ${HOST} do everything. Set AUTH to keys or oidc, or HOST to 127.0.0.1`,
    );
  }
  if (OIDC_ISSUER === undefined || OIDC_AUDIENCE === undefined) {
    const missing = OIDC_ISSUER === undefined ? "OIDC_ISSUER" : "OIDC_AUDIENCE";
    throw refused(`${missing}: is needed with AUTH=oidc`);
  }
  for (const [name, url] of Object.entries({ OIDC_ISSUER, OIDC_JWKS_URL })) {
    if (url !== undefined && !isTrustworthy(url)) throw refused(`${name}: must be https`);
  }
  return {
    mode: AUTH,
    issuer: OIDC_ISSUER,
    audience: OIDC_AUDIENCE,
    jwks_url: OIDC_JWKS_URL,
    algorithms: config.OIDC_ALGORITHMS,
    roles_claim: config.OIDC_ROLES_CLAIM,
    customer_claim: config.OIDC_CUSTOMER_CLAIM,
  };
}

const refused = (line: string) =>
  new ConfigError(`Bad settings (each is explained in .env.example):\n  ${line}`);

const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

// Keys that came over plain HTTP may be anybody's, unless they come from this machine.
function isTrustworthy(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
}
