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

// Round marks, so that a bar's length can be read off: 1, 2 or 5 times a power of ten.
function axis(total_us) {
  const total = total_us / 1000, rough = total / 6, power = 10 ** Math.floor(Math.log10(rough));
  const gap = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  const drawing = svg("svg", { "aria-hidden": "true" });
  for (let at = 0; at <= total * 0.97; at += gap) {
    const mark = svg("text", { x: `${(100 * at) / total}%`, y: 11, "text-anchor": at ? "middle" : "start" });
    mark.textContent = Number(at.toPrecision(6));
    drawing.append(mark);
  }
  return [gap / total, el("div", { class: "axis" }, el("span", {}), el("span", { class: "track" }, drawing), el("span", { class: "ms" }, "ms"))];
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
  const [gap, marks] = axis(picture.total_us);
  const drawn = el("div", { class: "fall" }, marks, ...rows);
  drawn.style.setProperty("--gap", `${100 * gap}%`);
  return drawn;
}

// Where the time went: parts of one bar, which add up to the whole.
const TONES = { wire: "phone", dns: "dns", tcp: "phone", tls: "phone", body: "phone", l4: "l4", l7: "l7", queue: "queue" };

export function parts(picture) {
  const all = [...picture.parts.map(([name, us]) => [name, us, `bar-${TONES[name] || "service"}`]), ["unattributed", picture.unattributed_us, "bar-lost"]];
  const drawing = svg("svg", { class: "parts", role: "img", "aria-label": all.map(([name, us]) => `${name} ${ms(us / 1000)} ms`).join(", ") });
  let at = 0;
  for (const [name, us, tone] of all) {
    const piece = svg("rect", { class: tone, x: `${(100 * at) / picture.total_us}%`, width: `${(100 * us) / picture.total_us}%`, height: 14, y: 0 });
    const title = svg("title");
    title.textContent = `${name} ${ms(us / 1000)} ms`;
    piece.append(title);
    drawing.append(piece);
    at += us;
  }
  return el("div", {}, drawing, el("p", { class: "soft legend" }, ...all.flatMap(([name, us, tone], number) =>
    [number ? " + " : "", swatch(tone), `${name} ${ms(us / 1000)}`]), ` = ${ms(picture.total_us / 1000)} ms`));
}

function swatch(tone) {
  return svg("svg", { class: "swatch", "aria-hidden": "true", viewBox: "0 0 10 10" }, svg("rect", { class: tone, width: 10, height: 10, rx: 2 }));
}

export function headline(picture) {
  const total = picture.total_us / 1000, lost = picture.unattributed_us / 1000;
  return el("p", {}, el("strong", {}, picture.title), ` ${picture.status || ""} · ${ms(total)} ms · ${picture.connection} · ` +
    `${picture.processes} processes · unattributed ${ms(lost)} ms (${((100 * lost) / Math.max(total, 0.001)).toFixed(1)} %)`,
    picture.lever ? ` · biggest lever: ${picture.lever}` : "");
}
