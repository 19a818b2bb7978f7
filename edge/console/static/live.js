// The live path: processes as boxes, sampled requests as dots that travel.

import { act, el, ms, svg, traceLink, watch } from "/static/app.js";

const map = document.getElementById("map");
const panel = document.getElementById("panel");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const COLUMNS = { phone: 20, dns: 150, l4: 320, l7: 520, service: 755 };
const WIDTH = { phone: 90, dns: 120, l4: 150, l7: 150, service: 225 };
const DOTS_MAX = 120;
const TRIP_MS = 1400; // a dot's whole way, slowed down so that an eye can follow

let shape = "";
let chosen = "";
let latest = null;
const places = new Map(); // name -> {x, y, w, h}
const nodes = new Map();
const dots = [];
const wires = svg("g");
const boxes = svg("g");
const traffic = svg("g", { "aria-hidden": "true" });
map.append(wires, boxes, traffic);

function layout(rows) {
  const tiers = { dns: [], l4: [], l7: [], service: [] };
  // The distributors of the name servers stand with them: no request of a phone goes on from there.
  const tierOf = (row) => row.name.startsWith("l4-dns") ? "dns" : row.tier;
  for (const row of rows) if (tiers[tierOf(row)]) tiers[tierOf(row)].push(row);
  tiers.dns.sort((a, b) => b.tier.localeCompare(a.tier) || a.name.localeCompare(b.name));
  const tallest = Math.max(...Object.values(tiers).map((list) => list.length), 6);
  const height = Math.max(460, tallest * 40 + 60);
  map.setAttribute("viewBox", `0 0 1000 ${height}`);
  places.clear();
  nodes.clear();
  wires.replaceChildren();
  boxes.replaceChildren();
  const middle = height / 2;
  place("phones", COLUMNS.phone, middle - 40, WIDTH.phone, 80);
  boxes.append(box({ name: "phones", tier: "phone" }));
  for (const [tier, list] of Object.entries(tiers)) {
    boxes.append(text(COLUMNS[tier], 16, { dns: "DNS", l4: "L4", l7: "L7", service: "services" }[tier], "title"));
    const step = Math.min(tier === "dns" ? 50 : 64, (height - 50) / Math.max(1, list.length));
    // Names are asked for first, and beside the way that requests take: DNS stands at the top.
    const top = tier === "dns" ? 28 : middle + 12 - (step * list.length) / 2;
    list.forEach((row, at) => {
      place(row.name, COLUMNS[tier], top + at * step, WIDTH[tier], Math.min(50, step - 6));
      boxes.append(box(row));
    });
  }
  const asked = tiers.dns.filter((row) => row.tier === "l4");
  for (const dns of asked.length ? asked : tiers.dns) wire("phones", dns.name);
  for (const l4 of tiers.l4) wire("phones", l4.name);
  for (const l4 of tiers.l4) for (const l7 of tiers.l7) if (l4.pop === l7.pop) wire(l4.name, l7.name);
  const fronts = new Set(["login", "feed", "story", "dm", "media"]);
  for (const l7 of tiers.l7) for (const one of tiers.service) if (fronts.has(one.service)) wire(l7.name, one.name);
}

function place(name, x, y, w, h) { places.set(name, { x, y, w, h }); }

function text(x, y, content, kind) {
  const node = svg("text", { x, y, class: kind });
  node.textContent = content;
  return node;
}

function wire(from, to) {
  const a = places.get(from), b = places.get(to);
  const x1 = a.x + a.w, y1 = a.y + a.h / 2, x2 = b.x, y2 = b.y + b.h / 2, bend = (x2 - x1) / 2;
  wires.append(svg("path", { class: "wire", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }));
}

function box(row) {
  const at = places.get(row.name);
  const tall = at.h > 40; // room for two lines
  const choose = () => { chosen = row.name; draw(latest); };
  const group = svg("g", { class: "node", transform: `translate(${at.x} ${at.y})` });
  if (row.tier !== "phone") {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); }
    });
  }
  group.append(
    svg("rect", { class: "box", width: at.w, height: at.h, rx: 7 }),
    svg("rect", { class: "use", x: 0, y: at.h - 4, width: 0, height: 4, rx: 2 }),
    text(8, tall ? 17 : at.h / 2 + 3, row.name, ""),
    text(tall ? 8 : at.w - 8, tall ? 33 : at.h / 2 + 3, "", "small"),
    tall ? text(at.w - 4, 9, "", "fault") : text(14 + 6.6 * row.name.length, at.h / 2 + 3, "", "fault"),
  );
  if (tall) group.querySelector(".fault").setAttribute("text-anchor", "end");
  if (!tall) group.querySelector(".small").setAttribute("text-anchor", "end");
  nodes.set(row.name, group);
  return group;
}

function show(row) {
  const group = nodes.get(row.name);
  if (!group) return;
  const sick = row.error_rate > 0 || !row.up || row.ejected || row.faults.length;
  const state = row.state !== "live" ? (row.state === "draining" ? "idle" : "gone") : row.weight === 0 ? "idle" : "";
  group.setAttribute("class", ["node", sick ? "sick" : "", state, row.role === "standby" ? "standby" : "",
    row.name === chosen ? "chosen" : ""].join(" "));
  const use = Math.min(1, row.in_flight / 16);
  group.querySelector(".use").setAttribute("width", use * places.get(row.name).w);
  const told = [row.rate ? `${row.rate}/s` : "", row.p99_ms !== null ? `p99 ${ms(row.p99_ms)} ms` : "",
    row.role, row.state !== "live" ? row.state : ""].filter(Boolean).join(" · ");
  const [, small] = group.querySelectorAll("text");
  small.textContent = told;
  group.querySelector(".fault").textContent = row.faults.length ? "✕" : "";
  group.setAttribute("aria-label", `${row.name}, ${row.tier}, ${row.state}, ${told}${row.faults.length ? ", faulted" : ""}`);
}

function side(row) {
  if (!row) return;
  const say = (action, more = {}) => () => act({ action, target: row.name, ...more });
  const fault = (kind, more, text) =>
    el("button", { type: "button", onclick: say("fault", { fault: { kind, ...more } }) }, text);
  const facts = [["state", `${row.state}${row.role ? `, ${row.role}` : ""}`], ["pid", row.pid], ["serves at", row.address],
    ["weight", `${row.weight} %`], ["requests", `${row.rate}/s, ${row.total} in all`], ["errors", `${row.error_rate}/s`],
    ["in flight", row.in_flight], ["p50 / p99", row.p50_ms === null ? "nothing yet" : `${ms(row.p50_ms)} / ${ms(row.p99_ms)} ms`],
    ["last check", row.check || "none"], ["event loop late by", `${row.lag_ms} ms`], ["configuration", row.revision],
    ["faults", row.faults.join("; ") || "none"]];
  // Only the numbers change twice a second; the buttons stay, so a keyboard keeps its place.
  const list = el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
  if (panel.dataset.name === row.name) {
    panel.querySelector("dl").replaceWith(list);
    return;
  }
  panel.dataset.name = row.name;
  panel.replaceChildren(
    el("h2", {}, row.name), list,
    el("div", { class: "row" }, el("button", { type: "button", onclick: say("drain") }, "Drain"),
      el("button", { type: "button", onclick: say("undrain") }, "Undrain"),
      el("button", { type: "button", class: "stop", id: "kill", onclick: say("kill") }, "Kill -9")),
    el("h2", {}, "Break it for 15 seconds"),
    el("div", { class: "row" },
      fault("latency", { amount: 300, for_s: 15 }, "+300 ms"),
      fault("latency", { amount: 300, share: 0.2, for_s: 15 }, "+300 ms for 1 in 5"),
      fault("error", { amount: 503, share: 0.5, for_s: 15 }, "503 for half"),
      fault("reset", { share: 0.5, for_s: 15 }, "reset half"),
      fault("down", { for_s: 15 }, "down"),
      fault("freeze", { for_s: 5 }, "freeze 5 s")),
  );
}

// -- dots ---------------------------------------------------------------------------------

function launch(one) {
  if (calm.matches || dots.length >= DOTS_MAX) return;
  const l4 = one.l4 && places.has(one.l4) ? one.l4 : [...places.keys()].find((name) => name.startsWith("l4-") && one.worker.includes(name.split("-")[1]));
  const stops = ["phones", l4, one.worker, one.upstream].filter((name) => name && places.has(name));
  if (stops.length < 2) return;
  const kind = one.status >= 500 || one.status === 0 ? "wrong" : one.status >= 400 || one.total_ms > 250 ? "slow" : "ok";
  const dot = svg("circle", { r: 3.2, class: kind, cx: -9, cy: -9 });
  traffic.append(dot);
  dots.push({ dot, stops: stops.map(centre), began: performance.now() + Math.random() * 400 });
}

function centre(name) {
  const at = places.get(name);
  return [at.x + at.w / 2, at.y + at.h / 2];
}

function move(now) {
  for (let at = dots.length - 1; at >= 0; at -= 1) {
    const { dot, stops, began } = dots[at];
    const share = (now - began) / TRIP_MS;
    if (share >= 1) { dot.remove(); dots.splice(at, 1); continue; }
    if (share < 0) continue;
    const leg = Math.min(stops.length - 2, Math.floor(share * (stops.length - 1)));
    const part = share * (stops.length - 1) - leg;
    const [ax, ay] = stops[leg], [bx, by] = stops[leg + 1];
    dot.setAttribute("cx", ax + (bx - ax) * part);
    dot.setAttribute("cy", ay + (by - ay) * part);
  }
  requestAnimationFrame(move);
}

// -- lists --------------------------------------------------------------------------------

const ROWS_MAX = 14, EVENTS_MAX = 60;
const table = document.querySelector("#recent tbody");
const log = document.getElementById("events");

function note(one) {
  table.prepend(el("tr", { class: one.status >= 500 ? "down" : "" }, el("td", {}, traceLink(one.trace_id, `${one.method} ${one.path}`.slice(0, 44))),
    el("td", {}, one.route || "-"), el("td", { class: "n" }, String(one.status)), el("td", { class: "n" }, ms(one.total_ms)),
    el("td", {}, one.worker), el("td", {}, one.upstream || "-"), el("td", {}, one.flag || "")));
  while (table.children.length > ROWS_MAX) table.lastChild.remove();
}

function tell(event) {
  const when = new Date(event.unix * 1000).toLocaleTimeString();
  log.prepend(el("li", {}, el("span", { class: "soft" }, `${when} `), `${event.event} ${event.name} `, el("span", { class: "soft" }, event.detail)));
  while (log.children.length > EVENTS_MAX) log.lastChild.remove();
}

function draw(picture) {
  if (!picture) return;
  latest = picture;
  const rows = picture.rows.filter((row) => row.tier !== "control");
  const now = rows.map((row) => row.name).join();
  if (now !== shape) { shape = now; layout(rows); }
  rows.forEach(show);
  side(rows.find((row) => row.name === chosen));
}

watch((picture) => {
  draw(picture);
  picture.recent.forEach(launch);
  picture.recent.slice(-ROWS_MAX).forEach(note);
  picture.events.filter((event) => !event.event.startsWith("report.")).slice(-EVENTS_MAX).forEach(tell);
});
requestAnimationFrame(move);
