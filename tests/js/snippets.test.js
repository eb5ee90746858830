import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { curl, link, python, shellWord } from "../../soda_service/pages/static/submitsnippets.js";

const BASE = "http://sky.example/soda";

/** Run a program in a folder of its own, beside a `curl` that writes down its arguments. */
const inFolder = (run) => {
  const folder = mkdtempSync(join(tmpdir(), "snippets-"));
  try {
    writeFileSync(join(folder, "curl"), `#!/bin/sh\nprintf '%s\\0' "$@" > "${folder}/arguments"\n`);
    chmodSync(join(folder, "curl"), 0o755);
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** Run a snippet by bash; return what curl was given, and the table it left. */
const runByBash = (snippet) =>
  inFolder((folder) => {
    const env = { PATH: `${folder}:${process.env.PATH}`, LC_ALL: "C.UTF-8" };
    const options = { cwd: folder, env, input: snippet, stdio: ["pipe", "pipe", "pipe"] };
    execFileSync("bash", ["-e"], options);
    assert.ok(!existsSync(join(folder, "PWNED")), "a command of the table was run");
    const path = join(folder, "positions.csv");
    return {
      values: readFileSync(join(folder, "arguments"), "utf8").split("\0").slice(0, -1),
      table: existsSync(path) ? readFileSync(path, "utf8") : null,
    };
  });

const HOSTILE = [
  "RA,DEC\n1,2\nEND\ntouch PWNED",
  "END\nEND1\nEND2\ntouch PWNED\nEND3",
  "RA,DEC\n1,2\n$(touch PWNED)\n`touch PWNED`\n$HOME \\\n'\"",
  "RA,DEC\r\n1,2\r\nEND\r\ntouch PWNED",
];
for (const table of HOSTILE) {
  test(`a table is never run: ${JSON.stringify(table)}`, () => {
    const found = runByBash(curl(BASE, [["RELEASE", "DR1"]], table));
    assert.equal(found.table, `${table.replaceAll("\r\n", "\n")}\n`);
    assert.deepEqual(found.values.slice(-3), [
      ...["RELEASE=DR1", "-F", "POSITIONS=@positions.csv"],
    ]);
  });
}

const VALUES = [
  "$(touch PWNED)",
  "`touch PWNED`",
  "'; touch PWNED; '",
  "a\\' b\" \\",
  "a\ntouch PWNED\n",
  "'\u0003\ntouch PWNED",
  "\u001b[201~\rtouch PWNED\r",
  "{a,b} ~ * ? ! # % & | < >",
  "−1° ü",
];
test("values reach the service as they are", () => {
  const parameters = VALUES.map((value) => ["JOBNAME", value]);
  const snippet = curl(`${BASE}/$(touch PWNED)`, parameters, null);
  const { values } = runByBash(snippet);
  assert.equal(values[5], `${BASE}/$(touch PWNED)/async`);
  const sent = values.filter((_, n) => values[n - 1] === "--form-string");
  assert.deepEqual(
    sent,
    VALUES.map((value) => `JOBNAME=${value}`),
  );
  const signs = [...snippet.replaceAll("\n", "")].filter((sign) => sign < " ");
  assert.deepEqual(signs, []); // a terminal would act on them
});

test("words without signs of the shell stay plain", () => {
  assert.equal(shellWord("RA=-1.5,2:3+4_a"), "RA=-1.5,2:3+4_a");
  assert.equal(shellWord("a b"), "'a b'");
  assert.equal(shellWord(""), "''");
});

for (const [name, table] of [
  ["a file", ""],
  ["a long table", "1,2\n".repeat(41)],
  ["a table that a terminal would act on", "RA,DEC\n1,2\n\u0003touch PWNED\n"],
  ["a table with an escape sequence", "RA,DEC\n1,2\u001b[201~\ntouch PWNED\n"],
]) {
  test(`${name} is not written into commands`, () => {
    const text = curl(BASE, [], table);
    assert.ok(text.startsWith("# the table is in positions.csv\ncurl "), text);
    assert.deepEqual(runByBash(text).values.slice(-1), ["POSITIONS=@positions.csv"]);
    assert.match(python(BASE, [], table), /^positions = open\("positions.csv", "rb"\)/m);
  });
}

/** Run the text up to the request by Python; return the values it would send. */
const runByPython = (snippet) => {
  const [start] = snippet.split("    allow_redirects=False,");
  const program = start
    .replace(/^import requests$/m, "import json")
    .replace(/^from pyvo.*$/m, "")
    .replace(
      "answer = requests.post(",
      "values = lambda url, **rest: {'url': url, **rest}\nprint(json.dumps(values(",
    );
  const output = execFileSync("python3", ["-"], { input: `${program})))`, encoding: "utf8" });
  return JSON.parse(output);
};

test("the program in Python sends the same", () => {
  const table = 'RA,DEC,n\n1,2,"\\x41 \\"""a"\n3,4,\\';
  const parameters = [
    ["JOBNAME", 'x"\\\n'],
    ["RELEASE", "DR1"],
  ];
  const sent = runByPython(python(BASE, parameters, `${table}\n`));
  assert.deepEqual(sent, {
    url: `${BASE}/async`,
    data: { PHASE: "RUN", JOBNAME: 'x"\\\n', RELEASE: "DR1" },
    files: { POSITIONS: `${table}\n` },
  });
});

test("a link fills in the form, unless it would be too long", () => {
  const address = new URL(
    link(
      BASE,
      [
        ["RELEASE", "DR1"],
        ["POS", "a b"],
      ],
      "RA,DEC\n1,2",
    ),
  );
  assert.deepEqual(
    [...address.searchParams],
    [
      ...[
        ["RELEASE", "DR1"],
        ["POS", "a b"],
        ["POSITIONS", "RA,DEC\n1,2"],
      ],
    ],
  );
  assert.equal(link(BASE, [], ""), "The table is too long for a link.");
  assert.equal(link(BASE, [], "1,2\n".repeat(2000)), "The table is too long for a link.");
});
