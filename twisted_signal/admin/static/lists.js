/** The lists: rooms, clients and calls, each row an element that shows what it is told. */

import { element, say, showRows, write } from "/static/elements.js";
import { peersOf, verdictOf } from "/static/sequence.js";
import { counted, duration, milliseconds, timeOfDay, whole } from "/static/words.js";

const STATES = { here: ["here", "good"], away: ["away", "busy"], entering: ["in no room", ""] };
const DIALECTS = { readme: "documented", flat: "app" };

export const roomLink = (name) => `#/rooms/${encodeURIComponent(name)}`;
export const callLink = (key) => `#/calls/${encodeURIComponent(key)}`;
/** The column that there is where there are several nodes. */
const NODE = "Node";

/** A cell of a table. `title`: of its column, which a small screen shows beside it. */
function cell(title, ...children) {
  return element("td", { role: "cell", className: title === NODE ? "of-node small" : "", dataset: { title } }, ...children);
}

function table(label, columns) {
  const body = element("tbody", { role: "rowgroup" });
  const heads = columns.map((column) => element("th", { role: "columnheader", scope: "col", className: column === NODE ? "of-node" : "" },
    column === "" ? element("span", { className: "visually-hidden" }, "What can be done") : column));
  // The roles are said, for they are lost where a small screen shows the rows as blocks.
  const made = element("table", { role: "table", ariaLabel: label },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)), body);
  return { made, body };
}

/** Return seconds that go on by themselves. `row`: as it was told at `toldAt`, of performance.now(). */
const running = (row) => row.connected_for_s + (performance.now() - row.toldAt) / 1000;

/** A list on the screen. `element`: to put into the page. */
class List {
  constructor(made, body, empty) {
    this.body = body;
    this.made = made;
    this.note = element("p", { className: "empty soft", hidden: true }, empty);
    this.element = element("div", { className: "list" }, made, this.note);
  }

  /** Show rows. `rows`: a Map by key. */
  show(rows) {
    showRows(this.body, rows, (row) => this.make(row));
    this.made.hidden = rows.size === 0;
    this.note.hidden = rows.size > 0;
  }
}

export class Rooms extends List {
  constructor({ serverNow }) {
    const { made, body } = table("Rooms", ["Room", "Clients", NODE, "Open for"]);
    super(made, body, "No room is open. A room opens when the first client registers in it.");
    this.serverNow = serverNow;
  }

  make(room) {
    const [clients, nodes, age] = ["Clients", NODE, "Open for"].map((title) => cell(title));
    const made = element("tr", { role: "row" },
      cell("Room", element("a", { href: roomLink(room.room_id), className: "name" }, room.room_id)), clients, nodes, age);
    made.show = (now) => {
      write(clients, whole(now.clients));
      write(nodes, now.nodes.join(", "));
      made.tick = () => write(age, duration((this.serverNow() - now.opened_at_ms) / 1000));
      made.tick();
    };
    return made;
  }
}

export class Clients extends List {
  constructor({ onDisconnect, inRoom }) {
    const columns = ["Client", ...(inRoom ? [] : ["Room"]), NODE, "Dialect", "Address", "Round trip", "Connected for", "Messages", ""];
    const { made, body } = table("Clients", columns);
    super(made, body, "Nobody is connected.");
    this.onDisconnect = onDisconnect;
    this.inRoom = inRoom;
    made.classList.add("clients");
  }

  make() {
    const state = element("span", { className: "state dot" });
    const name = element("span", { className: "name" });
    const type = element("span", { className: "soft small" });
    const room = element("a", {});
    const [node, dialect, address, roundTrip, age, messages] =
      [NODE, "Dialect", "Address", "Round trip", "Connected for", "Messages"].map((title) => cell(title));
    address.classList.add("mono", "small");
    let told;
    const button = element("button", { type: "button", className: "button quiet slim", onclick: () => this.onDisconnect(told) }, "Disconnect");
    const made = element("tr", { role: "row" },
      cell("Client", element("div", { className: "client" }, state, element("span", { className: "who" }, name, type))),
      ...(this.inRoom ? [] : [cell("Room", room)]),
      node, dialect, address, roundTrip, age, messages, cell("", button));
    made.show = (now) => {
      told = now;
      const [words, tone] = STATES[now.state] ?? [now.state, ""];
      say(state, "", tone);
      write(name, now.client_id ?? "(no name yet)");
      name.classList.toggle("soft", now.client_id === null);
      write(type, [now.client_type, now.state === "here" ? "" : words].filter(Boolean).join(", "));
      write(room, now.room_id ?? "");
      room.href = now.room_id === null ? "#/rooms" : roomLink(now.room_id);
      write(dialect, now.dialect === null ? "–" : DIALECTS[now.dialect] ?? now.dialect);
      write(node, now.node ?? "");
      write(address, now.address ?? "–");
      write(roundTrip, milliseconds(now.round_trip_ms));
      write(messages, whole(now.messages));
      button.setAttribute("aria-label", `Disconnect ${now.client_id ?? now.address}`);
      made.tick = () => write(age, duration(running(now)));
      made.tick();
    };
    return made;
  }
}

export class Calls extends List {
  constructor({ serverNow }) {
    const body = element("ul", { className: "calls", ariaLabel: "Calls" });
    super(body, body, "No call so far. A call begins when two clients meet in a room.");
    this.serverNow = serverNow;
  }

  make(call) {
    const peers = element("a", { className: "name", href: callLink(call.key) });
    const room = element("span", { className: "soft small" });
    const sentence = element("p", { className: "state" });
    const age = element("span", { className: "soft small push" });
    const made = element("li", {},
      element("div", { className: "line" }, peers, room, age), sentence);
    made.show = (now) => {
      write(peers, peersOf(now));
      const where = now.node === null ? "" : ` · seen by ${now.node}`;
      write(room, `in ${now.room_id} · ${counted(now.step_count, "step")}${where}`);
      say(sentence, ...verdictOf(now));
      made.tick = () => write(age, `${duration((this.serverNow() - now.last_step_at_ms) / 1000)} ago`);
      age.title = timeOfDay(now.last_step_at_ms);
      made.tick();
    };
    return made;
  }
}
