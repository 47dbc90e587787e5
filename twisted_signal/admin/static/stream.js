/** What the server tells of itself: a stream of events that comes back by itself, and requests. */

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** Milliseconds without a word after which the stream is broken: the server says something every 15 s. */
const SILENCE = 40_000;
const TOKEN = "vislam-signal-admin-token";

/** Take a token out of the address, where browsers and people would keep it. */
export function takeToken() {
  const found = /^#token=(.*)$/.exec(location.hash);
  if (found === null) return;
  saveToken(decoded(found[1]));
  history.replaceState(null, "", `${location.pathname}#/rooms`);
}

/** Return what a part of an address stands for; itself, where it is malformed. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function saveToken(token) {
  sessionStorage.setItem(TOKEN, token.trim());
}

export const hasToken = () => (sessionStorage.getItem(TOKEN) ?? "") !== "";

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  // Another site's page cannot send a header of its own, nor this type.
  return { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

/** Return a sentence about an answer that is an error. */
async function sentence(response) {
  const text = await response.text();
  try {
    const said = JSON.parse(text);
    return said.error?.message ?? said.error ?? said.message ?? text;
  } catch {
    return text.trim() || `The server answered with status ${response.status}.`;
  }
}

/** Send a request that changes something. Rejects with a sentence. */
export async function post(path) {
  const response = await fetch(path, { method: "POST", headers: headers(), body: "{}" });
  if (!response.ok) throw new Error(await sentence(response));
}

/** Give each event of a stream to a function. `chunks`: of text. */
export async function readEvents(chunks, onEvent) {
  let rest = "";
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) name = line.slice(7);
        if (line.startsWith("data: ")) data.push(line.slice(6));
      }
      if (data.length > 0) onEvent(name, JSON.parse(data.join("\n")));
    }
  }
}

/**
 * The events of one address at a time.
 *
 * `onState(state, values)`: "connecting"; "open"; "waiting" with `reason` and `retryAt` (as
 * performance.now()); "unauthorized"; "paused". `onEvent(name, data)`: a new connection begins anew, and
 * "open" comes before its first event.
 */
export class Stream {
  #onState;
  #onEvent;
  #abort = new AbortController();
  #path = "";

  constructor({ onState, onEvent }) {
    this.#onState = onState;
    this.#onEvent = onEvent;
  }

  /** Have the events of this address from now on. */
  open(path) {
    this.#path = path;
    this.#stop();
    this.#run(this.#abort.signal);
  }

  /** Have none, until it is opened again or goes on. */
  pause() {
    this.#stop();
    this.#onState("paused", {});
  }

  /** Try again, now. */
  goOn() {
    this.open(this.#path);
  }

  #stop() {
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  async #run(signal) {
    let pause = FIRST_PAUSE;
    this.#onState("connecting", {});
    while (!signal.aborted) {
      const attempt = new AbortController();
      let reason = "The server has ended the connection.";
      try {
        const response = await fetch(this.#path, {
          headers: headers(), cache: "no-store", signal: AbortSignal.any([signal, attempt.signal]),
        });
        if (response.status === 401) return this.#onState("unauthorized", {});
        if (response.ok) {
          this.#onState("open", {});
          await this.#read(response, attempt, () => { pause = FIRST_PAUSE; });
        } else {
          reason = await sentence(response);
        }
      } catch {
        reason = "The server cannot be reached.";
      }
      if (signal.aborted) return;
      const wait = pause * (0.75 + Math.random() / 2);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
      this.#onState("waiting", { reason, retryAt: performance.now() + wait });
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }

  async #read(response, attempt, onSuccess) {
    let timer;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => attempt.abort(), SILENCE);
    };
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    async function* chunks() {
      for (;;) {
        listen();
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    }
    try {
      await readEvents(chunks(), (name, data) => {
        onSuccess();
        this.#onEvent(name, data);
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
