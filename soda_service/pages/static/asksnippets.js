// The request as a user would type it: curl, Python, or a link that fills the form again.

const LINK_MAX = 6000; // characters: servers and proxies refuse longer addresses

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

export function curl(base, fields, hasFile) {
  const lines = fields
    .filter(([name]) => name !== "POSITIONS")
    .map(([name, value]) => `-F ${/^[\w.;-]+$/.test(value) ? `${name}=${value}` : quoted(`${name}=${value}`)}`);
  const table = fields.find(([name]) => name === "POSITIONS");
  const before = table && !hasFile ? `cat > positions.csv <<'END'\n${table[1].trimEnd()}\nEND\n` : "";
  if (table || hasFile) lines.push("-F POSITIONS=@positions.csv");
  return `${before}curl -s -o /dev/null -w '%{redirect_url}\\n' ${base}/async \\\n  ${["-F PHASE=RUN", ...lines].join(" \\\n  ")}`;
}

export function python(base, fields, hasFile) {
  const table = fields.find(([name]) => name === "POSITIONS");
  const data = fields.filter(([name]) => name !== "POSITIONS").map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`);
  const positions = table && !hasFile
    ? `positions = """\\\n${table[1].trimEnd().replaceAll("\\", "\\\\")}\n"""\n`
    : 'positions = open("positions.csv", "rb")\n';
  return `import pyvo
import requests

${positions}answer = requests.post(
    "${base}/async",
    files={"POSITIONS": positions},
    data={
    ${data.join("    ").trimEnd()}
    },
    allow_redirects=False,
)
job = pyvo.dal.tap.AsyncTAPJob(answer.headers["Location"])
job.run().wait(phases=["COMPLETED", "ERROR"])
print(job.phase, job.result_uris)`;
}

export function link(base, fields) {
  const query = new URLSearchParams(fields).toString();
  const address = `${base}/?${query}`;
  return address.length <= LINK_MAX ? address : "The table is too long for a link. Send it by curl or Python.";
}
