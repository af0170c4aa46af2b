/* Layers over time, one upon the other, under the threshold and the capacity. uPlot draws. */

import { clock, el, figure, london, londonHour, say } from "./shared.js";

const OUTCOMES = [["within", "calm"], ["excess", "warm"], ["throttled", "bad"]];
const LEAST = 60; // seconds
const root = document.documentElement;
const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const rem = () => parseFloat(getComputedStyle(root).fontSize);
const two = (value) => String(value).padStart(2, "0");

/* `span`: seconds that it shows, to the newest point; `grows`: fewer, while there are none yet.
   `levels`: names of columns that are drawn as lines. `layers`: names of columns, and their tones.
   `dated`: hours of several days, by London's clocks. */
export function chart(place, { span, levels, describe, grows = false, layers = OUTCOMES, dated = false }) {
  const moment = el("span", { class: "moment" });
  const outputs = layers.map(() => el("output"));
  const legend = el("ul", { class: "legend" });
  layers.forEach(([name, tone], number) =>
    legend.append(el("li", {}, el("i", { class: "key " + tone }), name, outputs[number])));
  place.querySelector("figcaption").append(moment, legend);
  const plot = el("div", { class: "plot", tabindex: "0", role: "img" });
  place.append(plot);
  let drawn = null;
  let data = null;

  const at = (seconds) => {
    const date = new Date(1000 * seconds);
    if (dated) return london(date);
    return span > 7200 ? two(date.getHours()) + ":" + two(date.getMinutes()) : clock(date);
  };
  const from = () => {
    const newest = data.at[data.at.length - 1];
    return grows ? Math.max(newest - span, Math.min(data.at[0], newest - LEAST)) : newest - span;
  };
  const tell = (index) => {
    say(moment, index == null ? "" : at(data.at[index]));
    layers.forEach(([name], number) => say(outputs[number], index == null ? "" : figure(data[name][index])));
  };
  const columns = () => {
    const sums = layers.map(() => []);
    data.at.forEach((_, index) => {
      let sum = 0;
      layers.forEach(([name], number) => sums[number].push((sum += data[name][index])));
    });
    if (dated) // a layer that is not there draws no line upon the one below
      layers.slice(1).forEach(([name], number) => data.at.forEach((_, index) => {
        if (![-1, 0, 1].some((by) => data[name][index + by])) sums[number + 1][index] = null;
      }));
    return [data.at, ...sums, ...levels.map(([name]) => data[name])];
  };
  const top = () => {
    let most = 1;
    data.at.forEach((_, index) => {
      most = Math.max(most, layers.reduce((sum, [name]) => sum + data[name][index], 0));
      for (const [name] of levels) most = Math.max(most, data[name][index]);
    });
    return 1.08 * most;
  };
  /* The names of the levels, each at its line's end; where two are close, one is above and one below. */
  const names = (u) => {
    const ratio = devicePixelRatio, last = data.at.length - 1;
    if (last < 0) return;
    u.ctx.save();
    u.ctx.font = 0.75 * rem() * ratio + "px system-ui, sans-serif";
    u.ctx.textAlign = "left";
    u.ctx.lineJoin = "round";
    for (const [name, words, side] of levels) {
      const y = u.valToPos(data[name][last], "y", true);
      u.ctx.textBaseline = side;
      u.ctx.strokeStyle = colour("card");
      u.ctx.lineWidth = 3 * ratio;
      const where = [u.bbox.left + 6 * ratio, y + (side === "top" ? 3 : -2) * ratio];
      u.ctx.strokeText(words, ...where);
      u.ctx.fillStyle = colour("muted");
      u.ctx.fillText(words, ...where);
    }
    u.ctx.restore();
  };
  /* Midnights in London, as many as there is room for. */
  const days = (step) => data.at.filter((x) => londonHour(new Date(1000 * x)) === 0)
    .filter((_, number) => number % Math.max(1, Math.round(step / 86400)) === 0);
  const options = () => {
    const axis = { stroke: colour("muted"), font: 0.75 * rem() + "px system-ui, sans-serif", ticks: { show: false } };
    return {
      width: plot.clientWidth,
      height: Math.round(13 * rem()),
      padding: [8, 1.4 * rem(), 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: () => [from(), data.at[data.at.length - 1]] },
        y: { range: () => [0, top()] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 1.8 * rem(),
          space: 5 * rem(),
          incrs: [10, 15, 30, 60, 120, 300, 600, 3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800, 604800].filter((step) => !dated || step >= 86400),
          splits: (u, _axis, low, high, step) => {
            if (dated) return days(step);
            const shift = new Date(1000 * high).getTimezoneOffset() * 60, found = [];
            for (let x = Math.ceil((low - shift) / step) * step + shift; x <= high; x += step) found.push(x);
            return found;
          },
          values: (u, ticks) => dated ? ticks.map((x) => london(new Date(1000 * x)).replace(/,[^,]*$/, "")) : ticks.map((x) => two(new Date(1000 * x).getHours()) + ":" + two(new Date(1000 * x).getMinutes())
            + (ticks.length > 1 && ticks[1] - ticks[0] < 60 ? ":" + two(new Date(1000 * x).getSeconds()) : "")),
        },
        { ...axis, grid: { stroke: colour("grid"), width: 1 }, size: 3.4 * rem(), space: 2.4 * rem(),
          values: (u, ticks) => ticks.map((y) => figure(y)) },
      ],
      series: [
        {},
        ...layers.map(([, tone], number) => ({
          stroke: colour(tone), width: 1.25, points: { show: false }, spanGaps: false,
          fill: number ? undefined : colour(tone + "-area"),
        })),
        ...levels.map(([, , side]) => ({
          stroke: colour("ink"), width: 1, dash: side === "top" ? [5, 4] : undefined, points: { show: false },
        })),
      ],
      bands: layers.slice(1).map(([, tone], number) => ({ series: [number + 2, number + 1], fill: colour(tone + "-area") })),
      hooks: { draw: [names], setCursor: [(u) => tell(u.cursor.left >= 0 ? u.cursor.idx : null)] },
    };
  };
  const again = () => {
    if (drawn) drawn.destroy();
    drawn = null;
    if (!data || !data.at.length || !plot.clientWidth || !window.uPlot) return;
    drawn = new window.uPlot(options(), columns(), plot);
  };
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !drawn) return;
    event.preventDefault();
    const from = drawn.cursor.left >= 0 ? drawn.cursor.idx : by > 0 ? -1 : data.at.length;
    const index = Math.min(Math.max(from + by, 0), data.at.length - 1);
    drawn.setCursor({ left: drawn.valToPos(data.at[index], "x"), top: 10 });
  });
  plot.addEventListener("blur", () => drawn && drawn.setCursor({ left: -10, top: -10 }));
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (!drawn) again();
    else if (plot.clientWidth && plot.clientWidth !== drawn.width)
      drawn.setSize({ width: plot.clientWidth, height: Math.round(13 * rem()) });
  })).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  return (columnsNow) => {
    data = columnsNow;
    if (!data.at.length) return;
    plot.setAttribute("aria-label", describe(data));
    if (drawn) drawn.setData(columns());
    else again();
  };
}

/* One more point; what is older than the span is forgotten. */
export function extend(data, point, span) {
  if (data.at.length && point.at <= data.at[data.at.length - 1]) return;
  for (const name of Object.keys(data)) data[name].push(point[name]);
  while (data.at.length && data.at[0] < point.at - span) for (const name of Object.keys(data)) data[name].shift();
}
