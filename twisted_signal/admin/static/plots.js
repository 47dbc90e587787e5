/** The plots of the last 15 minutes, as small pictures (SVG) with what is now in words. */

import { element, svg, write } from "/static/elements.js";
import { bytes, short, whole } from "/static/words.js";

const SPAN = 900;
const HEIGHT = 48;

const PLOTS = [
  { title: "Here now", unit: "", form: whole, lines: [["clients", "clients"], ["rooms", "rooms"]] },
  { title: "Messages", unit: "/s", form: short, lines: [["messages", "received"]] },
  { title: "Traffic", unit: "/s", form: bytes, lines: [["bytes_in", "in"], ["bytes_out", "out"]] },
  { title: "Arrivals", unit: "/s", form: short, lines: [["connections", "connections"], ["registrations", "registrations"]] },
  { title: "Refused", unit: "/s", form: short, lines: [["refusals", "refusals"]] },
];

/** Return series with what was told of them added. `told`: {step_s, is_whole, series}. */
export function extended(series, told) {
  if (told.is_whole) return { ...told.series };
  const most = Math.round(SPAN / told.step_s);
  return Object.fromEntries(Object.entries(told.series)
    .map(([name, points]) => [name, [...(series[name] ?? []), ...points].slice(-most)]));
}

/** Return a top for a scale that does not jump about: 1, 2 or 5 times a power of ten. */
export function roundTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

function path(values, top, count, closed) {
  const points = values.map((value, index) => {
    const x = count - values.length + index;
    return `${x},${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1)}`;
  });
  if (points.length === 0) return "";
  const line = `M${points.join("L")}`;
  return closed ? `${line}L${count - 1},${HEIGHT}L${count - values.length},${HEIGHT}Z` : line;
}

export class Plots {
  #made;
  #now = {};

  constructor(place) {
    this.#made = PLOTS.map((plot) => {
      const values = plot.lines.map(([, name], index) => element("span", { className: `line${index}` },
        element("b", {}, "–"), plot.lines.length > 1 ? ` ${name}` : plot.unit ? ` ${plot.unit}` : ""));
      const top = element("span", { className: "top soft", ariaHidden: "true" });
      const area = svg("path", { class: "area" });
      const lines = plot.lines.map((_, index) => svg("path", { class: `line line${index}` }));
      const picture = svg("svg", { role: "img", preserveAspectRatio: "none" }, area, ...lines);
      place.append(element("figure", { className: "small-plot" },
        element("figcaption", {},
          element("span", { className: "soft" }, plot.title, plot.lines.length > 1 && plot.unit ? `, per second` : ""),
          element("span", { className: "values" }, ...values)),
        element("div", { className: "canvas" }, picture, top)));
      return { plot, values, top, area, lines, picture };
    });
  }

  /** Show numbers of this moment where the last sample's are older. `now`: by the name of a series. */
  showNow(now) {
    this.#now = now;
    for (const { plot, values } of this.#made) {
      if (plot.unit !== "") continue; // a rate is of a time
      plot.lines.forEach(([key], index) => write(values[index].firstChild, plot.form(now[key])));
    }
  }

  /** Show series. `stepS`: seconds from one point to the next. */
  show(series, stepS) {
    const count = Math.round(SPAN / stepS);
    for (const { plot, values, top, area, lines, picture } of this.#made) {
      const found = plot.lines.map(([key]) => series[key] ?? []);
      const peak = Math.max(0, ...found.flat());
      const scale = roundTop(peak);
      picture.setAttribute("viewBox", `0 0 ${count - 1} ${HEIGHT}`);
      top.textContent = plot.form(scale);
      area.setAttribute("d", path(found[0], scale, count, true));
      found.forEach((points, index) => {
        lines[index].setAttribute("d", path(points, scale, count, false));
        write(values[index].firstChild, points.length > 0 ? plot.form(points.at(-1)) : "–");
      });
      const words = plot.lines.map(([, name], index) =>
        `${name} ${found[index].length > 0 ? plot.form(found[index].at(-1)) : "unknown"}`);
      if (plot.unit === "") this.showNow(this.#now);
      picture.setAttribute("aria-label",
        `${plot.title} of the last 15 minutes${plot.unit ? ", per second" : ""}: now ${words.join(", ")}; at most ${plot.form(peak)}`);
    }
  }
}
