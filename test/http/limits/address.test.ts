import { expect, test } from "@jest/globals";
import { networkOf } from "../../../src/http/limits/address.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::", "2001:db8:1:2::/64"],
  ["2001:db8::6", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["203.0.113.5:49152", "203.0.113.5"],
  ["[2001:db8::1]:49152", "2001:db8:0:0::/64"],
  ["[2001:db8::1]", "2001:db8:0:0::/64"],
  ["[::ffff:203.0.113.5]:49152", "203.0.113.5"],
  ["unknown", "unknown"],
  ["x".repeat(1_000), "x".repeat(64)],
  [undefined, ""],
])("%s counts as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
