/** A call as a picture: two lanes, one a peer, and what went from one to the other. */

import { element, svg } from "/static/elements.js";
import { later, timeOfDay } from "/static/words.js";

const ROW = 46;
const HEAD = 56;
const NARROW = 560;

/** What a step is called, and how it looks: an arrow to the other peer, or a mark on the own lane. */
const KINDS = {
  joined: ["joined", "mark"],
  left: ["left", "mark end"],
  resumed: ["came back", "mark"],
  lost: ["connection broken", "mark bad"],
  offer: ["offer", "arrow"],
  second_offer: ["second offer", "arrow warn"],
  restart: ["ICE restart, offer", "arrow"],
  answer: ["answer", "arrow"],
  first_candidate: ["first candidate", "arrow thin"],
  last_candidate: ["last candidate", "arrow thin"],
  end_of_candidates: ["end of candidates", "arrow thin"],
  rollback: ["gives its own offer up", "mark warn"],
  not_delivered: ["not delivered", "arrow bad stopped"],
  target_missing: ["nobody of that name", "arrow bad stopped"],
  waiting: ["waits for the other", "arrow warn stopped"],
};

const named = (kind) => KINDS[kind] ?? [kind.replaceAll("_", " "), "mark"];

const label = ({ kind, detail }) => (detail ? `${named(kind)[0]}: ${detail}` : named(kind)[0]);

/** Return a text that is no longer than fits. */
const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

/** Return what a call's step is in words, for those who do not see the picture. */
function inWords(step, start) {
  return `${later(step.at_ms, start)}: ${step.by === null ? "" : `${step.by}, `}${label(step)}`;
}

/** Draw a call into a place, in its width. */
export function drawCall(place, call) {
  const width = Math.max(280, place.clientWidth);
  const isNarrow = width < NARROW;
  const left = isNarrow ? 64 : 150;
  const lanes = [left + (isNarrow ? 26 : 70), width - (isNarrow ? 34 : 110)];
  const height = HEAD + call.steps.length * ROW + 14;
  const sides = new Map(call.peers.map((peer, index) => [peer.client_id, index]));
  const start = call.started_at_ms;

  const parts = lanes.map((x) => svg("line", { class: "lane", x1: x, x2: x, y1: HEAD - 8, y2: height }));
  lanes.forEach((x, side) => {
    const peer = call.peers[side];
    const name = peer === undefined ? "nobody" : peer.client_id;
    const most = Math.floor((isNarrow ? (lanes[1] - lanes[0]) / 2 + 24 : 200) / 8);
    const at = isNarrow ? { x: side === 0 ? x - 26 : x + 34, "text-anchor": side === 0 ? "start" : "end" } : { x, "text-anchor": "middle" };
    parts.push(svg("text", { class: `peer${peer === undefined ? " absent" : ""}`, y: 18, ...at }, cut(name, most)));
    if (peer !== undefined) {
      const type = peer.client_type ?? "";
      const words = [type, peer.is_here ? "" : "gone"].filter(Boolean).join(", ");
      parts.push(svg("text", { class: "kind", y: 36, ...at }, cut(words, most)));
    }
  });

  call.steps.forEach((step, index) => {
    const y = HEAD + index * ROW + ROW / 2;
    parts.push(svg("text", { class: "time", x: left - 12, y: y + 4, "text-anchor": "end" }, later(step.at_ms, start)));
    parts.push(...drawStep(step, sides.get(step.by) ?? 0, lanes, y, isNarrow));
  });
  const picture = svg("svg", { class: "sequence", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...parts);
  const words = element("ol", { className: "visually-hidden" },
    ...call.steps.map((step) => element("li", {}, inWords(step, start))));
  place.replaceChildren(picture, words);
}

/** Draw a step at a height. A narrow picture has its detail in a line of its own. */
function drawStep(step, side, lanes, y, isNarrow) {
  const letters = 7;
  const [, look] = named(step.kind);
  const from = lanes[side];
  const inner = side === 0 ? 1 : -1;
  const span = lanes[1] - lanes[0];
  if (look.startsWith("mark")) {
    const most = Math.floor((span - 30) / letters);
    return [
      svg("circle", { class: look, cx: from, cy: y, r: 5 }),
      svg("text", {
        class: `label ${look}`, x: from + inner * 16, y: y + 4, "text-anchor": side === 0 ? "start" : "end",
      }, cut(label(step), most)),
    ];
  }
  const isStopped = look.includes("stopped");
  const to = from + inner * (isStopped ? span * 0.72 : span - 3);
  const tip = to - inner * 9;
  const head = isStopped
    ? `M${to - 5},${y - 5}l10,10m0,-10l-10,10`
    : `M${tip},${y - 5}L${to},${y}L${tip},${y + 5}`;
  return [
    svg("path", { class: look, d: `M${from},${y}H${to}${head}` }),
    svg("circle", { class: look, cx: from, cy: y, r: 3 }),
    svg("text", { class: `label ${look}`, x: (lanes[0] + lanes[1]) / 2, y: y - 7, "text-anchor": "middle" },
      cut(isNarrow ? named(step.kind)[0] : label(step), Math.floor((span - 16) / letters))),
    ...(isNarrow && step.detail ? [svg("text", {
      class: "detail", x: (lanes[0] + lanes[1]) / 2, y: y + 14, "text-anchor": "middle",
    }, cut(step.detail, Math.floor((span - 8) / 6.2)))] : []),
  ];
}

/** Return a call's peers in a line: `phone1 → pc1`. */
export function peersOf(call) {
  return call.peers.map((peer) => peer.client_id).join(" → ") + (call.peers.length === 1 ? " → nobody" : "");
}

/** Return what is to be said of a call, and its tone. */
export function verdictOf({ diagnosis }) {
  if (diagnosis === null) return ["Too early to tell.", ""];
  return [diagnosis.sentence, diagnosis.is_problem ? "bad" : "good"];
}

/** Return when a call was, in words. */
export const whenOf = (call) => `began at ${timeOfDay(call.started_at_ms)}`;
