/** Types of client.js, the JavaScript client of vislam-signal. Times are in milliseconds. */

/** The protocol's codes, and those of the client's own. */
export type ErrorCode =
  | "invalid_json" | "invalid_message" | "unknown_type" | "not_registered" | "peer_not_found" | "id_taken"
  | "room_full" | "peer_unreachable" | "resume_expired" | "rate_limited" | "unauthorized" | "forbidden"
  | "unreachable" | "closed" | "replaced" | "protocol_error" | "message_too_big"
  | (string & {});

export class SignalError extends Error {
  constructor(code: ErrorCode, message: string);
  readonly code: ErrorCode;
}

export interface SignalOptions {
  /** Default: "default". */
  room?: string;
  /** Unique within the room. Default: a random one that begins with the type. */
  clientId?: string;
  /** "pc", "phone", "android" or any other. Default: "unknown". */
  clientType?: string;
  /** A JSON Web Token, where the server wants one. */
  token?: string | null;
  /** Silence after which the server is asked whether it is there. Default: 4000. */
  pingIntervalMs?: number;
  /** How long it may take to answer that. Default: 4000. */
  pingTimeoutMs?: number;
}

export interface ConnectOptions extends SignalOptions {
  /** How long to try before `connect` rejects with the code "unreachable". Default: 10000. */
  timeoutMs?: number;
}

/** Somebody came into the room. */
export interface PeerJoined { type: "peer_joined"; peerId: string; clientType: string }
/** Somebody left the room; a call with them may go on nevertheless. */
export interface PeerLeft { type: "peer_left"; peerId: string }
export interface Offer { type: "offer"; peerId: string; sdp: RTCSessionDescriptionInit }
export interface Answer { type: "answer"; peerId: string; sdp: RTCSessionDescriptionInit }
/** `candidate` is null at the end of candidates. */
export interface IceCandidate { type: "ice_candidate"; peerId: string; candidate: RTCIceCandidateInit | null }
/** What a peer said to you, or to the room. */
export interface Message { type: "message"; peerId: string; data: unknown }
/** The types of who is in the room, by ids: told after entering where somebody is there. */
export interface Peers { type: "peers"; peers: Map<string, string> }
/** The server refused a message; `targetId` is whom it was for. What passes is tried again by itself. */
export interface ServerError {
  type: "error"; code: ErrorCode; message: string; targetId: string | null; retryAfterMs: number | null;
}
/** The connection broke; it is tried again by itself. `reason` is in words. */
export interface Disconnected { type: "disconnected"; reason: string }
/**
 * The connection broke and is there again: `resumed` without a loss, or else by a fresh registration, as
 * after a restart of the server. Who came and went meanwhile is told after this.
 */
export interface Reconnected { type: "reconnected"; resumed: boolean }

export type SignalEvent =
  | PeerJoined | PeerLeft | Offer | Answer | IceCandidate | Message | Peers | ServerError | Disconnected
  | Reconnected;

export type SignalState = "connecting" | "connected" | "waiting" | "closed";

export interface SignalEventMap {
  statechange: Event;
  iceservers: Event;
  /** Each SignalEvent, before it comes out of the iterator; preventDefault() keeps it from there. */
  event: CustomEvent<SignalEvent>;
}

export class Signal extends EventTarget implements AsyncIterable<SignalEvent> {
  /** Begins to connect at once, and keeps trying until `close()`, or until it is refused. */
  constructor(url: string | URL, options?: SignalOptions);
  readonly room: string;
  readonly clientId: string;
  readonly clientType: string;
  /** Resolves when the room is entered for the first time; rejects with a SignalError. */
  readonly ready: Promise<void>;
  readonly state: SignalState;
  /** In words, why it is not connected. */
  readonly reason: string;
  /** In the state "waiting", when the next try is, on performance.now()'s clock. */
  readonly retryAt: number;
  /**
   * The types of who else is in the room, by ids, in the order in which they joined; "" for the moment until
   * the type is known, which the event `peers` tells.
   */
  readonly peers: Map<string, string>;
  /** For RTCConfiguration; renewed before they expire, with the event `iceservers`. */
  readonly iceServers: RTCIceServer[];

  sendOffer(peerId: string, sdp: RTCSessionDescriptionInit | string): void;
  sendAnswer(peerId: string, sdp: RTCSessionDescriptionInit | string): void;
  sendIceCandidate(peerId: string, candidate: RTCIceCandidateInit | null): void;
  /** Without `peerId`: to all in the room. */
  sendMessage(data: unknown, peerId?: string | null): void;
  /** Show a fresh token before the one that was shown expires. */
  renewToken(token: string): void;
  /** Take from what waits to be read all offers, answers and candidates of a peer. */
  takeCallEvents(peerId: string): (Offer | Answer | IceCandidate)[];
  /** Leave the room for good; the iterator ends. */
  close(): void;

  /** Ends after `close()`; throws a SignalError when the connection has ended for good. */
  [Symbol.asyncIterator](): AsyncGenerator<SignalEvent, void, void>;

  addEventListener<K extends keyof SignalEventMap>(
    type: K, listener: (this: Signal, event: SignalEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Connect, and enter the room. Rejects with a SignalError. */
export function connect(url: string | URL, options?: ConnectOptions): Promise<Signal>;

export interface Call {
  /** Null until somebody is there, where none was named. */
  readonly peerId: string | null;
  /**
   * How the call ended: "renewed" when the peer began anew with another RTCPeerConnection (its offer then
   * comes out of the iterator), "closed" here or with the Signal, or an Error of the RTCPeerConnection's.
   */
  readonly ended: Promise<"renewed" | "closed" | Error>;
  /** End the call, and close the RTCPeerConnection. */
  close(): void;
}

export interface CallOptions {
  /** Default: whoever is first in the room. */
  peerId?: string | null;
  /** The event that told of the call, if it came out of the iterator. */
  offer?: Offer | null;
}

/**
 * Run offer, answer and candidates of a connection with a peer, from either side. Call it in the same turn
 * in which tracks and data channels are first added.
 */
export function connectPeer(signal: Signal, pc: RTCPeerConnection, options?: CallOptions): Call;

/** Random letters and digits that are not easily mistaken for each other. */
export function randomText(length: number): string;
