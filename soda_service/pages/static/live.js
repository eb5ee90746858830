// Follows jobs by one stream of events for the page; asks every ten seconds where there is none.

const base = document.querySelector('meta[name="base"]').content;

// Calls `told` with the facts of each job that changes, until no page looks any more.
export function follow(ids, told) {
  if (!ids.length) return;
  const address = `${base}/jobs/events?${ids.map((id) => `id=${encodeURIComponent(id)}`).join("&")}`;
  let stream = null;
  let timer = 0;
  const ask = async () => {
    for (const id of ids) {
      const answer = await fetch(`${base}/jobs/${id}`, { headers: { Accept: "application/json" } });
      told(answer.ok ? await answer.json() : { id, gone: answer.status === 404 });
    }
  };
  const open = () => {
    stream = new EventSource(address);
    stream.onmessage = (event) => told(JSON.parse(event.data));
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED) return; // it asks again by itself
      timer = window.setInterval(ask, 10000);
    };
  };
  const close = () => {
    stream?.close();
    window.clearInterval(timer);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

export const number = (value) => value.toLocaleString("en").replaceAll(",", "\u202f");

export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  const text = unit === 0 || value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return `${text}\u00a0${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds === null) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  let left = Math.round(seconds);
  const texts = [];
  for (const [name, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const many = Math.floor(left / length);
    left -= many * length;
    if (many && texts.length < 2) texts.push(`${many}\u00a0${name}`);
    else if (texts.length) break;
  }
  return texts.join(" ");
}
