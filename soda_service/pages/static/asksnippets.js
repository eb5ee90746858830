// The same request as commands, as Python, and as a link that fills in the form.

const LINK_MAX = 6000; // servers refuse longer addresses
const LINES_MAX = 40;

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const curl = (base, pairs, table) => {
  const lines = [];
  if (table !== null) lines.push(...(table === "" || table.split("\n").length > LINES_MAX ? ["# the table is in positions.csv"] : ["cat > positions.csv <<'END'", table.trimEnd(), "END"]));
  const fields = pairs.map(([name, value]) => `  --form-string ${/^[\w.,:+-]+$/.test(value) ? `${name}=${value}` : quote(`${name}=${value}`)}`);
  if (table !== null) fields.push("  -F POSITIONS=@positions.csv");
  lines.push([`curl -s -o /dev/null -w '%{redirect_url}\\n' ${base}/async`, "  -F PHASE=RUN", ...fields].join(" \\\n"));
  return lines.join("\n");
};

const python = (base, pairs, table) => {
  const lines = ["import requests", "from pyvo.dal import AsyncTAPJob", ""];
  const isShort = table && table.split("\n").length <= LINES_MAX;
  if (table !== null) lines.push(isShort ? `positions = """\\\n${table.trimEnd().replaceAll("\\", "\\\\").replaceAll('"', '\\"')}\n"""` : 'positions = open("positions.csv", "rb").read()');
  lines.push("answer = requests.post(", `    "${base}/async",`, "    data={", ...[["PHASE", "RUN"], ...pairs].map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`), "    },");
  if (table !== null) lines.push('    files={"POSITIONS": positions},');
  lines.push("    allow_redirects=False,", ")", "assert answer.status_code == 303, answer.text", 'job = AsyncTAPJob(answer.headers["Location"])', "job.wait()", 'print(job.phase, [result.href for result in job.results])');
  return lines.join("\n");
};

const link = (base, pairs, table) => {
  const query = new URLSearchParams(pairs);
  if (table) query.set("POSITIONS", table);
  const address = `${base}/?${query}`;
  return table === "" || address.length > LINK_MAX ? "The table is too long for a link." : address;
};

// table: null where there is none, empty where it is a file.
export const showSnippets = (base, pairs, table) => {
  const texts = { curl: curl(base, pairs, table), python: python(base, pairs, table), address: link(base, pairs, table) };
  for (const [id, text] of Object.entries(texts)) document.getElementById(id).textContent = text;
};

for (const button of document.querySelectorAll("[data-copies]")) {
  const label = button.firstChild;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = "Copied";
    } catch { // not over plain http: the text is selected instead
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
    }
    setTimeout(() => { label.textContent = "Copy"; }, 1500);
  });
}
