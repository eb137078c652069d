// The charts of a schedule's page: a point for each run, coloured and shaped by what became of it.
"use strict";

(() => {
  const section = document.querySelector("[data-points]");
  if (!section) return;
  const KINDS = [
    ["succeeded", "--good-bar", "circle"],
    ["failed", "--bad-bar", "cross"],
    ["cancelled", "--warn-bar", "square"],
    ["skipped", "--none-bar", "square"],
    ["missed", "--bad-bar", "triangle"],
    ["under way", "--info-bar", "ring"],
  ];
  const SIZE = 4;
  const charts = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function shape(context, kind, x, y, size) {
    context.beginPath();
    if (kind === "circle" || kind === "ring") context.arc(x, y, size, 0, 2 * Math.PI);
    if (kind === "square") context.rect(x - size + 1, y - size + 1, 2 * size - 2, 2 * size - 2);
    if (kind === "triangle") {
      context.moveTo(x, y - size - 1);
      context.lineTo(x + size + 1, y + size);
      context.lineTo(x - size - 1, y + size);
      context.closePath();
    }
    if (kind === "cross") {
      context.moveTo(x - size, y - size);
      context.lineTo(x + size, y + size);
      context.moveTo(x + size, y - size);
      context.lineTo(x - size, y + size);
    }
    if (kind === "cross" || kind === "ring") context.stroke();
    else context.fill();
  }

  function took(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    return seconds < 60 ? `${+seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
  }

  function draw(points, column) {
    return (chart) => {
      const { ctx, bbox } = chart;
      const ratio = devicePixelRatio;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left - SIZE * ratio, bbox.top - SIZE * ratio, bbox.width + 2 * SIZE * ratio, bbox.height + 2 * SIZE * ratio);
      ctx.clip();
      ctx.lineWidth = 2 * ratio;
      points.at.forEach((at, place) => {
        const value = points[column][place] ?? (column === "duration" ? 0 : null);
        if (value === null) return;
        const [, token, kind] = KINDS[points.outcome[place]];
        ctx.fillStyle = ctx.strokeStyle = colour(token);
        shape(ctx, kind, chart.valToPos(at, "x", true), chart.valToPos(value, "y", true), SIZE * ratio);
      });
      ctx.restore();
    };
  }

  function axis(extra) {
    return { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", ...extra };
  }

  function make(holder, points) {
    const column = holder.dataset.chart;
    const values = points[column].map((value) => value ?? (column === "duration" ? 0 : null));
    const zone = section.dataset.timezone;
    const options = {
      width: holder.clientWidth,
      height: holder.clientHeight,
      legend: { show: false },
      cursor: { y: false, points: { show: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(most * 1.15, 0.01)] } },
      axes: [axis({ space: 70 }), axis({ size: 62, values: (_, ticks) => ticks.map(took) })],
      series: [{}, { label: column, paths: () => null, points: { show: false } }],
      hooks: { draw: [draw(points, column)], setCursor: [(chart) => tell(holder, points, chart.cursor.idx)] },
    };
    const chart = new uPlot(options, [points.at, values], holder);
    chart.over.addEventListener("click", () => {
      if (chart.cursor.idx !== null) location.assign(`/executions/${points.id[chart.cursor.idx]}`);
    });
    charts.push([holder, chart]);
    legend(holder, points, column);
  }

  function tell(holder, points, place) {
    const said = holder.parentElement.querySelector(".said");
    if (!said) return;
    said.textContent = place === null || place === undefined ? "" :
      `${new Date(points.at[place] * 1000).toLocaleString()}: ${KINDS[points.outcome[place]][0]}, took ${took(points.duration[place])}, late ${took(points.lateness[place])}`;
  }

  function legend(holder, points, column) {
    const line = document.createElement("div");
    line.className = "chart-legend";
    const there = new Set(points.outcome.filter((_, place) => column === "duration" || points.lateness[place] !== null));
    KINDS.forEach(([name, token, kind], place) => {
      if (!there.has(place)) return;
      const item = document.createElement("span");
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 14;
      const context = canvas.getContext("2d");
      context.fillStyle = context.strokeStyle = colour(token);
      context.lineWidth = 2;
      shape(context, kind, 7, 7, SIZE);
      item.append(canvas, name);
      line.append(item);
    });
    const said = document.createElement("span");
    said.className = "said";
    line.append(said);
    holder.after(line);
  }

  async function load() {
    const answer = await fetch(section.dataset.points, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const points = await answer.json();
    for (const holder of section.querySelectorAll("[data-chart]")) make(holder, points);
  }

  addEventListener("resize", () => {
    for (const [holder, chart] of charts) chart.setSize({ width: holder.clientWidth, height: holder.clientHeight });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
  load();
})();
