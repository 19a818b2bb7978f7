// The dense table: a row for each process, a table for each tier.

import { el, ms, watch } from "/static/app.js";

const place = document.getElementById("tables");
const TITLES = { control: "Control", dns: "DNS", l4: "L4: distributors", l7: "L7: workers", service: "Services" };
const HEAD = [["name"], ["state"], ["role"], ["weight", "n"], ["pid", "n"], ["rate/s", "n"], ["total", "n"], ["errors/s", "n"], ["in flight", "n"],
  ["p50 ms", "n"], ["p99 ms", "n"], ["lag ms", "n"], ["up for"], ["last check, and why"], ["faults"]];

const MEANING = { weight: "per cent of its fair share", "rate/s": "of the last two seconds", "in flight": "being served, or open connections",
  "lag ms": "how late its event loop wakes up" };

function age(since) {
  const s = Math.max(0, Date.now() / 1000 - since);
  return s < 60 ? `${s.toFixed(0)}s` : s < 3600 ? `${(s / 60).toFixed(0)}m` : `${(s / 3600).toFixed(1)}h`;
}

function line(row) {
  const kind = row.state === "dead" || !row.up || row.ejected ? "down" : row.state !== "live" ? row.state : row.weight === 0 ? "idle" : row.role;
  const check = row.ejected ? `ejected; ${row.check}` : row.check;
  const cells = [row.name, row.state, row.role, row.weight, row.pid, row.rate, row.total, row.error_rate || "", row.in_flight,
    ms(row.p50_ms), ms(row.p99_ms), row.lag_ms, row.since_unix ? age(row.since_unix) : "", check, row.faults.join("; ")];
  return el("tr", { class: kind, "data-name": row.name }, ...cells.map((cell, at) =>
    at === 0 ? el("th", { scope: "row" }, String(cell)) : el("td", { class: HEAD[at][1] === "n" ? "n" : at === 13 ? "long" : "" }, String(cell))));
}

watch((picture) => {
  const tables = Object.entries(TITLES).map(([tier, title]) => {
    const rows = picture.rows.filter((row) => row.tier === tier);
    if (!rows.length) return null;
    return el("table", { class: "even" }, el("caption", {}, `${title} (${rows.length})`),
      el("thead", {}, el("tr", {}, ...HEAD.map(([name, kind]) => el("th", { scope: "col", class: kind || "", title: MEANING[name] }, name)))),
      el("tbody", {}, ...rows.map(line)));
  });
  const bans = picture.bans.length ? el("p", {}, `Banned at every L4: ${picture.bans.join(", ")}`) : null;
  place.replaceChildren(...[...tables, bans].filter(Boolean));
});
