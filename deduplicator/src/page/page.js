// Asks /status.json once a second and shows it; asks /book of the chosen market as often.
// Text is set as text, never as HTML: a ticker cannot become markup.

import { depth, sparkline, timeline } from "./charts.js";

const EVERY_MS = 1000;
const ANSWER_MAX_MS = 4000;
const LEVELS = 12;
const $ = (id) => document.getElementById(id);
let answered = 0;
let failing = "";
let chosen = decodeURIComponent(location.hash.slice(1));
let wasChosenByHand = chosen !== "";

// ---- numbers as people read them
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const count = (n) => (n == null ? "–" : n >= 1e7 ? short.format(n) : whole.format(n));
// A level may hold a part of a contract: "0" would say that nothing rests there.
const contracts = (n) => (n < 100 && n % 1 !== 0 ? n.toFixed(2) : count(n));
const rate = (n) => (n >= 100 || n === 0 ? whole.format(n) : n.toFixed(1));
const percent = (part) => `${(100 * part).toFixed(1)}\u00a0%`;
function millis(ms) {
  if (ms == null) return "–";
  if (Math.abs(ms) < 10) return `${ms.toFixed(1)} ms`;
  if (Math.abs(ms) < 1000) return `${ms.toFixed(0)} ms`;
  return seconds(ms / 1000);
}
function seconds(s) {
  if (s == null) return "–";
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${s.toFixed(0)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}
function bytes(n) {
  if (n == null) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return `${unit === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[unit]}`;
}
const time = (ms) => new Date(ms).toISOString().slice(11, 19);

// ---- small pieces of page
function text(id, value) { if ($(id).textContent !== value) $(id).textContent = value; }
function element(tag, className, value) {
  const it = document.createElement(tag);
  if (className) it.className = className;
  if (value !== undefined) it.textContent = value;
  return it;
}
/** Rows by key: those that stay are changed in place, so that focus and selection survive. */
function rows(body, items, key, make, fill) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, i) => {
    const name = key(item);
    let row = old.get(name);
    if (row) old.delete(name); else { row = make(item); row.dataset.key = name; }
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    fill(row, item);
  });
  old.forEach((row) => row.remove());
}
function cells(row, values) {
  values.forEach(([value, className, label], i) => {
    const cell = row.children[i] ?? row.appendChild(document.createElement("td"));
    if (cell.textContent !== value) cell.textContent = value;
    if (cell.className !== className) cell.className = className;
    if (label && cell.dataset.label !== label) cell.dataset.label = label;
  });
}
function facts(id, pairs, error) {
  const list = [];
  for (const [name, value] of pairs) list.push(element("dt", "", name), element("dd", "", value));
  if (error) list.push(element("dd", "error", error));
  $(id).replaceChildren(...list);
}
function figure(id, value, state = "") { text(id, value); $(id).className = `figure ${state}`; }

// ---- the parts
function head(all) {
  const word = failing ? "down" : all.status;
  $("status").className = `pill ${word}`;
  text("status-word", failing ? "deduplicator does not answer" : word);
  const reasons = failing ? [failing] : all.reasons;
  $("reasons").hidden = reasons.length === 0;
  $("reasons").className = `reasons ${word}`;
  const said = reasons.join("\n");
  if ($("reasons").dataset.said !== said) {
    $("reasons").dataset.said = said;
    $("reasons").replaceChildren(...reasons.map((reason) => element("li", "", reason)));
  }
  if (failing) return;
  text("uptime", seconds(all.uptime_seconds));
  text("version", all.version);
  text("n-gatherers", String(Object.keys(all.gatherers).length));
  document.title = word === "ok" ? "Kalshi capture" : `${word}: Kalshi capture`;
}
function tiles(all) {
  const { canonical, latency } = all;
  figure("eps", rate(canonical.events_per_second));
  text("events", count(canonical.events));
  sparkline($("spark"), all.history.events_per_second);
  const off = Math.abs(canonical.duplicate_ratio - canonical.duplicate_ratio_expected);
  const isFlowing = canonical.frames_last_5m > 0;
  figure("ratio", isFlowing ? percent(canonical.duplicate_ratio) : "–", isFlowing && off > 0.1 ? "degraded" : "");
  text("ratio-note", `whole feeds: ${percent(canonical.duplicate_ratio_expected)}`);
  for (const [id, track] of [["to-journal", latency.frame_to_journal_ms], ["to-row", latency.frame_to_row_ms]]) {
    figure(id, track.count > 0 ? millis(track.p99) : "–");
    text(`${id}-note`, track.count > 0 ? `p99 · p50 ${millis(track.p50)}` : "nothing in the last minute");
  }
  const holes = canonical.holes_last_hour;
  figure("holes-hour", count(holes), holes > 0 ? "down" : "");
  text("holes-note", `${count(canonical.holes)} since the beginning`);
  figure("markets", count(canonical.markets));
  text("markets-note", canonical.waiting > 0 ? `${count(canonical.waiting)} wait for a decision` : "none waits");
}
function gatherers(all) {
  const entries = Object.entries(all.gatherers);
  const first = entries.reduce((sum, [, g]) => sum + g.first_arrivals, 0);
  rows($("gatherers"), entries, ([name]) => name, () => element("tr"), (row, [name, g]) => {
    const isBehind = g.connected && g.lag_seconds > 30;
    const state = !g.connected ? ["down", "not connected"]
      : g.quarantined > 0 ? ["degraded", `quarantined in ${count(g.quarantined)}`]
      : g.lanes_broken > 0 || isBehind ? ["degraded", isBehind ? "behind" : "lanes broken"]
      : ["ok", "connected"];
    const behind = g.behind_first;
    const skew = g.clock_skew_seconds;
    cells(row, [
      [name, "name", "Name"],
      [state[1], `st state ${state[0]}`, "State"],
      [rate(g.frames_per_second), "n", "Frames/s"],
      [g.connected ? millis(1000 * g.lag_seconds) : seconds(g.lag_seconds), isBehind ? "n bad" : "n", "Lag"],
      [g.last_frame_ms_ago == null ? "–" : `${millis(g.last_frame_ms_ago)} ago`, "n", "Last frame"],
      [first > 0 ? percent(g.first_arrivals / first) : "–", "n", "First"],
      [behind.copies > 0 ? `${millis(behind.p50_ms)} / ${millis(behind.p99_ms)}` : "–", "n", "Behind first"],
      [g.lanes_broken > 0 ? `${g.lanes_live} + ${g.lanes_broken} broken` : count(g.lanes_live), g.lanes_broken > 0 ? "n warn" : "n", "Lanes"],
      [`${count(g.markets_covered)} / ${count(all.canonical.markets)}`, g.markets_covered < all.canonical.markets ? "n warn" : "n", "Covers"],
      [bytes(g.backlog_bytes), "n", "Backlog"],
      [skew == null ? "–" : `${skew >= 0 ? "+" : "−"}${millis(1000 * Math.abs(skew))}`, Math.abs(skew ?? 0) > 0.5 ? "n warn" : "n", "Clock"],
    ]);
  });
}
function holes(all) {
  const recent = all.holes.filter((hole) => hole.to_ts_ms > all.now_ms - 3_600_000);
  timeline($("timeline"), recent, all.now_ms);
  const newest = recent.slice(-5).reverse();
  rows($("hole-list"), newest, (hole) => `${hole.ticker} ${hole.era} ${hole.to_clock}`, () => element("li"), (item, hole) => {
    const what = hole.cause.replaceAll("_", " ");
    const span = `${time(hole.from_ts_ms)} – ${time(hole.to_ts_ms)} UTC`;
    item.replaceChildren(element("span", "ticker", hole.ticker), element("span", hole.planned ? "muted" : "bad", what),
      element("span", "muted", hole.to_clock == null
        ? `since ${time(hole.from_ts_ms)} UTC, clock ${count(hole.from_clock)}: nobody covers it`
        : `${span}, clocks ${count(hole.from_clock)} to ${count(hole.to_clock)}`));
  });
}
function stores(all) {
  const { journal, clickhouse, parquet } = all;
  facts("journal", [
    ["On disk", bytes(journal.bytes_on_disk)], ["Written, not yet fsynced", bytes(journal.unsynced_bytes)],
    ["Checkpoint", `${count(journal.checkpoint)}, ${seconds(journal.checkpoint_age_seconds)} old`],
    ["Position", journal.durable ?? "–"],
  ]);
  const state = (id, word, said) => { $(id).className = `state ${word}`; text(id, said); };
  if (clickhouse) {
    const isBehind = clickhouse.lag_seconds > 30;
    if (!clickhouse.reachable) state("clickhouse-state", "down", "takes no rows");
    else state("clickhouse-state", isBehind ? "degraded" : "ok", isBehind ? "behind" : "takes rows");
    facts("clickhouse", [
      ["Rows, last 5 min", count(clickhouse.rows_ingested_last_5m)], ["Rows since the start", count(clickhouse.rows_total)],
      ["Behind the journal", `${seconds(clickhouse.lag_seconds)}, ${bytes(clickhouse.lag_bytes)}`],
      ["Retrying for", clickhouse.retrying_seconds > 0 ? seconds(clickhouse.retrying_seconds) : "no"],
    ], clickhouse.last_error);
  } else { state("clickhouse-state", "", ""); facts("clickhouse", [["Turned off", "CLICKHOUSE_URL=none"]]); }
  if (parquet) {
    const isFailing = parquet.retrying_seconds > 0;
    state("parquet-state", isFailing ? "degraded" : "ok", isFailing ? "failing" : "works");
    facts("parquet", [
      ["Files", count(parquet.files)], ["Rows in them", count(parquet.rows)],
      ["Bytes, and in open files", `${bytes(parquet.bytes)} + ${bytes(parquet.open_bytes)}`],
      ["Oldest event not in a file", seconds(parquet.age_seconds)],
    ]);
  } else { state("parquet-state", "", ""); facts("parquet", [["Turned off", "PARQUET_DIR=none"]]); }
}
function busiest(all) {
  $("busy-none").hidden = all.busiest.length > 0;
  const make = (market) => {
    const row = element("tr");
    const button = element("button", "", market.ticker);
    button.type = "button";
    button.title = market.ticker;
    button.addEventListener("click", () => choose(market.ticker));
    row.appendChild(element("td")).appendChild(button);
    return row;
  };
  const all_gatherers = Object.keys(all.gatherers).length;
  rows($("busiest"), all.busiest, (market) => market.ticker, make, (row, market) => {
    row.className = market.ticker === chosen ? "chosen" : "";
    const quote = (level) => (level ? level[0] : "–");
    [[rate(market.events_per_second), "n"], [quote(market.bid), "n"], [quote(market.ask), "n"],
      [`${market.covered_by} of ${all_gatherers}`, market.covered_by < all_gatherers ? "n narrow-hide warn" : "n narrow-hide"],
    ].forEach(([value, className], i) => {
      const cell = row.children[i + 1] ?? row.appendChild(element("td"));
      if (cell.textContent !== value) cell.textContent = value;
      cell.className = className;
    });
  });
  if (!chosen && !wasChosenByHand && all.busiest.length > 0) chosen = all.busiest[0].ticker;
}

// ---- the book
function choose(ticker) {
  chosen = ticker;
  wasChosenByHand = true;
  history.replaceState(null, "", `#${encodeURIComponent(ticker)}`);
  text("book-ticker", ticker);
  if (matchMedia("(max-width: 900px)").matches) $("book").scrollIntoView();
  book();
}
function summed(levels) {
  let sum = 0;
  return levels.map(([price, size]) => [Number(price), Number(size), (sum += Number(size)), price, size]);
}
function ladder(body, levels, most) {
  const make = () => {
    const row = element("tr");
    row.append(element("td", "n price"), element("td", "n"), element("td", "n sub"));
    row.children[1].append(element("span", "bar"), element("span", "size"));
    return row;
  };
  rows(body, levels, (level) => level[3], make, (row, [, size, sum, price]) => {
    row.children[0].textContent = price;
    row.children[1].lastChild.textContent = contracts(size);
    row.children[1].firstChild.style.width = `${(100 * size) / most}%`;
    row.children[2].textContent = contracts(sum);
  });
}
function show(book) {
  const bids = summed([...book.yes].reverse());
  const asks = summed(book.no);
  const near = [...bids.slice(0, LEVELS), ...asks.slice(0, LEVELS)];
  const most = Math.max(1, ...near.map((level) => level[1]));
  ladder($("asks"), asks.slice(0, LEVELS).reverse(), most);
  ladder($("bids"), bids.slice(0, LEVELS), most);
  depth($("depth"), $("depth-axis"), bids, asks);
  const spread = bids.length && asks.length ? `spread ${(asks[0][0] - bids[0][0]).toFixed(4)}` : "one side is empty";
  text("spread", spread);
  const more = (levels) => (levels.length > LEVELS ? `${LEVELS} of ${levels.length}` : String(levels.length));
  text("book-note", `${more(bids)} bids, ${more(asks)} asks · seq ${count(book.seq)} · era ${book.era} · last change ${time(book.ts_ms)} UTC`);
}
async function book() {
  if (!chosen) return;
  const asked = chosen;
  text("book-ticker", asked);
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  try {
    const answer = await fetch(`book/${encodeURIComponent(asked)}`, { headers, signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    $("token-form").hidden = answer.status !== 401;
    if (asked !== chosen) return;
    if (answer.ok) show(await answer.json());
    else if (answer.status !== 401) text("book-note", answer.status === 404 ? "No such market is known." : `No book now (${answer.status}).`);
  } catch {
    text("book-note", "No answer about the book.");
  }
}

// ---- the round
function age() {
  const old = (Date.now() - answered) / 1000;
  text("age", answered === 0 ? "no answer yet" : old < 2.5 ? "live" : `as of ${seconds(old)} ago`);
}
async function round() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const all = await answer.json();
    failing = "";
    answered = Date.now();
    for (const part of [head, tiles, gatherers, holes, stores, busiest]) part(all);
    await book();
  } catch (error) {
    failing = `The deduplicator does not answer: ${error.message}. Figures are those of the last answer.`;
    head(null);
  }
  age();
}
async function forever() {
  for (;;) {
    if (document.visibilityState === "visible") await round();
    await new Promise((wake) => setTimeout(wake, EVERY_MS));
  }
}
$("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  const ticker = $("ticker").value.trim();
  if (ticker) choose(ticker);
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  $("token").value = "";
  book();
});
forever();
