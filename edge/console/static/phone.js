// A phone: skeleton, feed, pictures; and what each of them felt like.

import { el, get, ms, post, toast, traceLink } from "/static/app.js";
import { fall, headline } from "/static/fall.js";

const screen = document.getElementById("screen");
const felt = document.getElementById("felt");
const form = document.getElementById("dial");
const PICTURES_MAX = 4;

const timings = el("tbody");
const table = el("table", {}, el("caption", {}, "What it felt like"),
  el("thead", {}, el("tr", {}, ...["what", "status", "ms", "bytes", "cache", "trace"].map((name, at) => el("th", { class: at === 2 || at === 3 ? "n" : "" }, name)))), timings);
const whole = el("p", { id: "total", "aria-live": "polite" });
const picture = el("div");
felt.append(whole, table, picture);

async function ask(path, more = {}) {
  const data = new FormData(form);
  const began = performance.now();
  const done = await post("/api/phone", { path, city: data.get("city"), account: data.get("account"), cold: false, ...more });
  const took = done.picture.total_us / 1000;
  const cache = (done.headers.find(([name]) => name === "cache-status") || ["", ""])[1];
  timings.append(el("tr", { class: done.status >= 500 || done.failed ? "down" : "" }, el("td", {}, path.slice(0, 48)), el("td", {}, done.failed || String(done.status)),
    el("td", { class: "n" }, ms(took)), el("td", { class: "n" }, String(done.bytes)), el("td", {}, cache.replace("edge-cache; ", "")), el("td", {}, traceLink(done.trace_id))));
  return { ...done, took, felt: performance.now() - began };
}

function skeleton() {
  screen.replaceChildren(...[1, 2].map(() => el("div", { class: "post" }, el("p", { class: "soft" }, "▒▒▒▒▒▒▒▒"), el("div", { class: "picture" }))));
}

function mediaOf(item) {
  const text = JSON.stringify(item);
  const found = text.match(/\/media\/[\w.\/-]+/);
  return found ? found[0] : null;
}

const nameOf = (item) => item?.user?.username || item?.author?.username || item?.username || item?.user?.name || "somebody";

async function refresh() {
  const button = form.querySelector("button");
  button.disabled = true;
  timings.replaceChildren();
  picture.replaceChildren();
  whole.textContent = "loading";
  skeleton();
  const began = performance.now();
  try {
    const feed = await ask("/api/v1/feed/timeline/", { cold: Boolean(new FormData(form).get("cold")) });
    if (feed.failed || feed.status !== 200) {
      screen.replaceChildren(el("p", { class: "bad" }, feed.failed || `The feed says ${feed.status}.`), el("p", { class: "soft" }, (feed.text || "").slice(0, 300)));
      whole.textContent = `no feed after ${ms(performance.now() - began)} ms`;
      return;
    }
    const feedAt = performance.now() - began;
    const value = JSON.parse(feed.text);
    const items = value.feed_items || value.items || value.feed || [];
    const degraded = value.degraded || [];
    const posts = items.slice(0, 10).map((wrapped) => {
      const item = wrapped.media_or_ad || wrapped.media || wrapped;
      const image = el("img", { class: "picture", alt: item.caption?.text || item.caption || `a picture of ${nameOf(item)}` });
      return { node: el("article", { class: "post" }, el("strong", {}, nameOf(item)), image, el("p", {}, String(item.caption?.text || item.caption || ""))), image, media: mediaOf(item) };
    });
    const tray = el("div", { class: "tray", "aria-label": "Stories" });
    screen.replaceChildren(tray, degraded.length ? el("p", { class: "warn" }, `without ${degraded.join(", ")}`) : "", ...posts.map((post) => post.node));
    const stories = await ask("/api/v1/feed/reels_tray/");
    const reels = stories.status === 200 ? JSON.parse(stories.text) : {};
    tray.replaceChildren(...(reels.tray || reels.reels || []).slice(0, 8).map((reel) => el("span", {}, el("i", { "aria-hidden": "true" }, nameOf(reel).slice(0, 1).toUpperCase()), nameOf(reel))));
    for (const post of posts.slice(0, PICTURES_MAX)) {
      if (!post.media) continue;
      const media = await ask(post.media);
      if (media.data) post.image.src = media.data;
    }
    const picturesAt = performance.now() - began;
    const path = await get(`/api/trace/${feed.trace_id}`);
    picture.replaceChildren(el("h2", {}, "The feed's way"), headline(path), fall(path));
    whole.textContent = `first feed after ${ms(feedAt)} ms, pictures after ${ms(picturesAt)} ms`;
  } catch (error) {
    toast(error.message);
    whole.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
