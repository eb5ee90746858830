// @ts-check
// SAMP's Web Profile: has programs on this computer (TOPCAT, Aladin, DS9) load results.
// SAMP 1.3, section 5: XML-RPC to a hub that listens on port 21012.

const HUB = "http://localhost:21012/";

/** @typedef {string | { [name: string]: Content }} Content */
/** @typedef {{ "samp.mtype": string, "samp.params": { [name: string]: string } }} Message */

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * Write a value for XML-RPC.
 * @param {Content} content
 * @returns {string}
 */
const toXml = (content) => {
  if (typeof content === "string") return `<value><string>${escaped(content)}</string></value>`;
  const members = Object.entries(content).map(
    ([name, member]) => `<member><name>${escaped(name)}</name>${toXml(member)}</member>`,
  );
  return `<value><struct>${members.join("")}</struct></value>`;
};

/**
 * Return the XML of a method call.
 * @param {string} method
 * @param {...Content} parameters
 */
export const callText = (method, ...parameters) => {
  const params = parameters.map((each) => `<param>${toXml(each)}</param>`).join("");
  const call = `<methodName>${escaped(method)}</methodName><params>${params}</params>`;
  return `<?xml version="1.0"?><methodCall>${call}</methodCall>`;
};

/**
 * Call a method of the hub; return the `<value>` of its answer, if any.
 * @param {string} method
 * @param {...Content} parameters
 */
const call = async (method, ...parameters) => {
  const body = callText(method, ...parameters);
  let answer;
  try {
    answer = await fetch(HUB, { method: "POST", headers: { "Content-Type": "text/xml" }, body });
  } catch {
    throw new Error("No SAMP hub found. Start TOPCAT or Aladin on this computer, and try again.");
  }
  const content = new DOMParser().parseFromString(await answer.text(), "text/xml");
  const fault = content.querySelector("fault")?.textContent;
  if (fault) throw new Error(`The hub refused: ${fault.trim().replace(/\s+/g, " ")}`);
  return content.querySelector("params > param > value");
};

/**
 * Return the text of a member of a struct; empty if there is none.
 * @param {Element | null} struct
 * @param {string} name
 */
const member = (struct, name) => {
  for (const each of struct?.querySelectorAll("member") ?? []) {
    if (each.querySelector("name")?.textContent?.trim() === name) {
      return each.querySelector("value")?.textContent?.trim() ?? "";
    }
  }
  return "";
};

/**
 * Send messages of one type to all programs that understand them.
 * @param {string} name of this page, for the hub
 * @param {Message[]} messages
 * @returns {Promise<number>} how many programs there are
 */
export const send = async (name, messages) => {
  const registered = await call("samp.webhub.register", { "samp.name": name });
  const key = member(registered, "samp.private-key");
  try {
    await call("samp.webhub.declareMetadata", key, { "samp.name": name });
    const mtype = messages[0]["samp.mtype"];
    const clients = await call("samp.webhub.getSubscribedClients", key, mtype);
    const count = clients?.querySelector("struct")?.children.length ?? 0;
    if (!count) throw new Error("No program on the SAMP hub can load this.");
    for (const message of messages) await call("samp.webhub.notifyAll", key, message);
    return count;
  } finally {
    await call("samp.webhub.unregister", key);
  }
};
