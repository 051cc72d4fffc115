// Texts of JSON that a member must not hold, by what is wrong with them.

/** No units at all: refused wherever units are named. */
export const BAD_UNITS =
  '1.5 -0.5 1e400 9007199254740991 null true false [] [1] ["1","x"] {} "5" "nan" ""'.split(" ");

/** What is not even JSON, so that the body as a whole is refused. */
export const NO_NUMBERS = ["0x10", "NaN", "Infinity", "+1", "01", "1_000", ""];

export const BAD_CODES = [
  '""',
  '"{a}"',
  '"a:b"',
  '"a@main"',
  '"*"',
  '"a b"',
  '"../a"',
  '"a\\n"',
  '"a\\u0000"',
  '"📱"',
  '"\\ud800"',
  '"１２"',
  `"${"a".repeat(65)}"`,
  "5",
  "null",
  '["a"]',
  '{"a":1}',
];

export const badTexts = (chars_max: number) => [
  '""',
  JSON.stringify("a".repeat(chars_max + 1)),
  '"a\\u0000b"',
  '"a\\nb"',
  '"a\\udfff"',
  "5",
  "null",
  '["a"]',
];

export const BAD_CHOICES = ['""', '"other"', '"__proto__"', '"toString"', "0", "null", "[]", "{}"];
