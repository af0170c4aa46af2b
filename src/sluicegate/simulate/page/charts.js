"use strict";
/* Draws every figure of class "chart" from the JSON that stands in it. No chart knows of another but by its group. */
(function () {
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const narrow = window.matchMedia("(max-width: 560px)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  const shown = (spec, value) =>
    value == null ? "" : spec.percent ? Math.round(100 * value) + "%" : Math.round(value).toLocaleString("en-GB");

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
      ctx.fillText(line.name, bbox.left + 6 * devicePixelRatio, y + (line.below ? 3 : -2) * devicePixelRatio);
      ctx.restore();
    }
  }

  const font = () => 11 * devicePixelRatio + "px system-ui, sans-serif";

  function options(spec, width, tell) {
    const axis = { stroke: colour("muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: colour("grid"), width: 1 };
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
        x: { time: false, range: () => [0, spec.until == null ? spec.x[spec.x.length - 1] : spec.until] },
        y: { range: () => [0, spec.top] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 44, values: (u, ticks) => ticks.map((t) => t + " s") },
        { ...axis, grid, size: 46, space: 34, values: (u, ticks) => ticks.map((t) => shown(spec, t)) },
      ],
      series: [{}].concat(
        spec.series.map((one) => ({
          stroke: colour(one.tone),
          fill: one.fill && one.above == null ? colour(one.tone + "-area") : undefined,
          width: one.fill ? 1.25 : 2,
          points: { show: false },
          spanGaps: false,
        }))
      ),
      bands: spec.series
        .map((one, number) => ({ one, number }))
        .filter(({ one }) => one.fill && one.above != null)
        .map(({ one, number }) => ({ series: [number + 1, one.above + 1], fill: colour(one.tone + "-area") })),
      hooks: {
        drawClear: [(u) => paintSpans(u, spec)],
        draw: [(u) => paintLines(u, spec)],
        setCursor: [(u) => tell(u.cursor.left >= 0 ? u.cursor.idx : null)],
      },
    };
  }

  function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const place = figure.querySelector(".plot");
    const outputs = figure.querySelectorAll("output");
    const data = [spec.x].concat(spec.series.map((one) => one.values));
    let plot = null;

    const tell = (index) =>
      outputs.forEach((output, number) => {
        output.textContent = index == null ? "" : shown(spec, own(spec, number, index)) || "–";
      });
    const again = () => {
      if (plot) plot.destroy();
      plot = new uPlot(options(spec, place.clientWidth, tell), data, place);
    };
    const step = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const from = plot.cursor.left >= 0 ? plot.cursor.idx : by > 0 ? -1 : spec.x.length;
      const index = Math.min(Math.max(from + by, 0), spec.x.length - 1);
      plot.setCursor({ left: plot.valToPos(spec.x[index], "x"), top: 10 }, true, true);
    };
    again();
    place.addEventListener("keydown", step);
    place.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }, true, true));
    dark.addEventListener("change", again);
    narrow.addEventListener("change", again);
    new ResizeObserver(() => {
      if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: plot.height });
    }).observe(place);
  }

  document.querySelectorAll("figure.chart").forEach(draw);
})();
