// The labs: cards, a guess, a run with its words as they come, the report.

import { el, get, ms, post, svg, toast } from "/static/app.js";

const place = document.getElementById("lab");
let timer = null;

const list = (title, items) => items.length ? [el("h2", {}, title), el("ul", {}, ...items.map((item) => el("li", {}, item)))] : [];

// Two charts of what is happening: answers per second, and how long they took; marks on both.
const WIDE = 860, HIGH = 150, LEFT = 46;
const PAIRS = [["per second", [["ok_per_s", "var(--good)", "answered"], ["errors_per_s", "var(--bad)", "failed"]]],
  ["ms", [["p50_ms", "var(--accent)", "p50"], ["p95_ms", "var(--warn)", "p95"]]]];

function chart(points, unit, curves) {
  const length = points[0].seconds;
  const top = Math.max(1, ...points.flatMap((point) => curves.map(([key]) => point[key]))) * 1.1;
  const x = (at) => LEFT + ((WIDE - LEFT) * Math.max(0, at)) / length, y = (value) => HIGH - 18 - ((HIGH - 26) * value) / top;
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": curves.map(([, , name]) => name).join(" and ") });
  const put = (name, attributes, text) => { const node = svg(name, attributes); if (text) node.textContent = text; picture.append(node); };
  for (const part of [0, 0.5, 1]) {
    put("line", { class: "rule", x1: LEFT, x2: WIDE, y1: y(top * part), y2: y(top * part) });
    put("text", { class: "tick", x: LEFT - 5, y: y(top * part) + 4, "text-anchor": "end" }, (top * part).toPrecision(2) * 1);
  }
  put("text", { class: "tick", x: WIDE - 4, y: HIGH - 4, "text-anchor": "end" }, `${length} s · ${unit}`);
  for (const [at, text, until] of points[points.length - 1].marks) {
    if (until > at) put("rect", { class: "band", x: x(at), width: x(Math.min(until, length)) - x(at), y: 4, height: HIGH - 22 });
    const mark = svg("g", { class: "fault-mark" }, svg("line", { x1: x(at), x2: x(at), y1: 4, y2: HIGH - 18 }), svg("title"));
    mark.querySelector("title").textContent = text;
    picture.append(mark);
  }
  for (const [key, colour] of curves) put("polyline", { fill: "none", stroke: colour, "stroke-width": 1.8,
    points: points.map((point) => `${x(point.at_s).toFixed(1)},${y(point[key]).toFixed(1)}`).join(" ") });
  const last = points[points.length - 1];
  return el("figure", {}, picture, el("figcaption", { class: "soft" }, curves.map(([key, , name]) => `${name} ${ms(last[key])}`).join(" · ") + ` ${unit}`));
}

function charts(live) {
  const names = [...new Set(live.map((point) => point.variant))];
  return names.flatMap((name) => {
    const points = live.filter((point) => point.variant === name);
    return [el("h2", {}, name), ...PAIRS.map(([unit, curves]) => chart(points, unit, curves))];
  });
}

async function all() {
  const [cards, state] = await Promise.all([get("/api/labs"), get("/api/lab-state")]);
  cards.sort((a, b) => a.level - b.level || a.name.localeCompare(b.name));
  const tiles = cards.map((card) => el("article", { class: "card" }, el("h2", {}, el("a", { href: `/lab?name=${card.name}` }, card.title)),
    el("p", {}, card.question), el("p", { class: "soft" }, card.broken ? "broken" : `${"●".repeat(card.level)}${"○".repeat(3 - card.level)} · about ${Math.ceil(card.seconds + 5 * card.variants.length)} s`)));
  const reports = state.reports.map((run) => el("li", {}, el("a", { href: `/report/${run}` }, run)));
  place.replaceChildren(el("div", { class: "grid" }, ...tiles), el("h2", {}, "Reports"),
    reports.length ? el("ul", {}, ...reports) : el("p", { class: "soft" }, "none yet"));
}

async function one(name) {
  const card = (await get("/api/labs")).find((found) => found.name === name);
  if (!card) { place.replaceChildren(el("p", { class: "bad" }, "No lab has that name.")); return; }
  const lines = el("pre", { class: "lab-lines card", id: "lines", "aria-live": "polite" }, "not running");
  const verdict = el("p", { id: "verdict" });
  const frame = el("div", { id: "report" });
  const drawn = el("div", { id: "charts" });
  const guess = el("input", { type: "text", name: "guess", autocomplete: "off" });
  const button = el("button", { class: "main", id: "run" }, "Run");
  const form = el("form", { class: "line" }, el("label", {}, `Predict: ${card.predict.ask}${card.predict.unit ? ` (${card.predict.unit})` : ""}`, guess), button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("/api/lab", { name, prediction: guess.value });
      frame.replaceChildren();
      drawn.replaceChildren();
      follow();
    } catch (error) { toast(error.message); }
  });
  let was = new Set((await get("/api/lab-state")).reports);
  function follow() {
    clearInterval(timer);
    timer = setInterval(async () => {
      const state = await get("/api/lab-state");
      const mine = state.running === name;
      button.disabled = Boolean(state.running);
      if (state.lines.length) { lines.textContent = state.lines.join("\n"); lines.scrollTop = lines.scrollHeight; }
      if (mine && state.live.length) drawn.replaceChildren(...charts(state.live));
      verdict.className = !state.running && state.verdict ? (state.verdict === "holds" ? "good" : "bad") : "soft";
      if (state.running) { verdict.textContent = mine ? "running" : `${state.running} is running`; return; }
      clearInterval(timer);
      verdict.textContent = state.verdict ? (state.verdict === "holds" ? "✓ every expectation held" : "✗ not as expected") : "";
      const fresh = state.reports.find((run) => run.endsWith(`-${name}`));
      if (fresh) frame.replaceChildren(el("h2", {}, el("a", { href: `/report/${fresh}` }, was.has(fresh) ? "The last report" : "The report")),
        el("iframe", { src: `/report/${fresh}`, title: `Report ${fresh}`, sandbox: "" }));
      was = new Set(state.reports);
    }, 700);
  }
  place.replaceChildren(el("p", {}, el("a", { href: "/lab" }, "All labs")), el("h2", { class: "big" }, card.title), el("p", {}, card.question), el("p", { class: "soft" }, card.story || ""),
    form, verdict, drawn, lines, frame,
    ...list("Watch for", card.watch_for), ...list("What is expected", card.expects),
    ...list("How it runs", [...card.variants.map((v) => v.note ? `${v.name}: ${v.note}` : v.name), ...card.steps.map((s) => `at ${s.at_s} s: ${s.text}`)]),
    ...list("The code that does it", card.code));
  follow();
}

const name = new URLSearchParams(location.search).get("name");
(name ? one(name) : all()).catch((error) => place.replaceChildren(el("p", { class: "bad" }, error.message)));
