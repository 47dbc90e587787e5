/** The phone's accelerometer and gyroscope, in the VI-SLAM project's data model. */

const RADIANS = Math.PI / 180;
const CLEAR = 3; // m/s²: how much of gravity must show along "up" before it tells which sign it has
const LOOKS = 5;

/**
 * Ask for permission, where the system wants that (iOS; only from a tap): null where it is given, else
 * why there will be no samples, in words.
 */
export async function askForMotion() {
  if (typeof DeviceMotionEvent === "undefined") return "This browser has no motion sensors.";
  if (typeof DeviceMotionEvent.requestPermission !== "function") return null;
  const answers = await Promise.all([DeviceMotionEvent, globalThis.DeviceOrientationEvent]
    .map((sensor) => sensor?.requestPermission?.().catch(() => "denied") ?? "granted"));
  if (answers[0] === "granted") return null;
  return "Motion sensors are not allowed. To allow them, close the page and open it again.";
}

/**
 * Tells which sign this browser gives to gravity.
 *
 * The specification (Device Orientation and Motion, `accelerationIncludingGravity`) adds an acceleration
 * opposite to gravity's: a phone that lies on its back says z = +9.8, as Android's sensors do. WebKit on
 * iOS passes on CoreMotion's values, which point the other way: −9.8. As a sensor cannot tell gravity from
 * acceleration, all of the vector is turned round then. Who does so is not believed by name, but found by
 * the event `deviceorientation`, whose angles mean the same everywhere and tell where up is.
 */
export class GravitySign {
  #up = null;
  #votes = 0;
  #guess;

  constructor(vendor = navigator.vendor ?? "") {
    this.#guess = vendor.startsWith("Apple") ? -1 : 1; // until the angles have told
  }

  /** Take the angles of a `deviceorientation`, in degrees. */
  orient({ beta, gamma }) {
    if (beta === null || gamma === null) return;
    const [x, y] = [beta * RADIANS, gamma * RADIANS];
    // The last row of Z-X'-Y'' (the specification's appendix): the Earth's up in the phone's axes.
    this.#up = [-Math.cos(x) * Math.sin(y), Math.sin(x), Math.cos(x) * Math.cos(y)];
  }

  /** Return 1, or -1 where an acceleration is to be turned round. */
  of([x, y, z]) {
    if (this.#up !== null && Math.abs(this.#votes) < LOOKS) {
      const along = x * this.#up[0] + y * this.#up[1] + z * this.#up[2];
      if (Math.abs(along) > CLEAR) this.#votes += Math.sign(along);
    }
    return Math.abs(this.#votes) < LOOKS ? this.#guess : Math.sign(this.#votes);
  }
}

/**
 * Return a sample as JSON text, or null where the event has not all of it.
 *
 * `rotationRate` has `alpha` about x, `beta` about y and `gamma` about z, in degrees a second: so all
 * browsers have done it from the beginning, and so the specification says since its pull request 43 (w3c/
 * deviceorientation). It is not what `alpha` means in `deviceorientation`.
 *
 * The time is that of the system's clock in nanoseconds, of which a page is told 5 to 100 µs; it is written
 * as text, for a Number has no more than 53 bits.
 */
export function sampleText({ accelerationIncludingGravity: a, rotationRate: r, timeStamp }, sign) {
  const acceleration = a && [a.x, a.y, a.z];
  const rotation = r && [r.alpha, r.beta, r.gamma];
  if (![acceleration, rotation].every((all) => all?.every(Number.isFinite))) return null;
  const microseconds = Math.round((performance.timeOrigin + timeStamp) * 1000);
  const [accX, accY, accZ] = acceleration.map((value) => value * sign.of(acceleration));
  const [gyroX, gyroY, gyroZ] = rotation.map((value) => value * RADIANS);
  const values = { acc_x: accX, acc_y: accY, acc_z: accZ, gyro_x: gyroX, gyro_y: gyroY, gyro_z: gyroZ };
  return `{"timestamp_ns":${microseconds}000,${JSON.stringify(values).slice(1)}`;
}

/** Give each sample's text to `take`, from now until the function that is returned is called. */
export function watchMotion(take) {
  const sign = new GravitySign();
  const orient = (event) => sign.orient(event);
  const move = (event) => {
    const text = sampleText(event, sign);
    if (text !== null) take(text);
  };
  addEventListener("deviceorientation", orient);
  addEventListener("devicemotion", move);
  return () => {
    removeEventListener("deviceorientation", orient);
    removeEventListener("devicemotion", move);
  };
}
