// @ts-check
// Follows jobs by one stream of events for the page; by a request every ten seconds where there is
// none.

/**
 * A job as the server sums it up (pages/jobfacts.py), as far as scripts need it.
 * @typedef {object} JobFacts
 * @property {string} id
 * @property {true} [gone] the job is deleted; nothing else is known then
 * @property {string} name
 * @property {string} phase
 * @property {boolean} is_active
 * @property {number} total rows
 * @property {number} done rows
 * @property {number} failed rows
 * @property {number} size_bytes
 * @property {number | null} rate_per_s
 * @property {number | null} duration_s
 * @property {string | null} expected_end
 */

const POLL = 10_000; // ms

/**
 * Call back with the facts of each job that changes, until the page is left.
 * @param {string} base address of the service
 * @param {string[]} ids
 * @param {(facts: JobFacts) => void} onChange
 */
export const follow = (base, ids, onChange) => {
  if (!ids.length) return;
  const query = ids.map((id) => `id=${encodeURIComponent(id)}`).join("&");
  /** @type {EventSource | null} */
  let stream = null;
  let timer = 0;
  const poll = async () => {
    for (const id of ids) {
      const headers = { Accept: "application/json" };
      const answer = await fetch(`${base}/jobs/${id}`, { headers });
      if (answer.ok) onChange(await answer.json());
      else if (answer.status === 404) onChange(/** @type {JobFacts} */ ({ id, gone: true }));
    }
  };
  const open = () => {
    const source = new EventSource(`${base}/jobs/events?${query}`);
    stream = source;
    source.onmessage = (event) => onChange(JSON.parse(event.data));
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      timer = window.setInterval(poll, POLL);
    };
  };
  const close = () => {
    stream?.close();
    window.clearInterval(timer);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
};
