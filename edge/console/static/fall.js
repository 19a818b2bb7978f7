// The waterfall of one request, for the pages that show one.

import { el, ms, svg } from "/static/app.js";

function bar(row, total) {
  const x = (value) => `${(100 * Math.max(0, value)) / total}%`;
  const width = (from, to) => `${Math.max(0.15, (100 * (to - from)) / total)}%`;
  const kind = `bar-${row.tone}`;
  const drawing = svg("svg", { "aria-hidden": "true" });
  drawing.append(svg("rect", { class: row.inner_us ? `${kind} outer` : kind, x: x(row.start_us), y: 3, width: width(row.start_us, row.end_us), height: 10, rx: 2 }));
  if (row.inner_us) drawing.append(svg("rect", { class: kind, x: x(row.inner_us[0]), y: 3, width: width(...row.inner_us), height: 10, rx: 2 }));
  return drawing;
}

export function fall(picture, choose = () => {}) {
  const rows = picture.rows.map((row, at) => {
    const took = (row.end_us - row.start_us) / 1000;
    const kind = `span${row.critical ? " critical" : ""}${row.error ? " failed" : ""}`;
    const label = `${row.title} ${row.text}, ${ms(took)} ms${row.critical ? ", on the critical path" : ""}${row.error ? `, ${row.error}` : ""}`;
    return el("button", { type: "button", class: kind, "aria-label": label, title: row.why, onclick: () => choose(at) },
      el("span", { class: "name" }, `${"\u2003".repeat(row.depth)}${row.title} ${row.text}${row.critical ? " ★" : ""}`),
      el("span", { class: "track" }, bar(row, picture.total_us)),
      el("span", { class: "ms" }, ms(took)));
  });
  return el("div", { class: "fall" }, ...rows);
}

export function headline(picture) {
  const total = picture.total_us / 1000, lost = picture.unattributed_us / 1000;
  return el("p", {}, el("strong", {}, picture.title), ` ${picture.status || ""} · ${ms(total)} ms · ${picture.connection} · ` +
    `${picture.processes} processes · unattributed ${ms(lost)} ms (${((100 * lost) / Math.max(total, 0.001)).toFixed(1)} %)`,
    picture.lever ? ` · ${picture.lever}` : "");
}
