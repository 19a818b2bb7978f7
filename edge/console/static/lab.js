// The labs: cards, a guess, a run with its words as they come, the report.

import { el, get, post, toast } from "/static/app.js";

const place = document.getElementById("lab");
let timer = null;

const list = (title, items) => items.length ? [el("h2", {}, title), el("ul", {}, ...items.map((item) => el("li", {}, item)))] : [];

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
  const guess = el("input", { type: "text", name: "guess", autocomplete: "off" });
  const button = el("button", { class: "main", id: "run" }, "Run");
  const form = el("form", { class: "line" }, el("label", {}, `Predict: ${card.predict.ask}${card.predict.unit ? ` (${card.predict.unit})` : ""}`, guess), button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("/api/lab", { name, prediction: guess.value });
      frame.replaceChildren();
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
      if (state.running) { verdict.textContent = mine ? "running" : `${state.running} is running`; return; }
      clearInterval(timer);
      verdict.textContent = state.verdict ? (state.verdict === "holds" ? "✓ every expectation held" : "✗ not as expected") : "";
      verdict.className = state.verdict === "holds" ? "good" : "bad";
      const fresh = state.reports.find((run) => run.endsWith(`-${name}`));
      if (fresh) frame.replaceChildren(el("h2", {}, el("a", { href: `/report/${fresh}` }, was.has(fresh) ? "The last report" : "The report")),
        el("iframe", { src: `/report/${fresh}`, title: `Report ${fresh}`, sandbox: "" }));
      was = new Set(state.reports);
    }, 700);
  }
  place.replaceChildren(el("p", {}, el("a", { href: "/lab" }, "All labs")), el("h1", {}, card.title), el("p", {}, card.question), el("p", { class: "soft" }, card.story || ""),
    form, verdict, lines, frame,
    ...list("Watch for", card.watch_for), ...list("What is expected", card.expects),
    ...list("How it runs", [...card.variants.map((v) => v.note ? `${v.name}: ${v.note}` : v.name), ...card.steps.map((s) => `at ${s.at_s} s: ${s.text}`)]),
    ...list("The code that does it", card.code));
  follow();
}

const name = new URLSearchParams(location.search).get("name");
(name ? one(name) : all()).catch((error) => place.replaceChildren(el("p", { class: "bad" }, error.message)));
