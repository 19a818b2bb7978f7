// What the firewall found: a row for each finding, its explanation beside it, the rules and the banned below.

import { el, get, traceLink, watch } from "/static/app.js";

const LOOK_MS = 1000;
const body = (id) => document.querySelector(`#${id} tbody`);
let chosen = "", drawn = "";

async function explain(id) {
  chosen = id;
  mark();
  document.getElementById("title").textContent = "Why?";
  try {
    document.getElementById("why").textContent = (await get(`/api/waf/${id}`)).text;
  } catch (error) {
    document.getElementById("why").textContent = error.message;
  }
}

function mark() {
  for (const row of body("findings").children) row.classList.toggle("chosen", row.dataset.id === chosen);
}

const VERDICT = { block: ["refused", "bad"], detect: ["only detected", "warn"], pass: ["let pass", "soft"] };

function finding(one) {
  const [word, tone] = VERDICT[one.action] || [one.action, ""];
  const [first, ...others] = one.rules;
  const text = first ? `${first.id} ${first.msg}` : one.silenced ? `${one.silenced} rules silenced by an exclusion` : "";
  return el("tr", { "data-id": one.request_id, class: one.request_id === chosen ? "chosen" : "" },
    el("td", {}, new Date(one.unix_s * 1000).toLocaleTimeString()),
    el("td", { class: tone }, one.action === "block" ? `${one.status} ${word}` : word),
    el("td", { class: "n" }, `${one.score} of ${one.threshold}`),
    el("td", { class: "n" }, one.times > 1 ? `${one.times}\u00d7` : ""), el("td", {}, one.client),
    el("td", { title: one.worker }, traceLink(one.request_id, `${one.method} ${one.path}`.slice(0, 48))),
    el("td", { class: "long" }, el("button", { type: "button", class: "plain", onclick: () => explain(one.request_id) },
      text.slice(0, 90) + (others.length ? ` +${others.length}` : ""))));
}

function draw(told) {
  // Rows stay the same nodes while nothing is new, or a key press would lose its place each second.
  const state = JSON.stringify([told.findings.map((one) => [one.request_id, one.times]), told.rules]);
  if (state !== drawn) {
    drawn = state;
    const at = document.activeElement?.closest?.("#findings tr")?.dataset.id;
    body("findings").replaceChildren(...told.findings.map(finding));
    body("rules").replaceChildren(...told.rules.map((row) => el("tr", {}, el("th", { scope: "row" }, row.rule),
      el("td", { class: "n" }, String(row.blocked)), el("td", { class: "n" }, String(row.detected)), el("td", { class: "long" }, row.msg))));
    if (at) document.querySelector(`#findings tr[data-id="${CSS.escape(at)}"] button`)?.focus();
  }
  document.getElementById("none").textContent = told.findings.length ? "" : "Nothing yet. Try: curl … '/api/v1/feed/timeline/?q=<script>'";
  body("bans").replaceChildren(...told.bans.map((ban) => el("tr", {}, el("th", { scope: "row" }, ban.network),
    el("td", { class: "n" }, String(ban.left_s)), el("td", {}, ban.reason), el("td", {}, ban.by || "an operator"))));
}

async function look() {
  try {
    draw(await get("/api/waf"));
  } catch {
    // The frame says that the console or the hub is away; what was last known stays.
  }
  setTimeout(look, LOOK_MS);
}

watch(() => {});
look();
