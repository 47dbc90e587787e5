/**
 * A client of vislam-signal for pages in browsers: one file, no dependencies.
 *
 *     import { connect, connectPeer } from "https://HOST:8766/client.js";
 *     const signal = await connect("wss://HOST:8766", { room: "lab1", clientId: "pc", clientType: "pc" });
 *     for await (const event of signal) {
 *       if (event.type !== "offer") continue;
 *       const pc = new RTCPeerConnection();
 *       pc.ontrack = ({ streams }) => { video.srcObject = streams[0]; };
 *       connectPeer(signal, pc, { peerId: event.peerId, offer: event });
 *     }
 *
 * What is said on the wire: docs/protocol.md. All types: client.d.ts. Times are in milliseconds.
 */

const PING_INTERVAL_MS = 4_000;
const PING_TIMEOUT_MS = 4_000;
const CONFIRM_MS = 500; // after which is asked whether what was sent has arrived
const PROBE_TIMEOUT_MS = 2_000; // after the network came back: an answer is near or never comes
const ENTER_TIMEOUT_MS = 8_000;
const LONGEST_PAUSE_MS = 10_000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1; // beyond which setTimeout fires at once
const CAREFUL = 8; // messages at a time, for a server that has refused some for their number
const MAX_EVENTS = 1_000; // that wait for who reads none

const GATHERING_MS = 500;
const LOST_MS = 2_000; // after which ICE is restarted where it lost the peer: it calls it failed much later

const ABANDONED = 4000; // any code but 1000, which would give up the place in the room
const FINAL_CLOSE_CODES = {
  1002: "protocol_error", 1003: "protocol_error", 1007: "protocol_error", 1009: "message_too_big",
  4401: "unauthorized", 4403: "forbidden", 4409: "replaced", 4410: "dismissed",
};

/** What went wrong; `code` is the protocol's, or `unreachable`, `closed` and so on of the client's own. */
export class SignalError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "SignalError";
    this.code = code;
  }
}

/** Connect, and enter the room; rejects with a SignalError when refused, or not in within `timeoutMs`. */
export async function connect(url, { timeoutMs = 10_000, ...options } = {}) {
  const signal = new Signal(url, options);
  let timer;
  const late = new Promise((_, reject) => {
    const unreachable = () => reject(new SignalError("unreachable", `No answer from ${url}. ${signal.reason}`));
    timer = setTimeout(unreachable, timeoutMs);
  });
  try {
    await Promise.race([signal.ready, late]);
  } catch (error) {
    signal.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return signal;
}

/**
 * A place in a room, which outlives connections. It comes back by itself: see `state` and the events
 * `statechange`, `iceservers` and `event`; what peers and the server say comes out of `for await`.
 */
export class Signal extends EventTarget {
  state = "connecting"; // then "connected", "waiting" (for the next try) or "closed"
  reason = ""; // in words, why it is not connected
  retryAt = 0; // when the next try is, on performance.now()'s clock
  peers = new Map(); // types by ids, in the order in which they joined; "" until the type is known
  iceServers = [];

  #url;
  #registration;
  #token;
  #options;
  #socket = null;
  #registered = false; // at least once
  #resumeToken = null;
  #received = 0; // since `registered` or `resumed`: what `resume` tells
  #attempts = 0;
  #notBefore = 0; // the server asks for it
  #timer = 0; // for what is expected next: an answer, or the next look whether it is silent
  #retryTimer = 0;
  #flushTimer = 0;
  #confirmTimer = 0;
  #iceTimer = 0;
  #heard = 0; // when something came last
  #outbox = []; // what is not known to have arrived
  #window = Infinity; // how many may be on their way
  #sent = 0; // how many of the outbox went out by this connection
  #pings = []; // for each that is not answered, how many of the outbox went before it
  #newcomers = new Set(); // who came while the connection was away, and is not told of yet
  #events = [];
  #readers = [];
  #settleReady;
  #error = null;

  constructor(url, { room = "default", clientType = "unknown", clientId, token = null, ...options } = {}) {
    super();
    this.#url = url;
    this.room = room;
    this.clientId = clientId ?? `${clientType}-${randomText(6)}`;
    this.clientType = clientType;
    this.#registration = { client_id: this.clientId, room_id: room, client_type: clientType };
    this.#token = token;
    this.#options = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS, ...options };
    /** Settles when the room is entered for the first time, or cannot be. */
    this.ready = new Promise((resolve, reject) => { this.#settleReady = { resolve, reject }; });
    this.ready.catch(() => {}); // who does not wait for it hears of it by `for await`
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#open();
  }

  /** Relay an offer or answer: an RTCSessionDescriptionInit, or its `sdp` alone. */
  sendOffer(peerId, sdp) { this.#relay({ type: "offer", target_id: peerId, sdp: description("offer", sdp) }); }
  sendAnswer(peerId, sdp) { this.#relay({ type: "answer", target_id: peerId, sdp: description("answer", sdp) }); }

  /** Relay an RTCIceCandidateInit, or null at the end of candidates. */
  sendIceCandidate(peerId, candidate) { this.#relay({ type: "ice_candidate", target_id: peerId, candidate }); }

  /** Relay any JSON to a peer, or to all in the room. It may be lost where the connection breaks. */
  sendMessage(data, peerId = null) {
    this.#relay({ type: "message", data, ...(peerId === null ? {} : { target_id: peerId }) });
  }

  /** Show a fresh token before the one that was shown expires. */
  renewToken(token) {
    this.#token = token;
    if (this.state === "connected") this.#say({ type: "token", token });
  }

  /** Leave the room for good. */
  close() { this.#end(null, 1000); }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const event = await this.#next();
      if (event === null) return;
      yield event;
    }
  }

  /** Take from what waits to be read all that a peer said of its call. */
  takeCallEvents(peerId) {
    const mine = (event) => event.peerId === peerId && CALL_EVENTS.includes(event.type);
    const taken = this.#events.filter(mine);
    this.#events = this.#events.filter((event) => !mine(event));
    return taken;
  }

  #next() {
    if (this.#events.length) return Promise.resolve(this.#events.shift());
    if (this.#error) return Promise.reject(this.#error);
    if (this.state === "closed") return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  #emit(event) {
    // Who calls preventDefault() has dealt with it.
    if (!this.dispatchEvent(new CustomEvent("event", { detail: event, cancelable: true }))) return;
    if (this.#readers.length) this.#readers.shift().resolve(event);
    else if (this.#events.push(event) > MAX_EVENTS) this.#events.shift();
  }

  #setState(state, reason = "") {
    [this.state, this.reason] = [state, reason];
    this.dispatchEvent(new Event("statechange"));
  }

  // -- one connection ------------------------------------------------------------------------

  #open() {
    const socket = new WebSocket(this.#url); // throws where the URL is none
    this.#socket = socket;
    if (this.state !== "connecting") this.#setState("connecting", this.reason);
    this.#expect(ENTER_TIMEOUT_MS, () => this.#broke("The server does not answer."));
    socket.onopen = () => this.#enter();
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (code in FINAL_CLOSE_CODES) {
        const why = sentence(reason) || `The server ended the connection with code ${code}.`;
        this.#end(new SignalError(FINAL_CLOSE_CODES[code], why));
      } else {
        const why = code === 1006 ? "The server cannot be reached." : "The server has gone away.";
        this.#broke(sentence(reason) || why);
      }
    };
  }

  #enter() {
    if (this.#resumeToken !== null) {
      this.#say({ type: "resume", resume_token: this.#resumeToken, received: this.#received });
      return;
    }
    const token = this.#token === null ? {} : { token: this.#token };
    this.#say({ type: "register", ...this.#registration, resume: true, ice_servers: true, ...token });
  }

  #entered(message) {
    const [again, resumed] = [this.#registered, message.type === "resumed"];
    this.#registered = true;
    this.#resumeToken = message.resume_token ?? null;
    this.#received = 0;
    this.#attempts = 0;
    this.#pings = [];
    const before = this.peers;
    this.peers = new Map(message.peers.map((peerId) => [peerId, before.get(peerId) ?? ""]));
    // Who resumes says again what may not have arrived; a peer can take all of it twice but for
    // `message`. After a fresh registration, what was said belongs to a call of before.
    this.#outbox = this.#outbox.filter((one, index) =>
      one.type === "message" ? index >= this.#sent : resumed);
    this.#sent = 0;
    this.#setState("connected");
    this.#takeIceServers(message);
    this.#flush();
    this.#watch();
    if (!again) this.#settleReady.resolve();
    else this.#emit({ type: "reconnected", resumed });
    if (again && !resumed) { // who came and went meanwhile; those who came, when their types are known
      this.#newcomers = new Set(message.peers.filter((peerId) => !before.has(peerId)));
      for (const peerId of before.keys()) {
        if (!this.peers.has(peerId)) this.#emit({ type: "peer_left", peerId });
      }
    }
    if ([...this.peers.values()].includes("")) this.#say({ type: "peers" });
  }

  #broke(reason) {
    if (this.state === "connected") this.#emit({ type: "disconnected", reason });
    this.#drop();
    const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.#attempts++) * (0.5 + Math.random() / 2);
    this.#retryIn(pause);
    this.#setState("waiting", reason);
  }

  #retryIn(pause) {
    const now = performance.now();
    this.retryAt = Math.max(now + pause, this.#notBefore);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#open(), this.retryAt - now);
  }

  #drop(code = ABANDONED) {
    clearTimeout(this.#timer);
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#confirmTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #end(error, code = ABANDONED) {
    if (this.state === "closed") return;
    this.#drop(code);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#iceTimer);
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#error = error;
    this.#settleReady.reject(error ?? new SignalError("closed", "Closed before the room was entered."));
    for (const { resolve, reject } of this.#readers.splice(0)) error ? reject(error) : resolve(null);
    this.#setState("closed", error?.message ?? "");
  }

  // -- is anybody there? ---------------------------------------------------------------------

  #expect(ms, late) {
    clearTimeout(this.#timer);
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      // A timer that is very late says that the page slept, not that the server is silent.
      if (performance.now() > due + 1_000 && this.state === "connected") this.#ping();
      else late();
    }, ms);
  }

  /** Look from time to time whether something came, and ask where nothing did. */
  #watch() {
    this.#expect(this.#options.pingIntervalMs, () => {
      const silent = performance.now() - this.#heard >= this.#options.pingIntervalMs / 2;
      if (silent || this.#outbox.length) this.#ping();
      else this.#watch();
    });
  }

  #ping(timeoutMs = this.#options.pingTimeoutMs) {
    this.#pings.push(this.#sent);
    this.#say({ type: "ping" });
    this.#expect(timeoutMs, () => this.#broke("The server does not answer."));
  }

  /** The network came back, or the page is seen again: do not wait for any timer. */
  #wake = (event) => {
    if (event.type === "visibilitychange" && document.visibilityState !== "visible") return;
    if (this.state === "connected") {
      this.#ping(PROBE_TIMEOUT_MS);
    } else if (this.state === "waiting") {
      this.#attempts = 0;
      this.#retryIn(0);
    } else if (this.state === "connecting" && event.type === "online") {
      this.#drop(); // what was begun without a network may hang for long
      this.#retryIn(0);
    }
  };

  // -- what comes ------------------------------------------------------------------------------

  #receive(message) {
    this.#received += 1;
    this.#heard = performance.now();
    if (this.state === "connected") this.#watch();
    const peerId = message.sender_id ?? message.client_id;
    switch (message.type) {
      case "registered":
      case "resumed":
        this.#entered(message);
        break;
      case "peer_joined":
        this.#newcomers.delete(peerId);
        this.peers.delete(peerId); // who comes again is last
        this.peers.set(peerId, message.client_type);
        this.#emit({ type: "peer_joined", peerId, clientType: message.client_type });
        break;
      case "peer_left":
        this.peers.delete(peerId);
        this.#emit({ type: "peer_left", peerId });
        break;
      case "peers":
        this.peers = new Map(message.peers.map((one) => [one.client_id, one.client_type]));
        this.#emit({ type: "peers", peers: new Map(this.peers) });
        for (const [one, clientType] of this.peers) {
          if (this.#newcomers.delete(one)) this.#emit({ type: "peer_joined", peerId: one, clientType });
        }
        break;
      case "answer":
      case "offer":
        if (message.type === "answer") this.#arrived(1 + this.#outbox.findLastIndex(
          (one, index) => one.type === "offer" && one.target_id === peerId && index < this.#sent));
        this.#emit({ type: message.type, peerId, sdp: description(message.type, message.sdp) });
        break;
      case "ice_candidate":
        this.#emit({ type: "ice_candidate", peerId, candidate: candidateInit(message.candidate) });
        break;
      case "message":
        this.#emit({ type: "message", peerId, data: message.data });
        break;
      case "pong":
        this.#arrived(this.#pings.shift() ?? 0);
        this.#flush();
        break;
      case "ice_servers":
        this.#takeIceServers(message);
        break;
      case "server_shutdown":
        this.#wait(message.reconnect_in_ms);
        break;
      case "error":
        this.#refused(message);
        break;
      default: // of a later server
    }
  }

  #refused({ code, message, target_id: targetId = null, retry_after_ms: retryAfterMs = null }) {
    if (retryAfterMs !== null) {
      // All is refused until then, pings too; what was refused is said again, bit by bit.
      this.#window = CAREFUL;
      this.#wait(retryAfterMs);
      this.#pings = [];
      this.#sent = 0;
      const again = this.state === "connected" ? () => this.#flush() : () => this.#enter();
      clearTimeout(this.#flushTimer);
      this.#flushTimer = setTimeout(again, retryAfterMs);
    } else if (this.state !== "connected" && code === "resume_expired") {
      this.#resumeToken = null;
      this.#enter();
      return;
    } else if (this.state !== "connected" || code === "unauthorized" || code === "forbidden") {
      this.#end(new SignalError(code, message));
      return;
    }
    this.#emit({ type: "error", code, message, targetId, retryAfterMs });
  }

  /** So many of the outbox have arrived: the server takes messages in their order. */
  #arrived(count) {
    this.#outbox.splice(0, count);
    this.#sent -= count;
    this.#pings = this.#pings.map((before) => Math.max(0, before - count));
  }

  #wait(ms) { this.#notBefore = Math.max(this.#notBefore, performance.now() + ms); }

  #takeIceServers({ ice_servers: iceServers, ice_servers_expire_in_ms: expireInMs = null }) {
    if (iceServers === undefined) return; // `resumed` has none, and an older server
    clearTimeout(this.#iceTimer);
    this.iceServers = iceServers;
    this.dispatchEvent(new Event("iceservers"));
    if (expireInMs === null) return;
    const renew = () => {
      if (this.state === "connected") this.#say({ type: "ice_servers" });
      else this.#iceTimer = setTimeout(renew, 1_000);
    };
    this.#iceTimer = setTimeout(renew, Math.min(MAX_TIMEOUT_MS, Math.max(1_000, expireInMs * 0.8)));
  }

  // -- what goes -------------------------------------------------------------------------------

  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #relay(message) {
    if (this.state === "closed") throw this.#error ?? new SignalError("closed", "The connection was closed.");
    this.#outbox.push(message);
    this.#flush();
  }

  #flush() {
    if (this.state !== "connected" || performance.now() < this.#notBefore - 1) return;
    const before = this.#sent;
    while (this.#sent < Math.min(this.#outbox.length, this.#window)) this.#say(this.#outbox[this.#sent++]);
    const confirm = () => { if (this.#outbox.length && !this.#pings.length) this.#ping(); };
    clearTimeout(this.#confirmTimer);
    if (this.#window === Infinity) this.#confirmTimer = setTimeout(confirm, CONFIRM_MS);
    else if (this.#sent > before) confirm();
  }
}

// -- calls ---------------------------------------------------------------------------------------

const CALL_EVENTS = ["offer", "answer", "ice_candidate"];

/**
 * Run offers, answers and candidates of a connection with a peer, from either side.
 *
 * Add tracks and data channels before or after. Both sides may offer at any time ("perfect negotiation",
 * W3C webrtc-pc, section 10.7): the one with the smaller id gives way. A call outlives broken signaling;
 * ICE is restarted where it failed, or when the network or the server has come back and it is not connected.
 *
 * Without `peerId` it is whoever is first in the room. `offer` is the event that told of this call.
 */
export function connectPeer(signal, pc, { peerId = null, offer = null } = {}) {
  return new Call(signal, pc, peerId ?? offer?.peerId ?? null, offer);
}

class Call {
  /** Settles, with a word, when the call is over: "renewed" by the peer, "closed" here, or an Error. */
  ended;

  #signal;
  #pc;
  #peerId = null;
  #end;
  #over = false;
  #makingOffer = false;
  #ignoring = false; // the peer's offer, which met ours, and its candidates
  #fingerprint = null; // of the peer's certificate: another one is another RTCPeerConnection
  #answered = null; // the last offer of the peer's, and our answer
  #applied = null; // the last answer of the peer's
  #candidates = []; // that came before there was a description
  #lostTimer = 0;
  #work = Promise.resolve(); // what came, one after the other

  constructor(signal, pc, peerId, offer) {
    this.#signal = signal;
    this.#pc = pc;
    this.ended = new Promise((resolve) => { this.#end = resolve; });
    this.#takeIceServers();
    signal.addEventListener("event", this.#onEvent);
    signal.addEventListener("iceservers", this.#takeIceServers);
    signal.addEventListener("statechange", this.#onSignalState);
    pc.addEventListener("negotiationneeded", this.#onNegotiationNeeded);
    pc.addEventListener("icecandidate", this.#onCandidate);
    pc.addEventListener("iceconnectionstatechange", this.#onIceState);
    globalThis.addEventListener?.("online", this.#recover);
    peerId ??= [...signal.peers.keys()][0] ?? null;
    if (peerId !== null) this.#meet(peerId);
    if (offer !== null) this.#take(offer);
    if (peerId !== null) for (const event of signal.takeCallEvents(peerId)) this.#take(event);
  }

  get peerId() { return this.#peerId; }

  /** End the call, and with it the connection. */
  close() {
    this.#finish("closed");
    this.#pc.close();
  }

  /** Which of two ids gives way: the smaller one by code points, not by UTF-16 as `<` has it. */
  get #polite() {
    const [mine, theirs] = [[...this.#signal.clientId], [...this.#peerId]];
    const at = mine.findIndex((character, index) => character !== theirs[index]);
    if (at === -1) return true;
    return at < theirs.length && mine[at].codePointAt(0) < theirs[at].codePointAt(0);
  }

  #meet(peerId) {
    this.#peerId = peerId;
    this.#sendOffer();
  }

  #finish(how) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#lostTimer);
    this.#signal.removeEventListener("event", this.#onEvent);
    this.#signal.removeEventListener("iceservers", this.#takeIceServers);
    this.#signal.removeEventListener("statechange", this.#onSignalState);
    this.#pc.removeEventListener("negotiationneeded", this.#onNegotiationNeeded);
    this.#pc.removeEventListener("icecandidate", this.#onCandidate);
    this.#pc.removeEventListener("iceconnectionstatechange", this.#onIceState);
    globalThis.removeEventListener?.("online", this.#recover);
    this.#end(how);
  }

  #onSignalState = () => {
    if (this.#signal.state === "closed") this.#finish("closed");
  };

  #onNegotiationNeeded = async () => {
    // The event may be late, when an offer is out already; another one now would be mistaken for that one
    // when the answer comes. What it does not say is asked for again when the state is stable.
    if (this.#makingOffer || this.#pc.signalingState !== "stable") return;
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      if (this.#peerId !== null && !this.#over) this.#sendOffer();
    } catch (error) {
      if (this.#pc.signalingState !== "closed") this.#finish(error);
    } finally {
      this.#makingOffer = false;
    }
  };

  /** Say the offer that is not answered yet, if there is one, with the candidates that are known by now. */
  #sendOffer() {
    if (this.#pc.signalingState !== "have-local-offer") return;
    this.#signal.sendOffer(this.#peerId, { type: "offer", sdp: this.#pc.localDescription.sdp });
  }

  #onCandidate = ({ candidate }) => {
    // One with no text ends a generation; null, which ends them all, says that too. Those that are found
    // before there is a peer stand in the description that it gets.
    if (this.#peerId === null || candidate?.candidate === "") return;
    this.#signal.sendIceCandidate(this.#peerId, candidate?.toJSON() ?? null);
  };

  #onIceState = () => {
    clearTimeout(this.#lostTimer);
    const state = this.#pc.iceConnectionState;
    if (state === "failed") this.#pc.restartIce();
    else if (state === "disconnected") this.#lostTimer = setTimeout(this.#recover, LOST_MS);
  };

  #recover = () => {
    clearTimeout(this.#lostTimer);
    const { iceConnectionState, signalingState } = this.#pc;
    const lost = ["new", "disconnected", "failed"].includes(iceConnectionState) && this.#pc.remoteDescription;
    if (lost && signalingState === "stable") this.#pc.restartIce(); // else it is being talked of already
  };

  #takeIceServers = () => {
    const [pc, { iceServers }] = [this.#pc, this.#signal];
    if (iceServers.length && pc.signalingState !== "closed") {
      pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
    }
  };

  #onEvent = (domEvent) => {
    const event = domEvent.detail;
    switch (event.type) {
      case "reconnected":
        this.#afterBreak(event);
        return;
      case "peer_joined":
        if (this.#peerId === null) this.#meet(event.peerId);
        else if (event.peerId === this.#peerId) this.#sendOffer();
        return;
      case "offer":
      case "answer":
      case "ice_candidate":
        if (this.#peerId === null) this.#meet(event.peerId);
        if (event.peerId === this.#peerId && this.#take(event)) domEvent.preventDefault();
        return;
      default:
    }
  };

  #afterBreak({ resumed }) {
    if (!resumed && this.#signal.peers.has(this.#peerId)) this.#sendOffer();
    const lost = !resumed && this.#pc.remoteDescription && // a candidate, perhaps
      !["connected", "completed"].includes(this.#pc.iceConnectionState);
    if (lost) this.#pc.restartIce();
    else this.#recover();
  }

  /** Deal with what the peer said of the call; false where it is of a call after this one. */
  #take(event) {
    if (event.type !== "ice_candidate") {
      const fingerprint = /^a=fingerprint:(.*?)\s*$/m.exec(event.sdp.sdp)?.[1].toUpperCase() ?? null;
      const another = this.#fingerprint !== null && fingerprint !== this.#fingerprint;
      if (another || this.#pc.signalingState === "closed") {
        this.#finish(another ? "renewed" : "closed");
        return false;
      }
      this.#fingerprint = fingerprint;
    }
    this.#work = this.#work.then(() => this.#handle(event)).catch((error) => {
      if (this.#pc.signalingState !== "closed") this.#finish(error);
    });
    return true;
  }

  async #handle(event) {
    if (this.#over) return;
    if (event.type === "ice_candidate") {
      if (this.#pc.remoteDescription === null) this.#candidates.push(event.candidate);
      else if (!this.#ignoring) await this.#addCandidate(event.candidate);
      return;
    }
    const pc = this.#pc;
    const content = contentOf(event.sdp.sdp);
    if (event.type === "answer" && (pc.signalingState !== "have-local-offer" || content === this.#applied)) {
      return; // it came twice, the second time perhaps when another offer is out
    }
    if (event.type === "offer" && content === this.#answered?.offer) { // said again, for the answer was lost
      for (const candidate of candidatesOf(event.sdp.sdp)) await this.#addCandidate(candidate);
      this.#signal.sendAnswer(this.#peerId, this.#answered.answer);
      return;
    }
    const collides = event.type === "offer" && (this.#makingOffer || pc.signalingState !== "stable");
    this.#ignoring = collides && !this.#polite;
    if (this.#ignoring) return;
    if (collides) await this.#firstCandidate();
    await pc.setRemoteDescription(event.sdp); // takes an offer of ours back, where there is one
    for (const candidate of this.#candidates.splice(0)) await this.#addCandidate(candidate);
    clearTimeout(this.#lostTimer);
    this.#lostTimer = setTimeout(this.#recover, LOST_MS);
    if (event.type === "answer") {
      this.#applied = content;
      return;
    }
    await pc.setLocalDescription();
    this.#answered = { offer: content, answer: { type: "answer", sdp: pc.localDescription.sdp } };
    this.#signal.sendAnswer(this.#peerId, this.#answered.answer);
  }

  /**
   * Wait until there is a candidate for our offer, though it is taken back then. Chromium finds none for the
   * answer, nor after any restart of ICE, where the search had only begun (156: once in 100 times).
   */
  async #firstCandidate() {
    const pc = this.#pc;
    if (pc.iceGatheringState === "complete" || /^a=candidate/m.test(pc.localDescription?.sdp ?? "")) return;
    await new Promise((resolve) => {
      pc.addEventListener("icecandidate", resolve, { once: true });
      setTimeout(resolve, GATHERING_MS); // none comes where there is no network
    });
  }

  async #addCandidate(candidate) {
    // One of before an ICE restart, or of an offer that was taken back, is not wanted any more.
    await this.#pc.addIceCandidate(candidate).catch(() => {});
  }
}

// -- forms ---------------------------------------------------------------------------------------

function description(type, sdp) {
  return typeof sdp === "string" ? { type, sdp } : { ...sdp, type };
}

/** A close reason has no room for a full stop. */
function sentence(reason) {
  return reason && !reason.endsWith(".") ? `${reason}.` : reason;
}

function candidateInit(candidate) {
  if (typeof candidate === "string") return { candidate, sdpMLineIndex: 0 };
  return candidate?.candidate ? candidate : null;
}

/** What a description says without the candidates that were known when it was written down. */
function contentOf(sdp) {
  const lines = sdp.split(/\r?\n/).filter((line) => !/^(a=candidate:|a=end-of-candidates|a=rtcp:|c=)/.test(line));
  return lines.map((line) => line.replace(/^(m=\w+) \d+/, "$1")).join("\n");
}

function candidatesOf(sdp) {
  return sdp.split(/^m=/m).slice(1).flatMap((section, sdpMLineIndex) =>
    (section.match(/^a=candidate:.*/gm) ?? []).map((line) => ({ candidate: line.slice(2).trim(), sdpMLineIndex })));
}

/** As many letters and digits that are not easily mistaken for each other. */
export function randomText(length) {
  const alphabet = "23456789abcdefghjkmnpqrstuvwxyz";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => alphabet[byte % 31]).join("");
}
