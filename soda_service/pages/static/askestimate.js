// What a request would make, asked of /validate while the form is filled in; the newest answer wins.

export const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const size = (bytes) => {
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < 4) { value /= 1000; unit += 1; }
  return `${unit && value < 100 ? Number(value.toPrecision(3)) : Math.round(value)}\u00a0${["bytes", "kB", "MB", "GB", "TB"][unit]}`;
};

export const duration = (seconds) => {
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  let left = Math.round(seconds);
  const told = [];
  for (const [name, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    if (left >= length) told.push(`${Math.floor(left / length)}\u00a0${name}`);
    left %= length;
  }
  return told.slice(0, 2).join(" ");
};

// Runs one thing at a time after a pause; whatever ran before is given up.
export class Latest {
  constructor(run, pause) {
    Object.assign(this, { run, pause, timer: 0, control: null });
  }

  start() {
    clearTimeout(this.timer);
    this.control?.abort();
    const control = this.control = new AbortController();
    this.timer = setTimeout(async () => {
      try {
        await this.run(control.signal);
      } catch (error) {
        if (!control.signal.aborted) throw error;
      }
    }, this.pause);
  }
}

const find = (id) => document.getElementById(id);

export const validate = async (base, pairs, table, signal) => {
  const body = new FormData();
  for (const [name, value] of pairs) body.append(name, value);
  if (table) body.append("POSITIONS", table, "positions");
  const answer = await fetch(`${base}/validate`, { method: "POST", body, signal });
  if (!answer.ok) throw new Error((await answer.text()).trim().replace(/^\w+: /, ""));
  return answer.json();
};

export const waiting = () => find("sums").classList.add("old");

export const showNothing = (text) => {
  for (const id of ["sums", "coverage", "tiles", "warnings"]) find(id).hidden = true;
  find("idle").hidden = false;
  find("idle").textContent = text;
};

export const showFound = (found) => {
  const isOpen = !found.is_complete;
  const faulty = new Set(found.faults.filter((each) => each.row !== null).map((each) => each.row)).size;
  const sums = [["Rows", `${number(found.rows)}${isOpen ? " +" : ""}`], ["In tiles", number(found.matched)], ["Files", number(found.files)], ["Size", size(found.size_bytes)]];
  if (found.seconds !== null) sums.push(["Time", duration(found.seconds)]);
  find("sums").replaceChildren(...sums.map(([name, value]) => {
    const box = document.createElement("div");
    box.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
    return box;
  }));
  find("sums").classList.remove("old");
  find("coverage").replaceChildren(...[["ok", found.matched], ["off", found.rows - found.matched - faulty], ["bad", faulty]].filter(([, count]) => count > 0).map(([kind, count]) => {
    const bar = Object.assign(document.createElement("i"), { className: kind });
    bar.style.flexGrow = count;
    return bar;
  }));
  const others = found.total_tiles - Math.min(found.tiles.length, 8);
  find("tiles").textContent = found.total_tiles ? `${number(found.total_tiles)} tile${found.total_tiles === 1 ? "" : "s"}: ${found.tiles.slice(0, 8).join(", ")}${others ? ` and ${number(others)} more` : ""}` : "";
  find("warnings").replaceChildren(...found.warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  find("idle").hidden = true;
  find("sums").hidden = find("coverage").hidden = !found.rows;
  find("tiles").hidden = !found.total_tiles;
  find("warnings").hidden = !found.warnings.length;
};

// Faults of fields beside the fields; gives those that belong to none.
export const showFaults = (form, faults) => {
  for (const box of form.querySelectorAll(".fault")) {
    box.textContent = "";
    find(box.id.replace("fault-", ""))?.removeAttribute("aria-invalid");
  }
  return faults.filter((fault) => {
    const box = fault.row === null && fault.column ? find(`fault-${fault.column}`) : null;
    if (!box) return fault.row === null;
    box.textContent = fault.message;
    const field = find(fault.column);
    if (field.matches("input, select, textarea")) field.setAttribute("aria-invalid", "true");
    return false;
  });
};
