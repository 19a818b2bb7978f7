// What every page needs: the frame, the token, words for errors, pictures as they come.

const PAGES = [["/", "Live path", "live"], ["/request", "Request", "request"], ["/stats", "Stats", "stats"],
  ["/waf", "Firewall", "waf"], ["/lab", "Lab", "lab"], ["/phone", "Phone", "phone"]];

// The token comes once, behind the #, which no browser sends to anybody; then it stays in
// this tab.  Without it everything can be seen and nothing changed.
const given = location.hash.match(/^#token=([\w-]+)$/);
if (given) {
  sessionStorage.setItem("edge-token", given[1]);
  history.replaceState(null, "", location.pathname + location.search);
}
const token = () => sessionStorage.getItem("edge-token") || "";

// All text goes through here, so nothing a phone sent can become markup.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

let fade;
export function toast(text) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(fade);
  fade = setTimeout(() => box.classList.remove("on"), 6000);
}

async function answerOf(response) {
  const value = await response.json();
  if (!response.ok) throw new Error(value.detail || value.title || response.statusText);
  return value;
}

export const get = async (path) => answerOf(await fetch(path));

export async function post(path, body) {
  return answerOf(await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "edge-token": token() },
    body: JSON.stringify(body),
  }));
}

export async function act(body) {
  try {
    const done = await post("/api/do", body);
    toast(done.detail);
    return done.ok;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

export const ms = (value) => value === null || value === undefined ? "" :
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export const traceLink = (id, text) => el("a", { href: `/request?id=${id}` }, text || id.slice(0, 8));

export function watch(draw) {
  const source = new EventSource("/api/events");
  const state = document.getElementById("state");
  source.onmessage = (event) => {
    const picture = JSON.parse(event.data);
    state.textContent = picture.connected ? "live" : "the hub is away; showing what was last known";
    state.className = picture.connected ? "good" : "warn";
    const stop = document.getElementById("stop");
    stop.textContent = picture.faults.length ? `Stop all faults (${picture.faults.length})` : "Stop all faults";
    stop.className = picture.faults.length ? "stop" : "";
    draw(picture);
  };
  source.onerror = () => {
    state.textContent = "no connection to the console";
    state.className = "bad";
  };
}

function frame() {
  const here = document.body.dataset.page;
  const links = PAGES.map(([path, name, page]) =>
    el("a", { href: path, "aria-current": page === here ? "page" : null }, name));
  document.querySelector("header").append(...[
    el("strong", {}, "edge"),
    el("nav", { "aria-label": "Pages" }, ...links),
    el("span", { id: "state", class: "soft" }, ""),
    token() ? null : el("span", { class: "pill warn", title: "open the address that `edge up` printed" }, "read only"),
    el("button", { id: "stop", type: "button", onclick: () => act({ action: "clear" }) }, "Stop all faults"),
  ].filter(Boolean));
}
frame();
