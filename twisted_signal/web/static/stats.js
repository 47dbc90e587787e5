/** Figures of a call, from what WebRTC counts (W3C webrtc-stats). */

/** Rates between one look and the next, in units a second. */
class Rates {
  #last = null;

  /** Return how fast each count grew since the last look; null for those without two looks. */
  take(time, counts) {
    const [last, seconds] = [this.#last, (time - (this.#last?.time ?? time)) / 1000];
    this.#last = { time, counts };
    return Object.fromEntries(Object.entries(counts).map(([name, count]) => {
      const before = last?.counts[name];
      return [name, seconds > 0 && before !== undefined && count >= before ? (count - before) / seconds : null];
    }));
  }
}

/** Looks at a connection now and then. */
export class CallStats {
  #pc;
  #rates = new Rates();

  constructor(pc) { this.#pc = pc; }

  /**
   * Return the video's `width` and `height` in pixels, `framesPerSecond`, `megabitsPerSecond`,
   * `roundTripMs`, and whether a TURN server is between, `relayed`; null for what is not known.
   */
  async take() {
    const all = [...(await this.#pc.getStats()).values()];
    const rtp = (type) => all.find((one) => one.type === type && one.kind === "video");
    const video = rtp("inbound-rtp") ?? rtp("outbound-rtp");
    const pair = selectedPair(all);
    const frames = video?.framesDecoded ?? video?.framesEncoded;
    const bytes = video?.bytesReceived ?? video?.bytesSent;
    const rates = video === undefined ? {} : this.#rates.take(video.timestamp, { frames, bytes });
    const ends = [pair?.localCandidateId, pair?.remoteCandidateId];
    return {
      width: video?.frameWidth ?? null,
      height: video?.frameHeight ?? null,
      frames: frames ?? 0,
      framesPerSecond: rates.frames ?? null,
      megabitsPerSecond: rates.bytes == null ? null : rates.bytes * 8 / 1e6,
      roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
      relayed: pair ? all.some((one) => ends.includes(one.id) && one.candidateType === "relay") : null,
    };
  }
}

function selectedPair(all) {
  const transport = all.find((one) => one.type === "transport" && one.selectedCandidatePairId);
  return all.find((one) => one.id === transport?.selectedCandidatePairId)
    // Firefox has no `transport`, but marks the pair.
    ?? all.find((one) => one.type === "candidate-pair" && one.selected);
}

/** Return a number with its unit for people, or a dash. */
export function figure(value, unit, digits = 0) {
  return value === null || !Number.isFinite(value) ? "–" : `${value.toFixed(digits)} ${unit}`;
}

/** Return a resolution for people. */
export function resolution({ width, height }) {
  return width ? `${width} × ${height}` : "–";
}
