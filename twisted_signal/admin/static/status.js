/** The status page: what the operator looks at stands in the address, what is seen comes as events. */

import { element, say, showRows, write } from "/static/elements.js";
import { Calls, Clients, Rooms } from "/static/lists.js";
import { Plots, extended } from "/static/plots.js";
import { drawCall, peersOf, verdictOf, whenOf } from "/static/sequence.js";
import { Stream, decoded, hasToken, post, saveToken, takeToken } from "/static/stream.js";
import { EMPTY, applied } from "/static/changes.js";
import { counted, duration, short, whole } from "/static/words.js";

const LIMIT = 50;
/** Milliseconds after which a page that nobody sees wants no more events. */
const UNSEEN = 15_000;

const byId = (id) => document.getElementById(id);

// -- what is looked at -------------------------------------------------------------------------

/** Return what the address says: {view, name, search, offset, problems, node}. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [list = "", ...rest] = path.split("/");
  const values = new URLSearchParams(query);
  const name = rest.length > 0 ? decoded(rest.join("/")) : "";
  const found = ["rooms", "clients", "calls"].includes(list) ? list : "rooms";
  const view = name === "" || found === "clients" ? found : found === "rooms" ? "room" : "call";
  return {
    list: found, view, name, search: values.get("search") ?? "", problems: values.get("problems") === "1", node: values.get("node") ?? "",
    offset: Math.max(0, Number.parseInt(values.get("offset") ?? "0", 10) || 0),
  };
}

/** Return the address of something to look at, as a link. */
function link({ list, name = "", search = "", offset = 0, problems = false, node = "" }) {
  const values = new URLSearchParams();
  if (search) values.set("search", search);
  if (problems) values.set("problems", "1");
  if (node) values.set("node", node);
  if (offset > 0) values.set("offset", offset);
  const query = values.size > 0 ? `?${values}` : "";
  return `#/${list}${name ? `/${encodeURIComponent(name)}` : ""}${query}`;
}

/** Return where the events of that come from. */
function eventsOf({ view, name, search, offset, problems, node }) {
  const values = new URLSearchParams({ view, limit: LIMIT });
  if (search) values.set("search", search);
  if (offset > 0) values.set("offset", offset);
  if (view === "room") values.set("room", name);
  if (view === "call") values.set("call", name);
  if (problems) values.set("problems", "1");
  if (node) values.set("node", node);
  return `/api/v1/events?${values}`;
}

// -- what is known -----------------------------------------------------------------------------

let looked = route();
let server = null;
let skew = 0;
let series = {};
let listings = {};
let lists = {};
const serverNow = () => Date.now() + skew;
const plots = new Plots(byId("plots"));

const stream = new Stream({
  onState(state, values) {
    connection = { state, ...values };
    if (state === "open") listings = {};
    if (state === "unauthorized") askForToken();
    showConnection();
  },
  onEvent(name, data) {
    if (name === "server") {
      server = { ...data, toldAt: performance.now() };
      skew = data.started_at_ms + data.uptime_s * 1000 - Date.now();
      byId("contents").hidden = false;
      showServer();
    } else if (name === "rates") {
      series = extended(series, data);
      plots.show(series, data.step_s);
    } else {
      listings[name] = applied(listings[name] ?? EMPTY, data);
      showListing(name);
    }
    showConnection();
  },
});

// -- the connection to the server ----------------------------------------------------------------

let connection = { state: "connecting" };
let isLost = false;

function showConnection() {
  const { state, reason, retryAt } = connection;
  if (state === "waiting") isLost = true;
  if (state === "open" || state === "unauthorized") isLost = false;
  const contents = byId("contents");
  contents.classList.toggle("stale", isLost || state === "unauthorized");
  switch (state) {
    case "open":
      return say(byId("state"), "Live", "good");
    case "waiting": {
      const seconds = Math.max(1, Math.ceil((retryAt - performance.now()) / 1000));
      return say(byId("state"), `${reason} Next try in ${seconds} s.`, "bad");
    }
    case "unauthorized":
      return say(byId("state"), "A token is needed", "bad");
    case "paused":
      return say(byId("state"), "Paused", "");
    default:
      return say(byId("state"), isLost ? "Connecting again …" : "Connecting …", "busy");
  }
}

function notice(text, tone = "bad") {
  byId("notice").hidden = text === "";
  say(byId("notice"), text, tone);
}

function askForToken() {
  byId("contents").hidden = true;
  if (hasToken()) notice("This token is not the server’s.");
  byId("token-form").hidden = false;
  byId("token").value = "";
  byId("token").focus();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saveToken(byId("token").value);
  byId("token-form").hidden = true;
  notice("");
  stream.goOn();
});

let unseen;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => stream.pause(), UNSEEN);
  else if (connection.state === "paused") stream.goOn();
});

// -- the server ------------------------------------------------------------------------------------

function showServer() {
  write(byId("version"), `${server.version}`);
  plots.showNow(server);
  write(byId("urls"), server.urls.join("  ") || "nowhere");
  if (server.draining) say(byId("health"), "Draining", "busy");
  else if (server.cluster_up === false) say(byId("health"), "Cut off from the cluster", "bad");
  else say(byId("health"), "Healthy", "good");
  document.title = server.draining ? "Draining – vislam-signal" : "Status – vislam-signal";
  const problems = server.problems ?? 0;
  const tab = document.querySelector('[data-view="calls"]');
  tab.replaceChildren("Calls", ...(problems > 0 ? [badge(problems)] : []));
  showUptime();
  showNodes();
}

/** Show the nodes, where there are several: each leads to its part of the list, and back to the whole. */
function showNodes() {
  const { nodes } = server;
  byId("contents").classList.toggle("clustered", nodes.length > 1);
  byId("nodes").hidden = nodes.length < 2;
  showRows(byId("nodes"), new Map(nodes.map((node) => [node.name, node])), makeNode);
  const silent = nodes.filter((node) => !node.reachable).map((node) => node.name);
  byId("missing").hidden = silent.length === 0 && server.cluster_up !== false;
  write(byId("missing"), server.cluster_up === false
    ? `This node, ${server.node}, cannot reach the others: what is shown is its own part.`
    : `${silent.join(" and ")} ${silent.length === 1 ? "does" : "do"} not answer: what is there is left out.`);
}

function makeNode(node) {
  const state = element("span", { className: "state" }, node.name);
  const words = element("span", { className: "soft small" });
  const anchor = element("a", {}, state, words);
  const made = element("li", {}, anchor);
  made.show = ({ name, reachable, draining, clients }) => {
    const isChosen = looked.node === name;
    say(state, name, !reachable ? "bad" : draining ? "busy" : "good");
    write(words, !reachable ? "does not answer" : `${draining ? "draining, " : ""}${counted(clients, "client")}`);
    anchor.href = link({ list: looked.list, search: looked.search, problems: looked.problems, node: isChosen ? "" : name });
    if (isChosen) anchor.setAttribute("aria-current", "true");
    else anchor.removeAttribute("aria-current");
  };
  return made;
}

function badge(count) {
  const made = document.createElement("span");
  made.className = "badge";
  made.append(`${short(count)} `, Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: count === 1 ? "problem" : "problems" }));
  return made;
}

function showUptime() {
  if (server === null || isLost) return;
  write(byId("uptime"), duration(server.uptime_s + (performance.now() - server.toldAt) / 1000));
}

// -- the list, the room or the call ------------------------------------------------------------------

const TITLES = { rooms: "Rooms", clients: "Clients", calls: "Calls" };

/** Look at what the address says. */
function look() {
  looked = route();
  const { view, list, name, search, problems } = looked;
  for (const tab of document.querySelectorAll(".tabs a")) {
    if (tab.dataset.view === list) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const isPart = view === "room" || view === "call";
  byId("back").hidden = !isPart;
  byId("back").href = link({ list });
  write(byId("back-name"), TITLES[list]);
  write(byId("sight-title"), view === "room" ? name : view === "call" ? "Call" : TITLES[list]);
  write(byId("sight-note"), "");
  byId("sight").setAttribute("aria-busy", "true");
  byId("search-form").hidden = isPart;
  if (document.activeElement !== byId("search")) byId("search").value = search;
  byId("problems").hidden = view !== "calls";
  for (const button of byId("problems").children) {
    button.setAttribute("aria-pressed", (button.dataset.problems === "1") === problems);
  }
  byId("pager").hidden = true;
  byId("call").hidden = true;
  byId("call").replaceChildren();
  makeLists(view);
  notice("");
  if (server !== null) showNodes();
  stream.open(eventsOf(looked));
}

function makeLists(view) {
  const made = {
    rooms: () => ({ rooms: new Rooms({ serverNow }) }),
    clients: () => ({ clients: new Clients({ onDisconnect: disconnect, inRoom: false }) }),
    calls: () => ({ calls: new Calls({ serverNow }) }),
    room: () => ({ clients: new Clients({ onDisconnect: disconnect, inRoom: true }), calls: new Calls({ serverNow }) }),
    call: () => ({}),
  };
  lists = made[view]();
  listings = {};
  byId("lists").replaceChildren();
}

function showListing(name) {
  byId("sight").setAttribute("aria-busy", "false");
  const listing = listings[name];
  if (name === "call") return showCall(listing);
  const list = lists[name];
  if (list === undefined) return undefined; // of what was looked at before
  if (!list.element.isConnected) {
    byId("lists").append(list.element);
    if (looked.search !== "") write(list.note, `Nothing has “${looked.search}” in it.`);
    else if (looked.problems) write(list.note, "No call has a problem.");
  }
  list.show(listing.rows);
  if (looked.view === "room") {
    if (name === "clients") {
      write(byId("sight-note"), listing.total > 0 ? counted(listing.total, "client") : "");
      write(list.note, "The room is closed: nobody is in it.");
      showPager(listing);
    } else {
      list.element.hidden = listing.total === 0;
    }
    return undefined;
  }
  write(byId("sight-note"), [
    looked.search || looked.problems ? `${whole(listing.total)} found` : whole(listing.total),
    looked.node && `on ${looked.node}`,
  ].filter(Boolean).join(" "));
  return showPager(listing);
}

function showPager({ total, rows }) {
  const { offset } = looked;
  byId("pager").hidden = total <= LIMIT && offset === 0;
  write(byId("range"), rows.size === 0 ? `none of ${whole(total)}`
    : `${whole(offset + 1)} to ${whole(offset + rows.size)} of ${whole(total)}`);
  for (const [id, to, exists] of [
    ["previous", Math.max(0, offset - LIMIT), offset > 0], ["next", offset + LIMIT, offset + LIMIT < total],
  ]) {
    const { list, name, search, problems, node } = looked;
    if (exists) byId(id).href = link({ list, name, search, problems, node, offset: to });
    else byId(id).removeAttribute("href");
    byId(id).setAttribute("aria-disabled", !exists);
  }
}

function showCall({ rows }) {
  const [call] = rows.values();
  byId("call").hidden = false;
  if (call === undefined) {
    write(byId("sight-note"), "");
    byId("call").replaceChildren(Object.assign(document.createElement("p"), {
      className: "empty soft", textContent: "This call is not kept any more: the server remembers the last 200.",
    }));
    return;
  }
  write(byId("sight-title"), peersOf(call));
  write(byId("sight-note"), `in ${call.room_id}, ${whenOf(call)}`);
  const place = byId("call");
  if (place.querySelector(".verdict") === null) {
    const verdict = Object.assign(document.createElement("p"), { className: "notice verdict" });
    const picture = Object.assign(document.createElement("div"), { className: "picture" });
    const note = Object.assign(document.createElement("p"), { className: "soft small left-out" });
    place.replaceChildren(verdict, picture, note);
  }
  say(place.querySelector(".verdict"), ...verdictOf(call));
  drawCall(place.querySelector(".picture"), call);
  write(place.querySelector(".left-out"),
    call.steps_left_out > 0 ? `${counted(call.steps_left_out, "more step")} not kept.` : "");
}

new ResizeObserver(() => {
  if (looked.view === "call" && listings.call !== undefined) showCall(listings.call);
}).observe(byId("sight"));

// -- what can be done ----------------------------------------------------------------------------------

function disconnect(client) {
  const name = client.client_id ?? client.address;
  const dialog = byId("confirm");
  write(byId("confirm-title"), `Disconnect ${name}?`);
  write(byId("confirm-text"), client.state === "away"
    ? "Its place is given up. Nothing keeps it from coming back."
    : "Its calls go on if they are established. Nothing keeps it from coming back.");
  dialog.returnValue = "";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      await post(`/api/v1/clients/${encodeURIComponent(client.key)}/disconnect`);
      notice(`${name} was disconnected.`, "good");
    } catch (error) {
      notice(`${name} could not be disconnected. ${error.message}`);
    }
  };
  dialog.showModal();
}

let typing;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 200);
});
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});

function search() {
  clearTimeout(typing);
  const { list, problems, node } = looked;
  const wanted = byId("search").value.trim();
  if (wanted === looked.search) return;
  history.replaceState(null, "", link({ list, problems, node, search: wanted }));
  look();
}

byId("problems").addEventListener("click", ({ target }) => {
  if (target.dataset.problems === undefined) return;
  location.hash = link({
    list: "calls", search: looked.search, problems: target.dataset.problems === "1", node: looked.node,
  });
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("confirm").open) return;
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.key === "/" && !isTyping && !byId("search-form").hidden) {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "Escape" && !isTyping && !byId("back").hidden) {
    byId("back").click();
  }
});

addEventListener("hashchange", () => {
  takeToken();
  const { view } = looked;
  look();
  if (view !== looked.view) byId("sight-title").focus({ preventScroll: true });
});

setInterval(() => {
  showConnection();
  showUptime();
  if (!isLost) for (const list of Object.values(lists)) for (const row of list.body.children) row.tick?.();
}, 1000);

takeToken();
look();
