// One request: the waterfall, a card for each span, a step at a time, beside another one.

import { el, get, ms, post, toast } from "/static/app.js";
import { fall, headline, parts } from "/static/fall.js";

const out = document.getElementById("out");
const form = document.getElementById("ask");
const MARKS = { "+": ["added", "good"], "-": ["dropped", "bad"], "~": ["rewritten", "warn"] };

function facts(title, ...groups) {
  const pairs = groups.flat().filter(([, value]) => value !== "" && value !== null && value !== undefined);
  if (!pairs.length) return null;
  return el("section", {}, el("h3", {}, title),
    el("dl", { class: "facts" }, ...pairs.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])));
}

// What a proxy did to the fields: each that it touched; those that it let through are counted.
function changes(title, found) {
  if (!found.length) return null;
  const touched = found.filter(([mark]) => mark), through = found.length - touched.length;
  const lines = touched.map(([mark, name, before, after]) => {
    const [word, tone] = MARKS[mark];
    return [el("dt", {}, el("span", { class: `mark ${tone}`, role: "img", "aria-label": word, title: word }, mark === "-" ? "\u2212" : mark), name),
      el("dd", {}, mark === "~" ? el("del", {}, before) : null, mark === "~" ? " " : null, mark === "-" ? el("del", {}, before) : after)];
  });
  return el("section", {}, el("h3", {}, title), el("dl", { class: "facts" }, ...lines.flat()),
    el("p", { class: "soft" }, `${through} more as they came`));
}

function card(picture, at) {
  const row = picture.rows[at], step = row.step;
  const proxied = step.asked !== "";
  return el("div", { class: "card step", "aria-live": "polite" },
    el("h2", {}, `${at + 1} of ${picture.rows.length}: ${row.title} ${row.text}`),
    el("p", { class: "soft" }, `at ${ms(row.start_us / 1000)} ms, took ${ms((row.end_us - row.start_us) / 1000)} ms, ${ms(row.self_us / 1000)} ms of it its own`),
    row.error ? el("p", { class: "bad" }, `failed: ${row.error}`) : null,
    facts("Came in", step.came_in),
    facts("Headers in", step.headers_in),
    facts("Decided", [["rule", step.rule], ["why", row.why]], step.decided),
    changes(`Headers passed on to ${step.asked}`, step.passed_on),
    facts("Went out", step.went_out),
    step.given_back.length ? changes(`Headers given back from ${step.asked}`, step.given_back) : facts("Headers out", step.headers_out),
    el("p", { class: "soft origin" }, `span ${step.span}`, step.source ? el("br") : null, step.source ? el("code", {}, step.source) : null));
}

function show(picture) {
  let at = 0;
  const side = el("div", { class: "side" });
  const falls = fall(picture, choose);
  const lines = falls.querySelectorAll(".span");
  function choose(next) {
    at = Math.max(0, Math.min(picture.rows.length - 1, next));
    lines.forEach((line, number) => line.classList.toggle("chosen", number === at));
    side.replaceChildren(card(picture, at));
  }
  const steps = el("div", { class: "row", role: "group", "aria-label": "Step through the request" },
    el("button", { type: "button", onclick: () => choose(0) }, "begin"),
    el("button", { type: "button", id: "back", onclick: () => choose(at - 1) }, "back"),
    el("button", { type: "button", id: "step", onclick: () => choose(at + 1) }, "step"),
    el("span", { class: "soft" }, "or the arrow keys"));
  const story = el("details", {}, el("summary", {}, "What happened, in sentences"), el("ol", { class: "story" }, ...picture.story.map((line) => el("li", {}, line))));
  const box = el("section", { tabindex: "0", "aria-label": `${picture.title}: a step at a time with the arrow keys` },
    headline(picture), parts(picture), steps, el("div", { class: "two wide" }, falls, side), story);
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight" || event.key === "ArrowDown") { event.preventDefault(); choose(at + 1); }
    if (event.key === "ArrowLeft" || event.key === "ArrowUp") { event.preventDefault(); choose(at - 1); }
  });
  choose(0);
  return box;
}

// Row by row of the first, beside the row of the same name in the second.
function compare(one, two) {
  const took = (row) => (row.end_us - row.start_us) / 1000;
  const left = [...two.rows];
  const lines = one.rows.map((row) => {
    const found = left.findIndex((other) => other.title.replace(/-\d+$/, "") === row.title.replace(/-\d+$/, "") && other.text === row.text);
    const other = found >= 0 ? left.splice(found, 1)[0] : null;
    return [row, other];
  }).concat(left.map((other) => [null, other]));
  return el("table", {}, el("caption", {}, "Side by side"),
    el("thead", {}, el("tr", {}, ...["what", "first, ms", "second, ms", "difference"].map((name, at) => el("th", { class: at ? "n" : "" }, name)))),
    el("tbody", {}, ...lines.map(([row, other]) => {
      const change = row && other ? took(other) - took(row) : null;
      const named = row || other;
      return el("tr", {}, el("td", {}, `${"\u2003".repeat(named.depth)}${named.title} ${named.text}`),
        el("td", { class: "n" }, row ? ms(took(row)) : "-"), el("td", { class: "n" }, other ? ms(took(other)) : "-"),
        el("td", { class: `n ${change > 1 ? "bad" : change < -1 ? "good" : ""}` }, change === null ? "" : `${change > 0 ? "+" : ""}${change.toFixed(2)}`));
    })));
}

async function load() {
  const query = new URLSearchParams(location.search);
  const id = query.get("id"), other = query.get("other");
  form.elements.id.value = id || "";
  form.elements.other.value = other || "";
  if (!id) {
    out.replaceChildren(el("p", { class: "soft" }, "Type a trace id (the x-request-id of any answer), choose a request on the live page, or make one."));
    return;
  }
  try {
    const first = await get(`/api/trace/${id}`);
    const parts = [show(first)];
    if (other) {
      const second = await get(`/api/trace/${other}`);
      parts.push(el("h2", {}, "The other one"), show(second), compare(first, second));
    }
    out.replaceChildren(...parts);
  } catch (error) {
    out.replaceChildren(el("p", { class: "bad" }, error.message));
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = new URLSearchParams({ id: form.elements.id.value.trim() });
  if (form.elements.other.value.trim()) query.set("other", form.elements.other.value.trim());
  history.pushState(null, "", `/request?${query}`);
  load();
});
document.getElementById("new").addEventListener("click", async () => {
  try {
    const done = await post("/api/phone", { path: "/api/v1/feed/timeline/", city: "jaipur", account: "ada", cold: true });
    const before = form.elements.id.value;
    history.pushState(null, "", `/request?id=${done.trace_id}`);
    await load();
    form.elements.other.value = before;
  } catch (error) { toast(error.message); }
});
addEventListener("popstate", load);
load();
