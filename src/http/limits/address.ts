import { isIP, isIPv4 } from "node:net";

const CHARS_MAX = 64;

/**
 * What counts as one client: an IPv4 address, or the first half of an IPv6 address, since the other half is
 * the client's own to choose.
 */
export function networkOf(address = ""): string {
  if (isIPv4(address)) return address;
  const [plain = ""] = withoutPort(address).split("%");
  const v4 = plain.replace(/^::ffff:/i, "");
  if (isIPv4(v4)) return v4;
  // A proxy that is trusted may say anything, "unknown" for one.
  if (isIP(plain) === 0) return address.slice(0, CHARS_MAX);
  const [front = "", back] = plain.toLowerCase().split("::");
  const groups = (text = "") => (text === "" ? [] : text.split(":"));
  const gap = back === undefined ? 0 : 8 - groups(front).length - groups(back).length;
  const all = [...groups(front), ...Array(Math.max(0, gap)).fill("0"), ...groups(back)];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

/** Some proxies write a port behind an address, which is another one with each connection. */
const withoutPort = (address: string) =>
  /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, "$1");
