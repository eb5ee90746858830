// Aladin Lite with the footprint of a release: loaded when it is asked for, and not before.

const base = document.querySelector('meta[name="base"]').content;
const button = document.getElementById("load");
const query = new URLSearchParams(location.search);

const loadScript = (address) => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  Object.assign(script, { src: address, onload: resolve, onerror: reject });
  document.head.append(script);
});

const show = async () => {
  button.disabled = true;
  document.getElementById("away").hidden = true;
  try {
    await loadScript(`${button.dataset.aladin}/AladinLite/api/v3/latest/aladin.js`);
    const box = document.getElementById("aladin-view");
    box.hidden = false;
    await window.A.init;
    const target = query.get("ra") ? `${query.get("ra")} ${query.get("dec")}` : "0 0";
    const view = window.A.aladin("#aladin-view", { target, fov: Number(query.get("fov")) || 180, cooFrame: "ICRSd" });
    if (query.get("release")) await addFootprint(view, query.get("release"));
    button.hidden = true;
  } catch {
    document.getElementById("away").hidden = false;
    button.disabled = false;
  }
};

const addFootprint = async (view, release) => {
  const found = await (await fetch(`${base}/releases/${encodeURIComponent(release)}/footprint`)).json();
  const overlay = window.A.graphicOverlay({ color: "#5b8cff", lineWidth: 1, name: release });
  view.addOverlay(overlay);
  overlay.addFootprints(found.outlines.map((flat) => {
    const corners = [];
    for (let n = 0; n < flat.length; n += 2) corners.push([flat[n], flat[n + 1]]);
    return window.A.polygon(corners);
  }));
};

button.hidden = false;
button.addEventListener("click", show);
