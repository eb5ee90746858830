// SAMP's Web Profile: tells programs on this computer (TOPCAT, Aladin, DS9) to load what is here.
// SAMP 1.3, section 5: XML-RPC to a hub that listens on port 21012.

const HUB = "http://localhost:21012/";

function value(content) {
  if (typeof content === "string") return `<value><string>${escaped(content)}</string></value>`;
  const members = Object.entries(content).map(
    ([name, member]) => `<member><name>${escaped(name)}</name>${value(member)}</member>`,
  );
  return `<value><struct>${members.join("")}</struct></value>`;
}

const escaped = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

async function call(method, ...parameters) {
  const written = parameters.map((each) => `<param>${value(each)}</param>`).join("");
  const body = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${written}</params></methodCall>`;
  let answer;
  try {
    answer = await fetch(HUB, { method: "POST", headers: { "Content-Type": "text/xml" }, body });
  } catch {
    throw new Error("No program listens. Start TOPCAT or Aladin on this computer, and try again.");
  }
  const document = new DOMParser().parseFromString(await answer.text(), "text/xml");
  const fault = document.querySelector("fault");
  if (fault) throw new Error(`The hub refused: ${fault.textContent.trim().replace(/\s+/g, " ")}`);
  return document.querySelector("params > param > value");
}

// The text of a member of a struct that a hub answers.
function member(struct, name) {
  for (const each of struct.querySelectorAll("member")) {
    if (each.querySelector("name").textContent.trim() === name) {
      return each.querySelector("value").textContent.trim();
    }
  }
  return "";
}

// Sends messages to all programs that understand them; gives how many there are.
export async function send(name, messages) {
  const key = member(await call("samp.webhub.register", { "samp.name": name }), "samp.private-key");
  try {
    await call("samp.webhub.declareMetadata", key, { "samp.name": name });
    const clients = await call("samp.webhub.getSubscribedClients", key, messages[0]["samp.mtype"]);
    const count = clients.querySelector("struct")?.children.length ?? 0;
    if (!count) throw new Error("A hub is there, but no program that can load this.");
    for (const message of messages) await call("samp.webhub.notifyAll", key, message);
    return count;
  } finally {
    await call("samp.webhub.unregister", key);
  }
}
