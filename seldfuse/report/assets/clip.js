// The page of one clip: one clock, and everything that follows it.

const FRAME_S = page.hop_s;
const TRAIL_S = 3;
const SKELETON = [[5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [11, 12], [11, 13], [13, 15], [12, 14],
  [14, 16], [0, 1], [0, 2], [1, 3], [2, 4]];
const byId = (id) => document.getElementById(id);
const video = byId("video");
const audio = byId("audio");
const result = page.layers[0];

// The clock: the recording's own, or one without sound where there is none that plays.

const clock = {
  media: audio ?? video,
  base_s: 0,
  since: null,
  rate: 1,
  get time() {
    if (this.media) return this.media.currentTime;
    const spent = this.since === null ? 0 : (performance.now() - this.since) / 1000 * this.rate;
    return Math.min(this.base_s + spent, page.duration_s);
  },
  get playing() {
    return this.media ? !this.media.paused && !this.media.ended : this.since !== null;
  },
  seek(time) {
    const wanted = Math.max(0, Math.min(time, page.duration_s));
    if (this.media) this.media.currentTime = wanted;
    if (this.since !== null) this.since = performance.now();
    this.base_s = wanted;
    if (video && this.media !== video) video.currentTime = wanted;
    show(wanted);
  },
  play() {
    if (this.time >= page.duration_s - 0.05) this.seek(0);
    if (this.media) {
      this.media.play().catch((error) => { if (error.name === "NotSupportedError") lose(); });
      if (video && this.media !== video) video.play().catch(() => {});
    } else {
      this.since = performance.now();
      started();
    }
  },
  pause() {
    if (this.media) {
      this.media.pause();
      if (video) video.pause();
    } else {
      this.base_s = this.time;
      this.since = null;
      stopped();
    }
  },
  setRate(rate) {
    this.base_s = this.time;
    if (this.since !== null) this.since = performance.now();
    this.rate = rate;
    for (const one of [audio, video]) if (one) one.playbackRate = rate;
  },
};

/* The browser cannot play the recording: say so, and go on without. */
function lose() {
  if (!clock.media) return;
  const name = decodeURIComponent(clock.media.getAttribute("src").startsWith("data:") ? page.name
    : clock.media.getAttribute("src").split("/").pop());
  const wasPlaying = clock.playing;
  clock.base_s = clock.media.currentTime;
  clock.media = null;
  byId("unplayable").textContent = `This browser cannot play ${name}, or it is not there any more. Browsers play mp4, `
    + "webm, wav, flac, mp3 and ogg; the timeline goes on without it.";
  byId("unplayable").hidden = false;
  if (video && !audio) byId("picture").hidden = true;
  if (wasPlaying) clock.play();
}

for (const one of [audio, video]) {
  if (!one) continue;
  one.addEventListener("error", () => { if (one === clock.media) lose(); });
}
if (clock.media) {
  if (clock.media.error) lose();
  else {
    clock.media.addEventListener("play", started);
    clock.media.addEventListener("pause", stopped);
    clock.media.addEventListener("ended", stopped);
    clock.media.addEventListener("seeked", () => show(clock.time));
  }
}

// What moves.

let ticking = false;
let shownFrame = -1;
let loop = false;
let chosen = null;

function started() {
  byId("play").textContent = "❚❚";
  byId("play").setAttribute("aria-label", "Pause");
  if (!ticking) {
    ticking = true;
    requestAnimationFrame(tick);
  }
}

function stopped() {
  byId("play").textContent = "▶";
  byId("play").setAttribute("aria-label", "Play");
  if (video && video !== clock.media) video.pause();
}

function tick() {
  const time = clock.time;
  if (loop && chosen && (time >= chosen.end_s || time < chosen.start_s - 0.05)) clock.seek(chosen.start_s);
  else show(time);
  if (!clock.media && time >= page.duration_s) clock.pause();
  // A picture apart from its sound is brought back into step when it is seen to be out of it.
  if (video && clock.media && clock.media !== video && Math.abs(video.currentTime - time) > 0.15) video.currentTime = time;
  ticking = clock.playing;
  if (ticking) requestAnimationFrame(tick);
}

function show(time) {
  turnPage(time);
  for (const cursor of cursors) cursor.move(time);
  drawOverlay(time);
  const frame = Math.floor(time / FRAME_S + 1e-6);
  if (frame !== shownFrame) {
    shownFrame = frame;
    byId("time").textContent = `${time.toFixed(1)} / ${page.duration_s.toFixed(1)} s`;
    byId("position").value = time;
    byId("position").setAttribute("aria-valuetext", `${time.toFixed(1)} seconds`);
    drawTopView(time);
    markRows(time);
  }
}

// Events.

page.layers.forEach((layer, number) => layer.events.forEach((event, place) => {
  Object.assign(event, { layer: number, place, first: Math.round(event.start_s / FRAME_S) });
}));

function activeIn(layer, time) {
  return layer.events.filter((event) => event.start_s <= time + 1e-6 && time < event.end_s - 1e-6);
}

/* Where the source of an event is at a time: a number of its path. */
function at(event, name, time) {
  const path = event.path[name];
  if (!path) return null;
  const place = Math.floor(time / FRAME_S + 1e-6) - event.first;
  return path[Math.max(0, Math.min(place, path.length - 1))];
}

function titleOf(event) {
  return page.labels[event.class_id].replaceAll("_", " ");
}

function sideOf(azimuth) {
  if (azimuth === null || azimuth === undefined) return "direction unknown";
  return Math.abs(azimuth) < 0.5 ? "front" : `${Math.abs(azimuth).toFixed(0)}° ${azimuth > 0 ? "left" : "right"}`;
}

function choose(event, play) {
  chosen = event;
  document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
  rowOf(event)?.classList.add("chosen");
  clock.seek(event.start_s);
  if (play) clock.play();
  const outcome = event.outcome ? `, ${event.outcome}` : "";
  byId("said").textContent = `${titleOf(event)}, ${sideOf(event.azimuth_deg)}, ${event.start_s.toFixed(1)} to `
    + `${event.end_s.toFixed(1)} seconds${outcome}`;
}

function step(forward) {
  const now = clock.time;
  const events = result.events;
  const next = forward ? events.find((event) => event.start_s > now + 0.02 && event !== chosen)
    : [...events].reverse().find((event) => event.start_s < now - (clock.playing ? 0.5 : 0.02));
  if (next) choose(next, false);
}

// The table.

const table = byId("events");
const rows = new Map([...table.querySelectorAll("tr[data-event]")].map((row) => [`${row.dataset.layer} ${row.dataset.event}`, row]));
const rowOf = (event) => rows.get(`${event.layer} ${event.place}`);
let marked = new Set();

table.addEventListener("click", (click) => {
  const row = click.target.closest("tr[data-event]");
  if (row) choose(page.layers[row.dataset.layer].events[row.dataset.event], true);
});

function markRows(time) {
  const now = new Set(page.layers.flatMap((layer) => activeIn(layer, time)).map(rowOf));
  for (const row of marked) if (!now.has(row)) row.classList.remove("now");
  for (const row of now) row.classList.add("now");
  marked = now;
}

// Plots over time, each with a cursor that lies on it.

class Cursor {
  constructor(element) {
    this.element = element;
    this.line = document.createElement("div");
    this.line.className = "cursor";
    element.append(this.line);
  }

  get axis() {
    return this.element._fullLayout.xaxis;
  }

  move(time) {
    const layout = this.element._fullLayout;
    const x = this.axis.d2p(time);
    this.line.hidden = !(x >= -1 && x <= this.axis._length + 1);
    this.line.style.transform = `translateX(${layout._size.l + x - 1}px)`;
    this.line.style.top = `${layout._size.t}px`;
    this.line.style.height = `${layout._size.h}px`;
  }
}

const cursors = [];
let following = false;

async function drawOverTime(element, figure) {
  if (cursors.length) figure.layout.xaxis.range = [...cursors[0].axis.range];
  await draw(element, figure);
  const cursor = new Cursor(element);
  cursors.push(cursor);
  cursor.move(clock.time);
  element.on("plotly_relayout", (changes) => {
    if ("xaxis.range[0]" in changes || "xaxis.autorange" in changes) follow(cursor);
    cursor.move(clock.time);
  });
  element.on("plotly_afterplot", () => cursor.move(clock.time));
  listenForClicks(element, cursor);
  return element;
}

/* Bring all plots to the range of one. */
async function follow(leader) {
  if (following) return;
  following = true;
  const wanted = leader.element.layout.xaxis.autorange ? [0, page.duration_s] : [...leader.axis.range];
  await setRange(wanted);
  following = false;
}

function setRange(range) {
  return Promise.all(cursors.map((cursor) => Plotly.relayout(cursor.element, { "xaxis.range": [...range], "xaxis.autorange": false })));
}

/* Where less than the whole clip is shown, show the part that is played. */
function turnPage(time) {
  const window_s = Number(byId("window").value);
  if (!window_s || following || !cursors.length) return;
  const start = Math.floor(time / window_s) * window_s;
  const range = cursors[0].axis.range;
  if (range[0] === start && range[1] === start + window_s) return;
  following = true;
  setRange([start, start + window_s]).then(() => { following = false; });
}

byId("window").addEventListener("change", () => {
  if (Number(byId("window").value)) turnPage(clock.time);
  else setRange([0, page.duration_s]);
});

function listenForClicks(element, cursor) {
  let down = null;
  element.addEventListener("pointerdown", (press) => { down = [press.clientX, press.clientY]; }, true);
  addEventListener("pointerup", (release) => {
    if (!down || Math.hypot(release.clientX - down[0], release.clientY - down[1]) > 5) { down = null; return; }
    down = null;
    const box = element.getBoundingClientRect();
    const layout = element._fullLayout;
    const x = release.clientX - box.left - layout._size.l;
    const y = release.clientY - box.top - layout._size.t;
    if (x < 0 || x > cursor.axis._length || y < 0 || y > layout._size.h) return;
    const time = cursor.axis.p2d(x);
    const event = element.id === "timeline" ? eventAt(Math.round(layout.yaxis.p2d(y)), time) : null;
    if (event) choose(event, true);
    else clock.seek(time);
  }, true);
}

function eventAt(row, time) {
  const place = page.rows[row];
  if (!place) return null;
  const [cls, layer, source] = place;
  return page.layers[layer].events.find((event) => event.class_id === cls && event.source === source
    && event.start_s <= time && time <= event.end_s);
}

// The top view.

const top0 = page.figures.top.data.length;
const TRACES = ["doubt", "trails", ...page.layers.slice(1).map((layer) => layer.kind), "result"];

const PLACES = ["top center", "bottom center", "middle right", "middle left"];

function colorAt(azimuth) {
  const folded = 90 - Math.abs(((azimuth + 90) % 360 + 360) % 360 - 180);
  const colors = page.azimuth_colors;
  const place = (folded + 90) / 180 * (colors.length - 1);
  const low = Math.min(Math.floor(place), colors.length - 2);
  const part = place - low;
  const channel = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = [0, 1, 2].map((k) => Math.round(channel(colors[low], k) * (1 - part) + channel(colors[low + 1], k) * part));
  return `rgb(${mixed.join(",")})`;
}

function addTopTraces(figure) {
  for (const [place, kind] of TRACES.entries()) {
    const lines = place < 2;
    figure.data.push({
      type: "scatterpolar", name: kind, r: [], theta: [], text: [], hoverinfo: "skip", cliponaxis: false,
      mode: lines ? "lines" : kind === "other" ? "markers" : "markers+text",
      line: { width: kind === "doubt" ? 6 : 2, color: color("text") },
      opacity: kind === "doubt" ? 0.22 : kind === "trails" ? 0.6 : 1,
      marker: { size: kind === "result" ? 14 : 19, symbol: [], color: [],
        line: { width: kind === "result" ? 1.5 : 2, color: color("text") } },
      textposition: [], textfont: { color: color("text") },
    });
  }
}

function drawTopView(time) {
  const element = byId("top");
  if (!element._fullLayout) return;
  const active = activeIn(result, time);
  const traces = [doubtLines(active, time), trailLines(active, time)];
  for (const layer of [...page.layers.slice(1), result]) traces.push(marks(layer, activeIn(layer, time), time));
  const numbers = traces.map((_, place) => top0 + place);
  const values = (name) => traces.map((trace) => trace[name] ?? []);
  Plotly.restyle(element, { r: values("r"), theta: values("theta"), text: values("text"),
    "marker.symbol": values("symbol"), "marker.color": values("color"), textposition: values("place") }, numbers);
}

function radiusOf(event, time) {
  const far = page.figures.top.layout.polar.radialaxis.range[1];
  return at(event, "distance_m", time) ?? 0.95 * far;
}

function marks(layer, active, time) {
  const known = active.filter((event) => at(event, "azimuth_deg", time) !== null);
  return {
    theta: known.map((event) => at(event, "azimuth_deg", time)),
    r: known.map((event) => radiusOf(event, time)),
    text: known.map((event) => plain(`${titleOf(event)}${layer.kind === "truth" ? " (truth)" : ""}`)),
    // Neighbors in the list are often neighbors in the room.
    place: known.map((_, place) => PLACES[(place + (layer.kind === "truth" ? 1 : 0)) % PLACES.length]),
    symbol: known.map((event) => page.marks[event.class_id] + { result: "", truth: "-open", other: "-open-dot" }[layer.kind]),
    color: known.map((event) => (layer.kind === "result" ? colorAt(at(event, "azimuth_deg", time)) : color("text"))),
  };
}

function trailLines(active, time) {
  const r = [];
  const theta = [];
  for (const event of active) {
    for (let t = Math.max(event.start_s, time - TRAIL_S); t <= time + 1e-6; t += FRAME_S) {
      theta.push(at(event, "azimuth_deg", t));
      r.push(radiusOf(event, t));
    }
    theta.push(null);
    r.push(null);
  }
  return { r, theta };
}

/* Arcs along the interval of the azimuth, and lines along that of the distance. */
function doubtLines(active, time) {
  const r = [];
  const theta = [];
  const edge = page.figures.top.layout.polar.sector[1] === 360 ? 360 : 90;
  const line = (radii, angles) => { r.push(...radii, null); theta.push(...angles, null); };
  for (const event of active) {
    const azimuth = at(event, "azimuth_deg", time);
    const half = doubtOf(event, time);
    if (azimuth === null) continue;
    const radius = radiusOf(event, time);
    if (half !== null) {
      const low = Math.max(azimuth - half, -edge);
      const high = Math.min(azimuth + half, edge);
      const steps = 16;
      line(Array(steps + 1).fill(radius), Array.from({ length: steps + 1 }, (_, k) => low + (high - low) * k / steps));
    }
    const spread = at(event, "distance_log_std", time);
    if (spread !== null) {
      const factor = Math.exp(page.interval.distance * spread);
      const far = page.figures.top.layout.polar.radialaxis.range[1];
      line([radius / factor, Math.min(radius * factor, far)], [azimuth, azimuth]);
    }
  }
  return { r, theta };
}

function doubtOf(event, time) {
  const spread = at(event, "azimuth_std_deg", time);
  return spread === null ? null : page.interval.azimuth * spread;
}

// The picture: lines at azimuths by the pinhole law, boxes and keypoints of the last picture that was looked at.

const canvas = byId("overlay");
const looks = Object.values(page.detections).map((one) => {
  const at_s = new Map();
  one.time_s.forEach((time, row) => at_s.set(time, [...(at_s.get(time) ?? []), row]));
  return { ...one, at_s };
});

function checked(id) {
  return byId(id)?.checked ?? false;
}

function drawOverlay(time) {
  if (!canvas || byId("picture").hidden) return;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  // The picture may leave bars beside it.
  const scale = Math.min(width / page.camera.width_px, height / page.camera.height_px);
  const box = { width: page.camera.width_px * scale, height: page.camera.height_px * scale };
  context.translate((width - box.width) / 2, (height - box.height) / 2);
  context.font = `${Math.max(11, Math.min(15, box.width / 45))}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const found of looks) drawDetections(context, box, found, time);
  if (checked("show-sources")) activeIn(result, time).forEach((event, place) => drawSource(context, box, event, time, place, false));
  if (checked("show-others")) {
    const others = page.layers.slice(1).flatMap((layer) => activeIn(layer, time));
    others.forEach((event, place) => drawSource(context, box, event, time, place, true));
  }
}

function xOf(azimuth, box) {
  const relative = ((azimuth - page.camera.yaw_deg + 180) % 360 + 360) % 360 - 180;
  if (Math.abs(relative) >= 89.9) return relative > 0 ? -1e6 : 1e6;
  const focal = box.width / 2 / Math.tan(page.camera.fov_deg / 2 * Math.PI / 180);
  return box.width / 2 - focal * Math.tan(relative * Math.PI / 180);
}

function stroke(context, style, width, dash, path) {
  context.setLineDash(dash);
  for (const [line, ink] of [[width + 2, "rgba(0,0,0,.65)"], [width, style]]) {
    context.lineWidth = line;
    context.strokeStyle = ink;
    context.beginPath();
    path();
    context.stroke();
  }
  context.setLineDash([]);
}

function drawSource(context, box, event, time, place, other) {
  const azimuth = at(event, "azimuth_deg", time);
  const distance = at(event, "distance_m", time);
  const onscreen = event.onscreen === null ? "" : event.onscreen > 0.5 ? " · on-screen" : " · off-screen";
  const from = page.layers[event.layer].kind === "result" ? "" : `${page.layers[event.layer].kind}: `;
  let text = `${from}${titleOf(event)}${distance === null ? "" : ` ${distance.toFixed(1)} m`}${onscreen}`;
  const tall = Math.max(18, box.height / 18);
  const y = other ? box.height - tall * (place + 0.6) - 4 : tall * (place + 0.6) + 4;
  if (azimuth === null) { chip(context, box, text, box.width / 2, y, "#fff"); return; }
  const ink = other ? "#fff" : colorAt(azimuth);
  const x = xOf(azimuth, box);
  const half = other ? null : doubtOf(event, time);
  if (half !== null) {
    const [left, right] = [xOf(azimuth + half, box), xOf(azimuth - half, box)].map((one) => Math.max(0, Math.min(one, box.width)));
    context.fillStyle = ink;
    context.globalAlpha = 0.2;
    context.fillRect(left, 0, right - left, box.height);
    context.globalAlpha = 1;
  }
  if (x < 0 || x > box.width) {
    text = x < 0 ? `◀ ${sideOf(azimuth)} · ${text}` : `${text} · ${sideOf(azimuth)} ▶`;
    chip(context, box, text, x < 0 ? 0 : box.width, y, ink);
    return;
  }
  const dash = other ? [2, 4] : event.onscreen > 0.5 ? [] : [9, 6];
  stroke(context, ink, other ? 2 : 3, dash, () => { context.moveTo(x, 0); context.lineTo(x, box.height); });
  chip(context, box, text, x, y, ink);
}

function chip(context, box, text, x, y, ink) {
  const wide = context.measureText(text).width + 20;
  const left = Math.max(2, Math.min(x - wide / 2, box.width - wide - 2));
  const tall = parseFloat(context.font) * 1.5;
  context.fillStyle = "rgba(0,0,0,.78)";
  context.fillRect(left, y - tall / 2, wide, tall);
  context.fillStyle = ink;
  context.fillRect(left, y - tall / 2, 5, tall);
  context.fillStyle = "#fff";
  context.fillText(text, left + 11, y);
}

function drawDetections(context, box, found, time) {
  const look = found.times_s.findLast((one) => one <= time + 1e-3);
  if (look === undefined || time - look > 1.5 / found.rate_hz) return;
  for (const row of found.at_s.get(look) ?? []) {
    const [left, top, right, bottom] = found.boxes[row];
    if (checked("show-boxes")) {
      const [x, y] = [left * box.width, top * box.height];
      stroke(context, "#fff", 1.5, [], () => context.rect(x, y, (right - left) * box.width, (bottom - top) * box.height));
      chip(context, box, `${found.phrases[row]} ${found.score[row].toFixed(2)}`, x + 40, Math.min(y + 10, box.height - 10), "#fff");
    }
    if (found.points[row] && checked("show-points")) drawPoints(context, box, found.points[row]);
  }
}

function drawPoints(context, box, points) {
  const place = (k) => (points[3 * k] === null || points[3 * k + 2] < 0.2 ? null
    : [points[3 * k] * box.width, points[3 * k + 1] * box.height]);
  for (const [a, b] of SKELETON) {
    const [from, to] = [place(a), place(b)];
    if (from && to) stroke(context, "#7fd4ff", 1.5, [], () => { context.moveTo(...from); context.lineTo(...to); });
  }
}

// Buttons and keys.

function toggle() {
  if (clock.playing) clock.pause();
  else clock.play();
}

function press(id, state) {
  byId(id).setAttribute("aria-pressed", String(state));
}

function toggleLoop() {
  loop = !loop;
  if (loop) chosen ??= activeIn(result, clock.time)[0] ?? result.events[0] ?? null;
  press("loop", loop);
}

function toggleSlow() {
  clock.setRate(clock.rate === 1 ? 0.5 : 1);
  press("slow", clock.rate !== 1);
}

byId("play").addEventListener("click", toggle);
byId("previous").addEventListener("click", () => step(false));
byId("next").addEventListener("click", () => step(true));
byId("loop").addEventListener("click", toggleLoop);
byId("slow").addEventListener("click", toggleSlow);
byId("position").addEventListener("input", (change) => clock.seek(Number(change.target.value)));
byId("volume")?.addEventListener("input", (change) => {
  if (clock.media) clock.media.volume = Number(change.target.value);
});
canvas?.addEventListener("click", toggle);
for (const box of document.querySelectorAll(".shown input")) box.addEventListener("change", () => drawOverlay(clock.time));

const KEYS = {
  " ": toggle,
  n: () => step(true),
  p: () => step(false),
  l: toggleLoop,
  s: toggleSlow,
  ArrowLeft: (key) => clock.seek(clock.time - (key.shiftKey ? FRAME_S : 1)),
  ArrowRight: (key) => clock.seek(clock.time + (key.shiftKey ? FRAME_S : 1)),
};

document.addEventListener("keydown", (key) => {
  const on = key.target.closest("input, select, textarea, button, summary, a");
  const action = KEYS[key.key];
  if (!action || key.ctrlKey || key.metaKey || key.altKey) return;
  // Whoever has the focus keeps the keys that are its own.
  if (on && (key.key === " " || on.matches("select, input:not([type=checkbox])"))) return;
  key.preventDefault();
  action(key);
});

// Begin.

async function begin() {
  await drawOverTime(byId("timeline"), page.figures.timeline);
  for (const id of ["waveform", "spectrogram"]) if (page.figures[id]) await drawOverTime(byId(id), page.figures[id]);
  addTopTraces(page.figures.top);
  await draw(byId("top"), page.figures.top);
  shownFrame = -1;
  show(clock.time);
  document.documentElement.dataset.ready = "yes";
}

for (const fold of document.querySelectorAll("details.posterior")) {
  fold.addEventListener("toggle", () => {
    if (!fold.open || fold.dataset.drawn) return;
    fold.dataset.drawn = "yes";
    const { figures } = page.figures.posteriors[fold.dataset.number];
    for (const element of fold.querySelectorAll(".plot")) drawOverTime(element, figures[element.dataset.kind]);
  });
}
addEventListener("resize", () => drawOverlay(clock.time));
video?.addEventListener("loadeddata", () => drawOverlay(clock.time));
begin();
