// Draws the three pictures of the page: the line of rates, the time line of holes, the depth of a book.

const SVG = "http://www.w3.org/2000/svg";

function put(svg, shapes) {
  svg.replaceChildren(...shapes.map(([tag, attributes, title]) => {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    if (title) shape.appendChild(document.createElementNS(SVG, "title")).textContent = title;
    return shape;
  }));
}

/** Events a second, the oldest first, over 300 seconds. */
export function sparkline(svg, rates) {
  if (rates.length < 2) return put(svg, []);
  const most = Math.max(1, ...rates);
  const left = 300 - rates.length;
  const points = rates.map((rate, i) => `${left + i + 1},${(38 - (36 * rate) / most).toFixed(1)}`);
  put(svg, [
    ["path", { class: "area", d: `M${left + 1},40 L${points.join(" L")} L300,40 Z` }],
    ["path", { class: "line", d: `M${points.join(" L")}` }],
  ]);
  const now = rates[rates.length - 1];
  svg.setAttribute("aria-label", `Events a second over the last five minutes: now ${now}, at most ${most}`);
}

/** Holes of the hour before `now_ms`. */
export function timeline(svg, holes, now_ms) {
  const x = (ms) => 1000 * (1 - (now_ms - ms) / 3_600_000);
  const shapes = [["line", { class: "base", x1: 0, x2: 1000, y1: 43, y2: 43 }]];
  for (const tick of [0, 250, 500, 750, 1000]) {
    shapes.push(["line", { class: "base", x1: tick, x2: tick, y1: 36, y2: 43 }]);
  }
  for (const hole of holes) {
    const from = Math.max(0, x(hole.from_ts_ms));
    const width = Math.max(3, x(hole.to_ts_ms) - from);
    const start = Math.min(from, 997);
    shapes.push(["rect", { class: hole.planned ? "planned" : "lost", x: start.toFixed(1), y: 4, width: width.toFixed(1), height: 36 }, `${hole.ticker}: ${hole.cause}`]);
  }
  put(svg, shapes);
  const lost = holes.filter((hole) => !hole.planned).length;
  svg.setAttribute("aria-label", holes.length === 0 ? "No holes in the last hour"
    : `${lost} holes in the last hour, and ${holes.length - lost} at restarts of the exchange's clock`);
}

/** Cumulated contracts on both sides of the spread; levels are [price, contracts, sum], the best first. */
export function depth(svg, axis, bids, asks) {
  const all = [...bids, ...asks];
  if (all.length === 0) { put(svg, []); axis.replaceChildren(); return; }
  const low = Math.min(...all.map((level) => level[0]));
  const high = Math.max(...all.map((level) => level[0]));
  const room = Math.max((high - low) * 0.03, 0.005);
  const [from, to] = [Math.max(0, low - room), Math.min(1, high + room)];
  const most = Math.max(...all.map((level) => level[2]));
  const x = (price) => (600 * (price - from)) / (to - from);
  const y = (sum) => 178 - (170 * sum) / most;
  const area = (levels, end) => {
    if (levels.length === 0) return "";
    let d = `M${x(levels[0][0]).toFixed(1)},178`;
    levels.forEach(([price, , sum], i) => {
      if (i > 0) d += ` H${x(price).toFixed(1)}`;
      d += ` V${y(sum).toFixed(1)}`;
    });
    return `${d} H${end} V178 Z`;
  };
  put(svg, [
    ["path", { class: "bid", d: area(bids, 0) }],
    ["path", { class: "ask", d: area(asks, 600) }],
  ].filter((shape) => shape[1].d));
  const marks = [from, (from + to) / 2, to].map((price) => {
    const mark = document.createElement("span");
    mark.textContent = `$${price.toFixed(2)}`;
    return mark;
  });
  axis.replaceChildren(...marks);
  svg.setAttribute("aria-label", `Depth: ${bids.length} bid levels and ${asks.length} ask levels`);
}
