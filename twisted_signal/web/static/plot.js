/** A live plot of three values over the last seconds, on a canvas. */

const SECONDS = 6;
const AXES = ["x", "y", "z"];
const DASHES = { x: [], y: [7, 4], z: [2, 3] };
const STILL_MS = 500; // between two pictures, for who wants less motion

export class Plot {
  #canvas;
  #legend;
  #samples = []; // { time, x, y, z }, the time in seconds
  #least; // the smallest range that is shown, to each side of zero
  #drawn = 0;
  #stale = false;
  #frame = 0;

  /** `figure` holds a canvas and three spans of the classes x, y and z; `least` is in the plot's unit. */
  constructor(figure, least) {
    this.#canvas = figure.querySelector("canvas");
    this.#legend = AXES.map((axis) => figure.querySelector(`.${axis}`));
    this.#least = least;
    this.#frame = requestAnimationFrame(this.#draw);
  }

  add(sample) {
    const last = this.#samples.at(-1);
    if (last && sample.time < last.time) this.#samples = []; // the phone began anew
    this.#samples.push(sample);
    const first = this.#samples.findIndex((one) => one.time >= sample.time - SECONDS);
    if (first > 200) this.#samples.splice(0, first - 1); // not for each sample
    this.#stale = true;
  }

  stop() { cancelAnimationFrame(this.#frame); }

  #draw = (now) => {
    this.#frame = requestAnimationFrame(this.#draw);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!this.#stale || (still && now - this.#drawn < STILL_MS)) return;
    if (now - this.#drawn > 200 || still) this.#label();
    [this.#drawn, this.#stale] = [now, false];
    this.#paint();
  };

  #label() {
    const last = this.#samples.at(-1);
    AXES.forEach((axis, index) => {
      this.#legend[index].textContent = `${axis} ${last[axis].toFixed(1).replace("-", "−")}`;
    });
  }

  #paint() {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);

    const end = this.#samples.at(-1).time;
    const shown = this.#samples.filter((one) => one.time >= end - SECONDS - 0.1);
    const peak = Math.max(this.#least, ...shown.flatMap((one) => AXES.map((axis) => Math.abs(one[axis]))));
    const scale = nice(peak);
    const x = (time) => width + (time - end) * width / SECONDS;
    const y = (value) => height / 2 - value * (height / 2 - 8) / scale;

    context.strokeStyle = style.getPropertyValue("--line");
    context.fillStyle = style.getPropertyValue("--soft");
    context.font = `11px ${style.fontFamily}`;
    context.lineWidth = 1;
    context.setLineDash([]);
    for (const value of [scale, 0, -scale]) {
      line(context, [[0, y(value)], [width, y(value)]]);
      if (value !== 0) context.fillText(`${value > 0 ? "+" : "−"}${scale}`, 6, y(value) + (value > 0 ? 13 : -5));
    }
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    for (const axis of AXES) {
      context.strokeStyle = style.getPropertyValue(`--${axis}`);
      context.setLineDash(DASHES[axis]);
      line(context, shown.map((one) => [x(one.time), y(one[axis])]));
    }
  }
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

/** Return the next of 1, 2, 5, 10, 20 … that is not below a value. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
