/** What all pages need: the fragment of their address, addresses of the server, and words. */

import { randomText } from "/client.js";

const ADJECTIVES = "amber brisk calm clear early fair gentle green kind light lucky mild quiet ready sunny swift warm wise";
const ANIMALS = "badger crane dove falcon finch fox hare heron ibis lark lynx marten otter owl robin seal stork swan";

/** Return the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Write a text where it is not there already, so that screen readers say it once. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say how things stand: `tone` is "good", "busy", "bad" or "". */
export function say(element, text, tone = "") {
  element.dataset.tone = tone;
  write(element, text);
}

/** Show a notice about what is wrong, or hide it where the text is empty. */
export function notice(text, tone = "bad") {
  byId("notice").hidden = text === "";
  say(byId("notice"), text, tone);
}

const isLoopback = (hostname) => ["localhost", "127.0.0.1", "[::1]"].includes(hostname);

/** Return what keeps a phone from a link to its page, or an empty text. */
export function linkHint(link) {
  const { protocol, hostname } = new URL(link);
  if (isLoopback(hostname)) {
    return "Only this machine reaches that address. Start the server with --host 0.0.0.0 for phones.";
  }
  return protocol === "https:" ? "" : "Phones give no camera to a page without https. Start the server with --self-signed.";
}

/** Return what stands in the fragment, which browsers keep to themselves: `room`, `id`, `token`. */
export function fragment() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** Put values into the fragment, without a new entry in the history. */
export function remember(values) {
  const all = new URLSearchParams({ ...fragment(), ...values });
  history.replaceState(null, "", `#${all}`);
}

/** Return a room's name that is read out and typed easily. */
export function randomRoom() {
  const [adjective, animal] = crypto.getRandomValues(new Uint8Array(2));
  const pick = (words, number) => words.split(" ")[number % words.split(" ").length];
  return `${pick(ADJECTIVES, adjective)}-${pick(ANIMALS, animal)}-${randomText(2)}`;
}

/** Return where the server takes WebSockets: where the page came from. */
export function socketUrl() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;
}

/**
 * Return what the server says of itself: `phone`, links to the phone's page, the best one first, and
 * `tokenRequired`. Rejects where it cannot be reached.
 */
export async function serverLinks() {
  const response = await fetch("/demo/links.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  const links = await response.json();
  return { phone: links.phone ?? [], tokenRequired: links.token_required === true };
}

/**
 * Return the phone page's link for a room: by the address of this page, where a phone can use that, or
 * by the best one that the server knows of itself. Behind a proxy only the first is right.
 */
export function phoneLink(links, { room, token }) {
  const values = new URLSearchParams({ room, ...(token ? { token } : {}) });
  const here = `${location.origin}/demo/phone`;
  const reachable = location.protocol === "https:" && !isLoopback(location.hostname);
  return `${reachable ? here : links.phone[0] ?? here}#${values}`;
}

/** Return the address of the QR code of a link. */
export const qrUrl = (link) => `/demo/qr.svg?link=${encodeURIComponent(link)}`;

/** Return how many seconds there are until then, as a reader counts them. */
export function secondsUntil(time) {
  return Math.max(1, Math.ceil((time - performance.now()) / 1000));
}

/** Return what is to be said of the connection to the server, and its tone; null where all is well. */
export function signalState(signal) {
  switch (signal.state) {
    case "connecting":
      return [signal.reason ? "Connecting to the server again …" : "Connecting to the server …", "busy"];
    case "waiting":
      return [`${signal.reason} Next try in ${secondsUntil(signal.retryAt)} s.`, "bad"];
    case "closed":
      return ["Not connected", "bad"]; // why is said where there is room for it
    default:
      return null;
  }
}

const REFUSALS = {
  unauthorized: "This token is not taken here.",
  forbidden: "This token is for something else.",
  id_taken: "Another page has this name in the room.",
  room_full: "The room is full.",
  replaced: "This page was opened somewhere else, which has taken over.",
};

/** Return what the server's refusal means, and what to do. */
export function refusal(error) {
  if (error.code === "unauthorized" && !fragment().token) {
    return "This server lets in only who shows a token. Enter yours below.";
  }
  const lead = REFUSALS[error.code];
  return lead ? `${lead} ${error.message}` : error.message;
}
