import assert from "node:assert/strict";
import { test } from "node:test";

import { callText, send } from "../../soda_service/pages/static/samp.js";

test("a call is written as XML-RPC", () => {
  const message = { "samp.mtype": "table.load.votable", "samp.params": { name: "<a & b>" } };
  assert.equal(
    callText("samp.webhub.notifyAll", "key", message),
    '<?xml version="1.0"?><methodCall><methodName>samp.webhub.notifyAll</methodName><params>' +
      "<param><value><string>key</string></value></param><param><value><struct>" +
      "<member><name>samp.mtype</name><value><string>table.load.votable</string></value></member>" +
      "<member><name>samp.params</name><value><struct><member><name>name</name>" +
      "<value><string>&lt;a &amp; b&gt;</string></value></member></struct></value></member>" +
      "</struct></value></param></params></methodCall>",
  );
  assert.match(callText("m"), /<params><\/params>/);
});

test("without a hub it is said which programs to start", async (context) => {
  context.mock.method(globalThis, "fetch", async () => {
    throw new TypeError("refused");
  });
  const message = { "samp.mtype": "image.load.fits", "samp.params": {} };
  await assert.rejects(send("page", [message]), /Start TOPCAT or Aladin on this computer/);
});
