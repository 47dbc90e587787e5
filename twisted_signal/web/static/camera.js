/** The phone's camera, and its screen, which is to stay on meanwhile. */

const WANTED = {
  audio: false,
  video: {
    facingMode: { ideal: "environment" }, // the back camera, where there is one
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30 },
  },
};

const REASONS = {
  NotAllowedError: "The camera is not allowed. Allow it in the browser’s settings for this page, then tap Start.",
  NotFoundError: "This device has no camera that the browser could use.",
  NotReadableError: "Another app has the camera. Close it, then tap Start.",
  AbortError: "The camera did not start. Tap Start to try again.",
};

/** Return a stream of the back camera. Rejects with an Error in words that say what to do. */
export async function openCamera() {
  try {
    return await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera did not start: ${error.message}`, { cause: error });
  }
}

/** Keeps the screen on; browsers let it go whenever the page is out of sight. */
export class Wakefulness {
  #wanted = false;
  #lock = null;
  #told;

  /** `told` is called with whether the screen stays on, each time that changes. */
  constructor(told) {
    this.#told = told;
    document.addEventListener("visibilitychange", () => this.#acquire());
  }

  start() {
    this.#wanted = true;
    return this.#acquire();
  }

  stop() {
    this.#wanted = false;
    this.#lock?.release();
  }

  async #acquire() {
    if (!this.#wanted || this.#lock !== null || document.visibilityState !== "visible") return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
      this.#lock.addEventListener("release", () => {
        this.#lock = null;
        this.#told(false);
      });
    } catch {
      this.#lock = null; // low battery, or a browser that cannot
    }
    this.#told(this.#lock !== null);
  }
}
