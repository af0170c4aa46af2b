"use strict";
/* Draws every figure of class "chart" from the JSON that stands in it, as soon as it can be seen: a figure on a page
   that is not shown has no width. No chart knows of another but by its group. */
(function () {
  const MOST_PRINTED = 500;
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const narrow = window.matchMedia("(max-width: 560px)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  const number = (value, places) => value.toLocaleString("en-GB", { maximumFractionDigits: places });
  const two = (value) => String(value).padStart(2, "0");

  /* 100% is said of all only, 0% of none only: towards both ends there are more places, and they are cut off. */
  const share = (value, places) => {
    const percent = 100 * value;
    const edge = (percent > 99 && percent < 100) || (percent > 0 && percent < 1);
    return (edge ? number(Math.floor(percent * 100 + 1e-6) / 100, 2) : number(percent, places)) + "%";
  };

  const shown = (spec, value) =>
    value == null ? "" : spec.percent ? share(value, spec.top < 0.3 ? 1 : 0) : number(value, spec.top < 1 ? 3 : spec.top < 10 ? 2 : spec.top < 100 ? 1 : 0);

  const AXES = {
    seconds: { space: 44, tell: (x) => x + " s" },
    clock: {
      space: 54,
      incrs: [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400],
      tell: (x) => two(Math.floor(x / 3600) % 24) + ":" + two(Math.floor(x / 60) % 60),
    },
    number: { space: 54, tell: (x) => number(x, 6) },
  };

  /* A stacked series holds sums; what is told of it is its own part. */
  const own = (spec, number, index) => {
    const one = spec.series[number];
    const value = one.values[index];
    return one.above == null || value == null ? value : value - spec.series[one.above].values[index];
  };

  /* The names of spans stand above the plot, where no line crosses them; one that has no room is left out. */
  function paintSpans(u, spec) {
    const { ctx, bbox } = u;
    let free = bbox.left;
    ctx.font = font();
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    for (const span of spec.spans) {
      const left = Math.max(u.valToPos(span.since, "x", true), bbox.left);
      const right = Math.min(u.valToPos(span.until, "x", true), bbox.left + bbox.width);
      if (right <= left) continue;
      ctx.fillStyle = colour(span.tone + "-wash");
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      const wide = ctx.measureText(span.name).width;
      const from = left >= free ? Math.min(left, bbox.left + bbox.width - wide) : right - wide;
      if (from < free) continue;
      free = from + wide + 6 * devicePixelRatio;
      ctx.fillStyle = colour(span.tone === "plain" ? "muted" : span.tone + "-ink");
      ctx.fillText(span.name, from, bbox.top - 5 * devicePixelRatio);
    }
  }

  function paintLines(u, spec) {
    const { ctx, bbox } = u;
    for (const line of spec.lines) {
      const y = Math.round(u.valToPos(line.value, "y", true)) + 0.5;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour("ink");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(line.dashed ? [5 * devicePixelRatio, 4 * devicePixelRatio] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.font = font();
      ctx.textAlign = "left";
      ctx.textBaseline = line.below ? "top" : "bottom";
      const place = [bbox.left + 6 * devicePixelRatio, y + (line.below ? 3 : -2) * devicePixelRatio];
      ctx.setLineDash([]);
      ctx.lineWidth = 3 * devicePixelRatio;
      ctx.lineJoin = "round";
      ctx.strokeStyle = colour("card");
      ctx.strokeText(line.name, ...place);
      ctx.fillText(line.name, ...place);
      ctx.restore();
    }
  }

  const font = () => 11 * devicePixelRatio + "px system-ui, sans-serif";

  /* The edges of bands are two further series each, which are not drawn themselves. */
  const banded = (spec) => spec.series.map((one, number) => ({ one, number })).filter(({ one }) => one.low != null);
  const columns = (spec) =>
    [spec.x].concat(spec.series.map((one) => one.values), banded(spec).flatMap(({ one }) => [one.high, one.low]));

  function options(spec, width, tell) {
    const axis = { stroke: colour("muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: colour("grid"), width: 1 };
    const across = AXES[spec.axis];
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    const edges = banded(spec);
    return {
      width,
      height: narrow.matches ? 190 : 230,
      padding: [20, 16, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: false, y: false },
        sync: { key: spec.group, scales: ["x", null] },
      },
      scales: {
        x: { time: false, range: () => [spec.since, spec.until == null ? spec.x[spec.x.length - 1] : spec.until] },
        y: { range: () => [0, spec.top] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 26,
          space: across.space,
          ...(across.incrs ? { incrs: across.incrs } : {}),
          values: (u, ticks) => ticks.map(across.tell),
        },
        {
          ...axis,
          grid,
          size: Math.max(46, 14 + 6.5 * shown(spec, spec.top).length),
          space: 34,
          values: (u, ticks) => ticks.map((t) => shown(spec, t)),
        },
      ],
      series: [{}].concat(
        spec.series.map((one) => ({
          stroke: colour(one.tone),
          fill: one.fill && one.above == null ? colour(one.tone + "-area") : undefined,
          width: one.fill ? 1.25 : 2,
          points: { show: false },
          spanGaps: false,
        })),
        edges.flatMap(() => [edge, edge])
      ),
      bands: spec.series
        .map((one, number) => ({ one, number }))
        .filter(({ one }) => one.fill && one.above != null)
        .map(({ one, number }) => ({ series: [number + 1, one.above + 1], fill: colour(one.tone + "-area") }))
        .concat(
          edges.map(({ one }, place) => {
            const high = 1 + spec.series.length + 2 * place;
            return { series: [high, high + 1], fill: colour(one.tone + "-area") };
          })
        ),
      hooks: {
        drawClear: [(u) => paintSpans(u, spec)],
        draw: [(u) => paintLines(u, spec)],
        setCursor: [(u) => tell(u.cursor.left >= 0 ? u.cursor.idx : null)],
      },
    };
  }

  /* Returns what draws the figure anew (for other colours, for paper), and what draws it if it must be. */
  function prepare(figure) {
    const place = figure.querySelector(".plot");
    const outputs = figure.querySelectorAll("output");
    const moment = figure.querySelector(".moment");
    let spec = null;
    let plot = null;

    const tell = (index) => {
      moment.textContent = index == null ? "" : AXES[spec.axis].tell(spec.x[index]);
      outputs.forEach((output, number) => {
        output.textContent = index == null ? "" : shown(spec, own(spec, number, index)) || "–";
      });
    };
    const again = () => {
      if (plot) plot.destroy();
      plot = null;
      figure.classList.toggle("drawn", place.clientWidth > 0);
      if (!place.clientWidth) return;
      spec = spec || JSON.parse(figure.querySelector("script").textContent);
      plot = new uPlot(options(spec, place.clientWidth, tell), columns(spec), place);
    };
    const step = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !plot) return;
      event.preventDefault();
      const from = plot.cursor.left >= 0 ? plot.cursor.idx : by > 0 ? -1 : spec.x.length;
      const index = Math.min(Math.max(from + by, 0), spec.x.length - 1);
      plot.setCursor({ left: plot.valToPos(spec.x[index], "x"), top: 10 }, true, true);
    };
    again();
    place.addEventListener("keydown", step);
    place.addEventListener("blur", () => plot && plot.setCursor({ left: -10, top: -10 }, true, true));
    const fit = () => {
      if (!plot) again();
      else if (place.clientWidth && place.clientWidth !== plot.width)
        plot.setSize({ width: place.clientWidth, height: plot.height });
    };
    new ResizeObserver(() => requestAnimationFrame(fit)).observe(place);
    return { again, fit };
  }

  const figures = Array.from(document.querySelectorAll("figure.chart"), prepare);
  const all = () => figures.forEach((one) => one.again());
  window.addEventListener("hashchange", () => figures.forEach((one) => one.fit()));
  dark.addEventListener("change", all);
  narrow.addEventListener("change", all);

  /* Paper shows all pages, and is light. Each chart is a picture in memory: beyond a number they are left out. */
  window.addEventListener("beforeprint", () => {
    root.classList.add("printing");
    figures.slice(0, MOST_PRINTED).forEach((one) => one.again());
  });
  window.addEventListener("afterprint", () => {
    root.classList.remove("printing");
    all();
  });
})();
