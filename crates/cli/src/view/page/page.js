"use strict";
// The page of `reveille view`: unpacks the trace, draws the timeline, and answers clicks and keys.
// Times are nanoseconds from the first event. Tasks, polls, wakes and waits are named by numbers.

const $ = (id) => document.getElementById(id);
const NONE = -1;

// ---- Unpacking: the other half of pack.rs ----

async function unpack(text) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const all = new Uint8Array(await new Response(stream).arrayBuffer());
  const len = new DataView(all.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(all.subarray(4, 4 + len)));
  let at = 4 + len;
  for (const [name, isRising, count, size] of head.columns) {
    const column = new Float64Array(count);
    let before = 0;
    for (let index = 0; index < count; index++) {
      let number = 0, scale = 1, byte;
      do {
        byte = all[at++];
        number += (byte & 127) * scale;
        scale *= 128;
      } while (byte & 128);
      if (isRising) {
        before += number % 2 ? -(number + 1) / 2 : number / 2;
        number = before;
      }
      column[index] = number;
    }
    head[name] = column;
  }
  return head;
}

/** Sorts numbers by key: `starts[key]..starts[key + 1]` of `items` are those of the key. */
function indexBy(keys, count, include = () => true) {
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0 && include(i)) starts[keys[i] + 1]++;
  for (let key = 0; key < count; key++) starts[key + 1] += starts[key];
  const next = starts.slice(), items = new Uint32Array(starts[count]);
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0 && include(i)) items[next[keys[i]]++] = i;
  return { starts, items, of: (key) => items.subarray(starts[key], starts[key + 1]) };
}

/** An index of polls with copies of their times and groups, because painting visits many polls. */
function indexPolls(keys, count) {
  const index = indexBy(keys, count), { items, starts } = index;
  const begin = new Float64Array(items.length), end = new Float64Array(items.length), group = new Uint32Array(items.length);
  items.forEach((poll, at) => {
    [begin[at], end[at], group[at]] = [T.pollStart[poll], T.pollEnd[poll], T.taskGroup[T.pollTask[poll]]];
  });
  const longest = new Float64Array(count);
  for (let key = 0; key < count; key++) {
    for (let at = starts[key]; at < starts[key + 1]; at++) longest[key] = Math.max(longest[key], end[at] - begin[at]);
  }
  return { ...index, begin, end, group, longest };
}

/** The index of the first item whose `value` is at least `wanted`. */
function lowerBound(items, value, wanted, low = 0, high = items.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(items[middle]) < wanted) low = middle + 1; else high = middle;
  }
  return low;
}

// ---- Words ----

function duration(ns) {
  if (ns < 0) return "−" + duration(-ns);
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  const [number, unit] = ns < 999950 ? [ns / 1e3, "µs"] : ns < 999950000 ? [ns / 1e6, "ms"] : [ns / 1e9, "s"];
  return `${number < 9.995 ? number.toFixed(2) : number < 99.95 ? number.toFixed(1) : number.toFixed(0)} ${unit}`;
}
// `toLocaleString` makes a format for each call, which took a sixth of a frame.
const format = new Intl.NumberFormat("en-US");
const count = (number) => format.format(number);
const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const html = (text) => String(text).replace(/[&<>"]/g, (letter) => escapes[letter]);

// ---- Colours ----

const GROUP_COLORS = ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#2f9e9e", "#9c755f", "#d37295",
  "#7a9a01", "#6b6ecf", "#c49c00", "#3d8f6b", "#a05195"];
const REASONS = [
  ["not known", "#9aa3ad"], ["a timer", "#7f9fd0"], ["a socket", "#45a59a"],
  ["a task", "#a583c9"], ["a closure or process", "#b98a63"], ["a lock or channel", "#cf7fa2"],
  ["a wake by a task", "#9bab55"], ["a thread or signal", "#6f8f8f"], ["its turn", "#d0a94a"],
];
let theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["back", "raised", "line", "text", "quiet", "accent", "row", "live", "queued",
    "bad", "select", "arrow", "off", "alive"]) theme[name] = style.getPropertyValue("--" + name).trim();
}
/** The last part of a path, for a narrow place. */
const shortName = (name) => name.replace(/^.*::(?=[^:<>]+$)/, "");
/** A reason with the last two parts of a path. */
const shortReason = (text) => text.replace(/(a wake by )(?:.*::)?([^:]+::[^:]+)$/, "$1$2");
/** Black or white, whichever is easier to read on a colour. */
function inkOn(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return red * 0.299 + green * 0.587 + blue * 0.114 > 140 ? "#10151a" : "#ffffff";
}
const groupColor = (group) => GROUP_COLORS[group % GROUP_COLORS.length];
const reasonColor = (reason) => REASONS[T.reasons[reason][1]][1];

// ---- The trace, indexed ----

let T, pollsOfTask, pollsOfThread, pollsOfGroup, wakesOfTask, wakesByTask, parksOfThread, waitStart,
  tasksOfGroup, spansOfTask, marksOfTask, marksOfThread, aliveOfGroup, overview;

function prepare(trace) {
  T = trace;
  const tasks = T.taskGroup.length, threads = T.threads.length;
  T.pollEnd = T.pollStart.map((start, index) => start + T.pollLen[index]);
  pollsOfTask = indexPolls(T.pollTask, tasks);
  pollsOfThread = indexPolls(T.pollThread, threads);
  pollsOfGroup = indexPolls(T.pollTask.map((task) => T.taskGroup[task]), T.groups.length);
  wakesOfTask = indexBy(T.wakeTask, tasks);
  wakesByTask = indexBy(T.wakeBy.map((by, wake) => wakeCause(wake) === 0 ? by - 1 : NONE), tasks);
  T.allWakes = Uint32Array.from(T.wakeAt, (_, wake) => wake);
  parksOfThread = indexBy(T.parkThread, threads);
  tasksOfGroup = indexBy(T.taskGroup, T.groups.length);
  spansOfTask = indexBy(T.spanTask.map((task) => task - 1), tasks);
  marksOfTask = indexBy(T.markTask.map((task) => task - 1), tasks);
  marksOfThread = indexBy(T.markThread, threads);
  waitStart = new Uint32Array(tasks + 1);
  for (let task = 0; task < tasks; task++) waitStart[task + 1] = waitStart[task] + T.waitCount[task];
  aliveOfGroup = T.groups.map((_, group) => alive(tasksOfGroup.of(group)));
  overview = busyProfile(400);
}

const wakeCause = (wake) => T.wakeKind[wake] >> 2;
const isEffective = (wake) => (T.wakeKind[wake] & 3) !== 1;
const spawned = (task) => T.taskSpawned[task] ? T.taskSpawned[task] - 1 : 0;
const ended = (task) => T.taskEnded[task] ? T.taskEnded[task] - 1 : T.end;
const taskLabel = (task) => T.texts[T.taskName[task]] || T.groups[T.taskGroup[task]].name
  || T.groups[T.taskGroup[task]].place || `task 0x${(T.taskKey[task] * 16).toString(16)}`;

/** How many tasks of a list are live over time: times, and the number from each time on. */
function alive(tasks) {
  const changes = new Float64Array(tasks.length * 2);
  for (let i = 0; i < tasks.length; i++) {
    // The lowest bit is 0 for an end and 1 for a spawn, so an end sorts before a spawn of the same
    // time.
    changes[i * 2] = spawned(tasks[i]) * 2 + 1;
    changes[i * 2 + 1] = (ended(tasks[i]) + (T.taskEnded[tasks[i]] ? 0 : 1)) * 2;
  }
  changes.sort();
  const times = new Float64Array(changes.length), numbers = new Uint32Array(changes.length);
  let now = 0, most = 0;
  for (let i = 0; i < changes.length; i++) {
    now += changes[i] % 2 ? 1 : -1;
    most = Math.max(most, now);
    [times[i], numbers[i]] = [Math.floor(changes[i] / 2), now];
  }
  return { times, numbers, most };
}

/** The share of time that all threads together were busy, in slices of the whole trace. */
function busyProfile(slices) {
  const profile = new Float64Array(slices), width = Math.max(T.end, 1) / slices;
  for (let poll = 0; poll < T.pollStart.length; poll++) {
    if (T.pollFlags[poll] >> 2) continue;
    const start = T.pollStart[poll], end = T.pollEnd[poll];
    for (let slice = Math.floor(start / width); slice < slices && slice * width < end; slice++) {
      profile[slice] += Math.min(end, (slice + 1) * width) - Math.max(start, slice * width);
    }
  }
  const most = Math.max(1, ...profile);
  return profile.map((busy) => busy / most);
}

// ---- What is shown ----

const LABELS = 250, OVERVIEW = 30, RULER = 24, TOP = OVERVIEW + RULER;
const canvas = $("canvas"), scroller = $("scroller"), ink = canvas.getContext("2d", { alpha: false });
let view = { start: 0, end: 1 }, rows = [], rowOfTask = new Map(), rowOfGroup = [], rowOfThread = [];
/** With this many threads there is room for the tasks. A click shows the other threads. */
const THREADS_SHOWN = 16;
let allThreads = false;
let expanded = new Set(), selected = { task: NONE, poll: NONE }, matches = null, showArrows = false;
let width = 800, height = 600, frame = 0, pointer = null, hiddenArrows = 0;

function layout() {
  rows = [];
  rowOfTask.clear();
  rowOfGroup = [];
  rowOfThread = [];
  const add = (row, size) => {
    const last = rows[rows.length - 1];
    rows.push({ ...row, y: last ? last.y + last.size : 0, size });
    return rows.length - 1;
  };
  const isFew = T.taskGroup.length <= 12;
  add({ kind: "head", text: `Threads (${T.threads.length})`, note: "colour: the group of the task that is polled" }, 22);
  const threads = allThreads ? T.threads.length : Math.min(T.threads.length, THREADS_SHOWN);
  for (let thread = 0; thread < threads; thread++) rowOfThread[thread] = add({ kind: "thread", thread }, 26);
  if (threads < T.threads.length) add({ kind: "more", text: `▸ ${count(T.threads.length - threads)} more threads` }, 22);
  add({ kind: "head", text: `Tasks (${count(T.taskGroup.length)})`, note: "by place of spawn; height: busy; ×: how many; click: each" }, 22);
  T.groups.forEach((group, index) => {
    const isSingle = group.tasks === 1;
    if (!isSingle) rowOfGroup[index] = add({ kind: "group", group: index }, 30);
    if (isSingle || expanded.has(index)) {
      for (const task of tasksOfGroup.of(index)) {
        rowOfTask.set(task, add({ kind: "task", task, isSingle }, isFew ? 32 : 20));
      }
    }
  });
  const last = rows[rows.length - 1];
  $("spacer").style.height = `${Math.max(0, last.y + last.size + TOP + 12 - height)}px`;
}

function resize() {
  const scale = window.devicePixelRatio || 1;
  width = Math.max(360, scroller.clientWidth);
  height = Math.max(160, scroller.clientHeight);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  ink.setTransform(scale, 0, 0, scale, 0, 0);
  layout();
  draw();
}

const toX = (at) => LABELS + (at - view.start) / (view.end - view.start) * (width - LABELS);
const toTime = (x) => view.start + (x - LABELS) / (width - LABELS) * (view.end - view.start);
const rowY = (index) => TOP + rows[index].y - scroller.scrollTop;

function setView(start, end) {
  const least = 200, most = Math.max(T.end, least);
  const len = Math.min(Math.max(end - start, least), most);
  const middle = (start + end) / 2;
  start = Math.min(Math.max(middle - len / 2, 0), most - len);
  view = { start, end: start + len };
  draw();
}

function zoom(factor, at = (view.start + view.end) / 2) {
  setView(at - (at - view.start) * factor, at + (view.end - at) * factor);
}

function draw() {
  if (!frame) frame = requestAnimationFrame(() => { frame = 0; paint(); });
}

// ---- Painting ----

function paint() {
  ink.fillStyle = theme.back;
  ink.fillRect(0, 0, width, height);
  ink.textBaseline = "middle";
  const top = scroller.scrollTop;
  let first = 0;
  while (first < rows.length && rows[first].y + rows[first].size < top) first++;
  paintGrid();
  for (let index = first; index < rows.length && rows[index].y - top < height; index++) {
    const row = rows[index], y = TOP + row.y - top;
    ({ head: paintHead, more: paintMore, thread: paintThread, group: paintGroup, task: paintTask })[row.kind](row, y);
  }
  paintArrows();
  ink.fillStyle = theme.line;
  ink.fillRect(LABELS - 1, TOP, 1, height);
  paintTop();
}

/** Texts as `fitted` has cut them off. Most frames have the same ones. */
const fittedTexts = new Map(), FITTED_MAX = 5000;

/** The end of a text that has room in `space` in the current font. */
function fitted(text, space) {
  if (ink.measureText(text).width <= space) return text;
  // The arguments of a type say less than its name.
  text = text.replace(/<.+>$/, "<…>");
  if (ink.measureText(text).width <= space) return text;
  // Long names mostly differ at their ends, so the start is cut off.
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ink.measureText("…" + text.slice(middle)).width > space) low = middle + 1; else high = middle;
  }
  return "…" + text.slice(low);
}

function label(text, x, y, space, color = theme.text, font = "12px") {
  ink.font = `${font} system-ui, "DejaVu Sans", sans-serif`;
  ink.fillStyle = color;
  const key = `${font} ${Math.round(space)} ${text}`;
  let short = fittedTexts.get(key);
  if (short === undefined) {
    if (fittedTexts.size >= FITTED_MAX) fittedTexts.clear();
    fittedTexts.set(key, short = fitted(text, Math.round(space)));
  }
  ink.fillText(short, x, y);
}

function ticks() {
  const wanted = (view.end - view.start) / Math.max(2, (width - LABELS) / 110);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= wanted);
  const all = [];
  for (let at = Math.ceil(view.start / step) * step; at <= view.end; at += step) all.push(at);
  return { all, step };
}

/** A time with as many digits as distinguish it from its neighbours. */
function moment(at, step) {
  const [scale, unit] = view.end < 1e3 ? [1, "ns"] : view.end < 1e6 ? [1e3, "µs"] : view.end < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  const digits = Math.max(0, Math.ceil(Math.log10(scale / step) - 1e-9));
  return `${(at / scale).toFixed(digits)} ${unit}`;
}

function paintGrid() {
  ink.fillStyle = theme.row;
  for (const at of ticks().all) ink.fillRect(Math.round(toX(at)), TOP, 1, height);
}

function paintTop() {
  ink.fillStyle = theme.raised;
  ink.fillRect(0, 0, width, TOP);
  const space = width - LABELS, slice = space / overview.length;
  ink.fillStyle = theme.quiet;
  for (let i = 0; i < overview.length; i++) {
    const size = overview[i] * (OVERVIEW - 6);
    ink.fillRect(LABELS + i * slice, OVERVIEW - 2 - size, Math.max(1, slice - 0.3), size);
  }
  const left = LABELS + view.start / T.end * space, right = LABELS + view.end / T.end * space;
  if (view.end - view.start < T.end) {
    ink.globalAlpha = 0.65;
    ink.fillStyle = theme.raised;
    ink.fillRect(LABELS, 0, left - LABELS, OVERVIEW);
    ink.fillRect(right, 0, width - right, OVERVIEW);
    ink.globalAlpha = 1;
    ink.strokeStyle = theme.accent;
    ink.strokeRect(left + 0.5, 1.5, Math.max(2, right - left - 1), OVERVIEW - 2);
  }
  label("All threads, busy", 10, OVERVIEW / 2, LABELS - 20, theme.quiet);
  const shown = hiddenArrows ? `${many(hiddenArrows, "wake")} here: zoom in for arrows` : `${duration(view.end - view.start)} shown`;
  label(shown, 10, OVERVIEW + RULER / 2, LABELS - 20, hiddenArrows ? theme.arrow : theme.quiet);
  const { all, step } = ticks();
  ink.textAlign = "center";
  for (const at of all) {
    const x = Math.round(toX(at));
    ink.fillStyle = theme.line;
    ink.fillRect(x, OVERVIEW + 16, 1, RULER - 16);
    if (x > LABELS + 26 && x < width - 26) label(moment(at, step), x, OVERVIEW + 9, 200, theme.quiet);
  }
  ink.textAlign = "left";
  ink.fillStyle = theme.line;
  ink.fillRect(0, TOP - 1, width, 1);
}

function paintHead(row, y) {
  ink.fillStyle = theme.raised;
  ink.fillRect(0, y, width, row.size);
  label(row.text, 10, y + row.size / 2, LABELS, theme.text, "600 12px");
  label(row.note, LABELS + 8, y + row.size / 2, width - LABELS, theme.quiet, "11px");
}

function paintMore(row, y) {
  label(row.text, 8, y + row.size / 2, LABELS, theme.accent);
}

/** Sums for each column of pixels. They are used for each row again: a frame has many rows. */
let sums = { busy: new Float32Array(0), most: new Float32Array(0), whose: new Int32Array(0) };
function cleared(columns) {
  if (sums.busy.length !== columns) {
    sums = { busy: new Float32Array(columns), most: new Float32Array(columns), whose: new Int32Array(columns) };
  }
  sums.busy.fill(0);
  sums.most.fill(0);
  return sums;
}

/**
 * Paints the polls of a key. Where several share a pixel, the height says how much of it is busy (at
 * least `least`), and the colour is that of the longest.
 */
function paintPolls(index, key, y, size, least, share = 1) {
  const { begin, end, group, items, starts } = index;
  const self = (time) => time;
  const first = lowerBound(begin, self, view.start - index.longest[key], starts[key], starts[key + 1]);
  const last = lowerBound(begin, self, view.end, first, starts[key + 1]);
  const columns = Math.ceil(width - LABELS), scale = (width - LABELS) / (view.end - view.start);
  const { busy, most, whose } = cleared(columns), wide = [];
  for (let i = first; i < last; i++) {
    const left = (begin[i] - view.start) * scale, right = (end[i] - view.start) * scale;
    if (right < 0) continue;
    if (right - left >= 3 && share === 1) {
      wide.push(items[i]);
      continue;
    }
    const from = left > 0 ? left | 0 : 0;
    if (right <= from + 1) {
      // Most polls are within a column.
      const part = right - Math.max(left, from);
      busy[from] += part;
      if (part >= most[from]) {
        most[from] = part;
        whose[from] = group[i];
      }
      continue;
    }
    const until = Math.min(columns, Math.ceil(right));
    for (let x = from; x < until; x++) {
      const part = Math.min(right, x + 1) - Math.max(left, x);
      busy[x] += part;
      if (part >= most[x]) {
        most[x] = part;
        whose[x] = group[i];
      }
    }
  }
  const part = (x) => Math.max(least, Math.min(1, Math.ceil(busy[x] / share * 12) / 12));
  for (let x = 0; x < columns;) {
    if (!busy[x]) { x++; continue; }
    const height = part(x), color = whose[x], from = x;
    do x++; while (x < columns && busy[x] && whose[x] === color && part(x) === height);
    ink.fillStyle = groupColor(color);
    const high = Math.max(2, size * height);
    ink.fillRect(LABELS + from, y + size - high, x - from, high);
  }
  for (const poll of wide) {
    const left = Math.max(LABELS, toX(T.pollStart[poll])), right = Math.min(width, toX(T.pollEnd[poll]));
    const depth = T.pollFlags[poll] >> 2, inset = Math.min(depth * 4, size / 2);
    ink.fillStyle = groupColor(T.taskGroup[T.pollTask[poll]]);
    ink.fillRect(left, y + inset, Math.max(1, right - left - 0.5), size - inset);
    if (T.pollFlags[poll] & 2) {
      ink.fillStyle = theme.bad;
      ink.fillRect(right - 3, y, 3, size);
    }
    if (poll === selected.poll) {
      ink.strokeStyle = theme.text;
      ink.lineWidth = 2;
      ink.strokeRect(left, y + inset, Math.max(2, right - left - 0.5), size - inset);
    }
    const group = T.taskGroup[T.pollTask[poll]], name = shortName(taskLabel(T.pollTask[poll]));
    // A part of a name is hard to read on a block. The tip has the whole one.
    if (right - left > 20 + 6 * name.length) {
      label(name, left + 4, y + inset + (size - inset) / 2, right - left - 8, inkOn(groupColor(group)), "11px");
    }
  }
}

function paintThread(row, y) {
  const thread = T.threads[row.thread], part = thread.busy / Math.max(1, T.end);
  label(thread.name, 10, y + row.size / 2, LABELS - 80);
  ink.textAlign = "right";
  label(`${(part * 100).toFixed(part < 0.1 ? 1 : 0)} % busy`, LABELS - 10, y + row.size / 2, 80, theme.quiet, "11px");
  ink.textAlign = "left";
  ink.save();
  ink.beginPath();
  ink.rect(LABELS, y, width - LABELS, row.size);
  ink.clip();
  ink.fillStyle = theme.off;
  for (const [start, end] of thread.recorded) {
    ink.fillRect(toX(start), y + row.size - 4, Math.max(1, toX(end) - toX(start)), 1);
  }
  paintPolls(pollsOfThread, row.thread, y + 3, row.size - 6, 0.12);
  paintMarks(marksOfThread.of(row.thread), y);
  // Another thread took over the worker, because a poll blocks.
  ink.fillStyle = theme.bad;
  for (const [of, at] of T.handOffs) if (of === row.thread) ink.fillRect(toX(at) - 1, y, 3, row.size);
  ink.restore();
}

// Many marks are one thin line, or they would hide the polls.
function paintMarks(marks, y) {
  ink.fillStyle = theme.text;
  let last = -9;
  for (const mark of marks) {
    const x = toX(T.markAt[mark]);
    if (x < LABELS || x > width || x < last + 1) continue;
    const isClose = x < last + 6;
    last = x;
    if (isClose) {
      ink.fillRect(x - 1, y + 1, 2, 1);
      continue;
    }
    ink.beginPath();
    ink.moveTo(x - 3, y + 1);
    ink.lineTo(x + 3, y + 1);
    ink.lineTo(x, y + 6);
    ink.fill();
  }
}

function paintGroup(row, y) {
  const group = T.groups[row.group], isOpen = expanded.has(row.group);
  if (matches && matches.groups.has(row.group)) {
    ink.fillStyle = theme.select;
    ink.fillRect(0, y, width, row.size);
  }
  label(isOpen ? "▾" : "▸", 8, y + row.size / 2, 14, theme.quiet, "11px");
  ink.fillStyle = groupColor(row.group);
  ink.fillRect(22, y + 6, 8, row.size - 12);
  const room = LABELS - 60 - 7 * count(group.tasks).length;
  label(group.name || group.place || group.label, 36, y + row.size / 2 - 6, room);
  label(group.name ? group.place : "", 36, y + row.size / 2 + 7, room, theme.quiet, "10px");
  ink.textAlign = "right";
  label(`${count(group.tasks)}×`, LABELS - 10, y + row.size / 2, 60, theme.quiet, "11px");
  ink.textAlign = "left";
  ink.save();
  ink.beginPath();
  ink.rect(LABELS, y, width - LABELS, row.size);
  ink.clip();
  const { times, numbers, most } = aliveOfGroup[row.group];
  ink.fillStyle = theme.alive;
  let at = lowerBound(times, (time) => time, view.start) - 1;
  for (let x = LABELS; x < width; x += 2) {
    const until = toTime(x + 2);
    let now = at >= 0 ? numbers[at] : 0;
    while (at + 1 < times.length && times[at + 1] <= until) now = Math.max(now, numbers[++at]);
    if (now) {
      const size = Math.max(2, (row.size - 5) * now / most);
      ink.fillRect(x, y + row.size - 2 - size, 2, size);
    }
  }
  paintPolls(pollsOfGroup, row.group, y + 3, row.size - 5, 0.08, Math.min(T.threads.length, group.tasks));
  ink.fillStyle = theme.line;
  ink.fillRect(LABELS, y + row.size - 1, width, 1);
  ink.restore();
}

function paintTask(row, y) {
  const { task } = row, group = T.taskGroup[task];
  const isSelected = selected.task === task, isMatch = matches && matches.tasks.has(task);
  if (isSelected || isMatch) {
    ink.fillStyle = theme.select;
    ink.fillRect(0, y, width, row.size);
  }
  const indent = row.isSingle ? 22 : 36, middle = y + row.size / 2;
  ink.fillStyle = groupColor(group);
  ink.fillRect(indent, middle - 5, row.isSingle ? 8 : 4, 10);
  const place = T.groups[group].place, isTall = row.size > 26;
  const space = LABELS - indent - (row.isSingle ? 24 : 84);
  const name = row.isSingle || T.taskName[task] ? taskLabel(task) : shortName(taskLabel(task));
  label(name, indent + 14, isTall && place ? middle - 6 : middle, space, isSelected ? theme.accent : theme.text, isSelected ? "600 12px" : "12px");
  if (isTall && place) label(place, indent + 14, middle + 8, space, theme.quiet, "10px");
  if (!row.isSingle && T.taskSpawned[task]) {
    // Tasks of a group have the same name, so the time of the spawn distinguishes them.
    ink.textAlign = "right";
    label(`at ${duration(spawned(task))}`, LABELS - 10, middle, 70, theme.quiet, "10px");
    ink.textAlign = "left";
  }
  ink.save();
  ink.beginPath();
  ink.rect(LABELS, y, width - LABELS, row.size);
  ink.clip();
  const from = toX(spawned(task)), until = toX(ended(task));
  ink.fillStyle = theme.line;
  ink.fillRect(from, middle, until - from, 1);
  paintWaits(task, middle, row.size);
  paintPolls(pollsOfTask, task, y + 2, row.size - 4, 0.5);
  ink.fillStyle = theme.text;
  if (T.taskSpawned[task]) ink.fillRect(from - 1, y + 2, 1, row.size - 4);
  if (T.taskEnded[task]) {
    ink.fillStyle = T.taskOutcome[task] === 2 ? theme.bad : theme.text;
    ink.fillRect(until, y + 2, T.taskOutcome[task] === 2 ? 3 : 1, row.size - 4);
  }
  for (const span of spansOfTask.of(task)) {
    const left = toX(T.spanStart[span]), right = toX(T.spanStart[span] + T.spanLen[span]);
    ink.fillStyle = theme.accent;
    if (right > LABELS && left < width) ink.fillRect(left, y + row.size - 2, Math.max(1, right - left), 2);
  }
  paintMarks(marksOfTask.of(task), y);
  ink.restore();
}

function paintWaits(task, middle, size) {
  const thick = Math.max(4, size / 3);
  const start = (wait) => T.waitFrom[wait] + T.waitLen[wait] + T.waitQueued[wait];
  let wait = waitStart[task];
  const last = waitStart[task + 1];
  {
    let low = wait, high = last;
    while (low < high) {
      const half = (low + high) >> 1;
      if (start(half) < view.start) low = half + 1; else high = half;
    }
    wait = low;
  }
  let drawn = -1;
  for (; wait < last && T.waitFrom[wait] < view.end; wait++) {
    const left = Math.max(LABELS, toX(T.waitFrom[wait])), woken = toX(T.waitFrom[wait] + T.waitLen[wait]);
    const until = Math.min(width, toX(start(wait)));
    // Items narrower than a pixel are drawn once for that pixel.
    if (until - drawn < 0.5) continue;
    drawn = until;
    if (woken > left) {
      ink.fillStyle = reasonColor(T.waitReason[wait]);
      ink.fillRect(left, middle - thick / 2, Math.max(0.5, Math.min(woken, width) - left), thick);
    }
    if (until > woken) {
      ink.fillStyle = theme.queued;
      ink.fillRect(Math.max(LABELS, woken), middle - thick / 2, Math.max(0.7, until - Math.max(LABELS, woken)), thick);
    }
  }
}

// ---- Wakes as arrows ----

/** More arrows than this cannot be told apart. */
const ARROWS_MAX = 150;

function rowOf(task) {
  const own = rowOfTask.get(task);
  return own === undefined ? rowOfGroup[T.taskGroup[task]] : own;
}

function arrowOf(wake) {
  const cause = wakeCause(wake), by = T.wakeBy[wake] - 1;
  const from = cause === 0 && by >= 0 ? rowOf(by) : rowOfThread[T.wakeThread[wake]];
  return { from, to: rowOf(T.wakeTask[wake]) };
}

/** The wakes of a sorted index between two times. */
function wakesBetween(items, from, until) {
  const first = lowerBound(items, (wake) => T.wakeAt[wake], from);
  return items.subarray(first, lowerBound(items, (wake) => T.wakeAt[wake], until, first)).filter(isEffective);
}

/** The wakes that led to a poll, and those that were made in it. */
function wakesOfPoll(poll) {
  const { task } = selected, polls = pollsOfTask.of(task), at = polls.indexOf(poll);
  const before = at > 0 ? T.pollStart[polls[at - 1]] : spawned(task);
  return [...wakesBetween(wakesOfTask.of(task), before, T.pollStart[poll] + 1),
    ...wakesBetween(wakesByTask.of(task), T.pollStart[poll], T.pollEnd[poll] + 1)];
}

/** The wakes to draw: those of the selection, or all, if they are few enough to tell them apart. */
function wakesToDraw() {
  const { start, end } = view;
  if (selected.poll !== NONE) return { wakes: wakesOfPoll(selected.poll), hidden: 0 };
  let wakes = [];
  if (selected.task !== NONE) {
    wakes = [...wakesBetween(wakesOfTask.of(selected.task), start, end), ...wakesBetween(wakesByTask.of(selected.task), start, end)];
  } else if (showArrows) {
    wakes = [...wakesBetween(T.allWakes, start, end)];
  }
  return wakes.length > ARROWS_MAX ? { wakes: [], hidden: wakes.length } : { wakes, hidden: 0 };
}

function paintArrows() {
  ink.save();
  ink.beginPath();
  ink.rect(LABELS, TOP, width - LABELS, height - TOP);
  ink.clip();
  ink.lineWidth = 1.3;
  const { wakes, hidden } = wakesToDraw();
  hiddenArrows = hidden;
  for (const wake of wakes) {
    const { from, to } = arrowOf(wake);
    if (from === undefined || to === undefined) continue;
    const isIncoming = T.wakeTask[wake] === selected.task || selected.task === NONE;
    ink.strokeStyle = ink.fillStyle = isIncoming ? theme.arrow : theme.accent;
    const x = toX(T.wakeAt[wake]), y1 = rowY(from) + rows[from].size / 2, y2 = rowY(to) + rows[to].size / 2;
    const down = y2 >= y1 ? 1 : -1, tip = y2 - down * Math.min(8, rows[to].size / 2 - 2);
    if (Math.max(y1, y2) < TOP || Math.min(y1, y2) > height) continue;
    const bend = from === to ? 14 : Math.min(26, 6 + Math.abs(y2 - y1) / 14);
    ink.beginPath();
    ink.moveTo(x, y1);
    ink.bezierCurveTo(x + bend, y1, x + bend / 2, tip - down * 12, x, tip);
    ink.stroke();
    ink.beginPath();
    ink.moveTo(x, tip + down * 3);
    ink.lineTo(x - 3.5, tip - down * 4);
    ink.lineTo(x + 4.5, tip - down * 3.5);
    ink.fill();
    ink.fillRect(x - 2, y1 - 2, 4, 4);
  }
  ink.restore();
}

// ---- Words about things ----

function wakeWords(wake) {
  const cause = wakeCause(wake), by = T.wakeBy[wake];
  const thread = html(T.threads[T.wakeThread[wake]].name);
  if (cause === 0) return by ? `task ${taskLink(by - 1, T.wakeAt[wake])}` : "a task";
  if (cause === 1) return `descriptor ${by} ${html(T.texts[T.wakeSocket[wake]])} on ${thread}`;
  if (cause === 2) return `a timer, ${duration(by)} late, on ${thread}`;
  return `thread ${thread}`;
}

const taskLink = (task, at) => `<a data-go="task" data-task="${task}" data-at="${at ?? ""}">${html(taskLabel(task))}</a>`;
const plain = (markup) => { const box = document.createElement("div"); box.innerHTML = markup; return box.textContent; };
const isLost = (poll) => T.pollFlags[poll] & 2;

function pollWords(poll) {
  const edge = isLost(poll) ? " (its start or end is not in the trace)" : "";
  return `polled for ${duration(T.pollLen[poll])} on ${html(T.threads[T.pollThread[poll]].name)}${edge}`;
}

function waitWords(wait) {
  const parts = [];
  if (T.waitLen[wait]) {
    const [reason] = T.reasons[T.waitReason[wait]];
    // The line with what woke the task follows, so the reason does not repeat it.
    const what = reason.startsWith("a wake by ") ? "" : ` for ${html(reason)}`;
    parts.push(`waited ${duration(T.waitLen[wait])}${what}`);
    if (T.waitWake[wait]) parts.push(`woken by ${wakeWords(T.waitWake[wait] - 1)}`);
    else if (T.waitOpen[wait]) parts.push("still waiting at the end");
  }
  if (T.waitQueued[wait] || !T.waitLen[wait]) parts.push(`${T.waitLen[wait] ? "then " : ""}queued for ${duration(T.waitQueued[wait])}`);
  return parts.join(", ");
}

// ---- The side panel ----

function bar(part, color, rest = "") {
  const width = (Math.max(0, Math.min(1, part)) * 100).toFixed(1);
  return `<span class="bar"><i style="width:${width}%;background:${color}"></i>${rest}</span>`;
}

function stackHtml(stack) {
  if (!stack || !T.stacks[stack - 1].length) return "";
  const frames = T.stacks[stack - 1].map(([word, name, place]) => `${word} ${html(name)}${place && `<br>&nbsp;&nbsp;<span class="quiet">${html(place)}</span>`}`);
  return `<div class="stack">${frames.join("<br>")}</div>`;
}

const dot = (color) => `<span class="dot" style="background:${color}"></span>`;

function overviewHtml() {
  const parts = [];
  const list = (title, body) => { if (body) parts.push(`<h2>${title}</h2>${body}`); };
  list("Missing from the trace", T.missing.length && `<ul class="bad">${T.missing.map((text) => `<li>${html(text)}</li>`).join("")}</ul>`);
  list(`Panics (${count(T.panicCount)})`, T.panicCount && `<ul>${T.panics.slice(0, 20).map(foundRow).join("")}</ul>`);
  list(`What rules found (${count(T.lintCount)})`, T.lintCount && `<ul>${T.lints.slice(0, 20).map(foundRow).join("")}</ul>`);
  const stuck = T.standing.slice(0, 8).map(([group, reason, stack, tasks, longest, task]) =>
    `<tr data-go="task" data-task="${task}"><td class="w">${dot(groupColor(group))}${tasks > 1 ? `${count(tasks)} × ` : T.taskName[task] ? `'${html(taskLabel(task))}' ` : ""}${html(T.groups[group].label)}<br>
     <span class="quiet">${standingReason(reason, stack)}, ${tasks > 1 ? "up to " : ""}${duration(longest)} so far</span>${stackHtml(stack)}</td></tr>`);
  const sum = T.waited.reduce((all, row) => all + row[2], 0) || 1;
  const waited = () => list("What tasks wait for", T.waited.length && `<table><tr><th>for<th class="n">total<th class="n">times<th class="n">longest</tr>${T.waited.slice(0, 14).map(([group, reason, total, times, longest]) =>
    `<tbody data-go="group" data-group="${group}"><tr><td class="w">${html(shortReason(T.reasons[reason][0]))}</td><td class="n">${duration(total)}</td><td class="n">${count(times)}</td><td class="n">${duration(longest)}</td></tr><tr><td colspan="4" class="w quiet sub">${bar(total / sum, REASONS[T.reasons[reason][1]][1])}<br>${dot(groupColor(group))}${html(T.groups[group].label)}</td></tr></tbody>`).join("")}</table>`);
  const hasStacks = T.standing.some((row) => stackHtml(row[2]));
  const awaits = hasStacks ? "" : '<p class="quiet">The awaits are known from dumps only: take one while the program records.</p>';
  // A dump was taken: the question is where the program is.
  if (!hasStacks) waited();
  list("Waiting at the end, longest first", stuck.length && `<table>${stuck.join("")}</table>${awaits}`);
  if (hasStacks) waited();
  list("Longest polls", T.longestPolls.length && `<table>${T.longestPolls.slice(0, 10).map((poll) =>
    `<tr data-go="poll" data-poll="${poll}"><td class="n">${duration(T.pollLen[poll])}</td><td class="w">${dot(groupColor(T.taskGroup[T.pollTask[poll]]))}${html(taskLabel(T.pollTask[poll]))}</td><td class="n quiet">at ${duration(T.pollStart[poll])}</td></tr>`).join("")}</table>`);
  list("Longest from wake to poll", T.longestQueued.length && `<table>${T.longestQueued.slice(0, 6).map((wait) =>
    `<tr data-go="wait" data-wait="${wait}"><td class="n">${duration(T.waitQueued[wait])}</td><td class="w">${html(taskLabel(taskOfWait(wait)))}</td><td class="n quiet">at ${duration(T.waitFrom[wait] + T.waitLen[wait])}</td></tr>`).join("")}</table>`);
  list("Threads", T.threads.length && `<table>${T.threads.map((thread) => {
    const asleep = `<i style="width:${(thread.parked / T.end * 100).toFixed(1)}%;background:${theme.live}"></i>`;
    return `<tr><td class="w">${html(thread.name)}</td><td>${bar(thread.busy / T.end, GROUP_COLORS[0], asleep)}</td><td class="n">${(thread.busy / T.end * 100).toFixed(1)} % busy</td><td class="n quiet">${(thread.parked / T.end * 100).toFixed(0)} % asleep</td></tr>`;
  }).join("")}</table>`);
  return parts.join("");
}

// If the reason is not known, the stack says it.
const standingReason = (reason, stack) =>
  T.reasons[reason][1] ? `for ${html(T.reasons[reason][0])}` : stack ? "waits" : "for what is not known";

const foundRow = ([at, task, text]) => `<li data-go="task" data-task="${task - 1}" data-at="${at}"><span class="quiet">${duration(at)}</span> ${task ? html(taskLabel(task - 1)) : "the runtime"}: ${html(text)}</li>`;

function taskOfWait(wait) {
  let low = 0, high = waitStart.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (waitStart[middle + 1] <= wait) low = middle + 1; else high = middle;
  }
  return low;
}

const OUTCOMES = ["", "finished", "panicked", "was cancelled", "ended"];
const HISTORY = 240;

function taskHtml(task) {
  const group = T.groups[T.taskGroup[task]], parent = T.taskParent[task];
  const life = Math.max(1, ended(task) - spawned(task));
  let busy = 0, queued = 0, waited = 0;
  for (const poll of pollsOfTask.of(task)) busy += T.pollLen[poll];
  const stacks = new Map();
  for (let wait = waitStart[task]; wait < waitStart[task + 1]; wait++) {
    [queued, waited] = [queued + T.waitQueued[wait], waited + T.waitLen[wait]];
    const stack = T.waitStack[wait];
    if (stack) stacks.set(stack, (stacks.get(stack) || 0) + T.waitLen[wait]);
  }
  const share = (ns) => `${(ns / life * 100).toFixed(1)} %`;
  const rowsOf = [
    ["Type", html(group.type || "not known")], ["Spawned at", html(group.place || "not known")],
    ["Kind", html(group.flavour) + (T.taskSize[task] ? `, ${count(T.taskSize[task])} bytes` : "")],
    ["Spawned by", parent ? taskLink(parent - 1, spawned(task)) : "not known"],
    ["Life", `${T.taskSpawned[task] ? `from ${duration(spawned(task))}` : "from before the trace"}, ${T.taskEnded[task] ? `${OUTCOMES[T.taskOutcome[task]]} at ${duration(ended(task))}` : "still alive at the end"}`],
    ["Polled", `${many(pollsOfTask.of(task).length, "time")}, ${duration(busy)} (${share(busy)})`],
    ["Queued", `${duration(queued)} (${share(queued)})`], ["Waited", `${duration(waited)} (${share(waited)})`],
  ];
  const bars = bar(busy / life, groupColor(T.taskGroup[task]), `<i style="width:${(queued / life * 100).toFixed(1)}%;background:var(--queued)"></i><i style="width:${(waited / life * 100).toFixed(1)}%;background:${REASONS[1][1]}"></i>`);
  const stackList = [...stacks].sort((one, other) => other[1] - one[1]).slice(0, 5);
  return `<h2>${dot(groupColor(T.taskGroup[task]))}${html(taskLabel(task))}</h2>${bars}
    <table>${rowsOf.map(([name, value]) => `<tr><th>${name}</th><td class="w">${value}</td></tr>`).join("")}</table>
    ${stackList.length ? `<h2>Where it waited (await stacks)</h2>${stackList.map(([stack, ns]) => `<span class="quiet">${duration(ns)}</span>${stackHtml(stack)}`).join("")}` : ""}
    <h2>History</h2><ol>${historyHtml(task)}</ol>`;
}

/** The polls and waits of a task in turn, around what is selected. */
function historyHtml(task) {
  const entries = [];
  for (const poll of pollsOfTask.of(task)) entries.push([T.pollStart[poll], 1, poll]);
  for (let wait = waitStart[task]; wait < waitStart[task + 1]; wait++) entries.push([T.waitFrom[wait], 0, wait]);
  for (const span of spansOfTask.of(task)) entries.push([T.spanStart[span], 2, span]);
  for (const mark of marksOfTask.of(task)) entries.push([T.markAt[mark], 3, mark]);
  entries.sort((one, other) => one[0] - other[0] || other[1] - one[1]);
  let from = 0;
  if (entries.length > HISTORY) {
    const at = selected.poll === NONE ? view.start : T.pollStart[selected.poll];
    from = Math.max(0, Math.min(entries.length - HISTORY, lowerBound(entries, (entry) => entry[0], at) - 60));
  }
  const words = ([at, kind, number]) => {
    const now = kind === 1 && number === selected.poll ? ' class="now"' : "";
    const text = [waitWords, pollWords, spanWords, markWords][kind](number);
    const attributes = kind === 1 ? `data-go="poll" data-poll="${number}"` : `data-go="time" data-at="${at}"`;
    return `<li ${attributes}${now}><span class="quiet">${duration(at)}</span> ${text}</li>`;
  };
  const cut = (number, where) => number > 0 ? `<li class="quiet">${count(number)} ${where}</li>` : "";
  return cut(from, "entries before") + entries.slice(from, from + HISTORY).map(words).join("") + cut(entries.length - from - HISTORY, "entries after");
}

// Marks and spans without a number have 0.
const numbered = (number) => (number ? ` (${count(number)})` : "");
const spanWords = (span) => `span <b>${html(T.texts[T.spanName[span]])}</b>${numbered(T.spanNumber[span])}, ${duration(T.spanLen[span])}`;
const markWords = (mark) => `mark <b>${html(T.texts[T.markName[mark]])}</b>${numbered(T.markNumber[mark])}`;

function showTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isIt = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", isIt);
    $(tab.dataset.tab).hidden = !isIt;
  }
}

// ---- Selection and search ----

function select(task, poll = NONE, tab = true) {
  selected = { task, poll };
  if (task !== NONE) {
    $("task").innerHTML = taskHtml(task);
    if (tab) showTab("task");
    const now = $("task").querySelector(".now");
    if (now && tab) now.scrollIntoView({ block: "nearest" });
  }
  draw();
}

/** Scrolls to a task and moves the view so that `from` to `until` are in it. */
function reveal(task, from, until) {
  const group = T.taskGroup[task];
  if (!rowOfTask.has(task)) {
    expanded.add(group);
    layout();
  }
  const row = rows[rowOfTask.get(task)], top = scroller.scrollTop;
  if (row.y < top || row.y + row.size > top + height - TOP) scroller.scrollTop = row.y - (height - TOP) / 2;
  if (from !== undefined && (from < view.start || until > view.end || (until - from) * 400 < view.end - view.start)) {
    const space = Math.max(until - from, 2000) * 3;
    setView(from - space, until + space);
  }
  draw();
}

function goPoll(poll) {
  const task = T.pollTask[poll];
  select(task, poll);
  reveal(task, T.pollStart[poll], T.pollEnd[poll]);
}

function goTask(task, at) {
  select(task);
  if (at === undefined) reveal(task, spawned(task), ended(task));
  else reveal(task, at, at);
}

function go(target) {
  const { go: kind, task, poll, wait, at, group } = target.dataset;
  if (kind === "poll") goPoll(+poll);
  else if (kind === "task" && +task !== NONE) goTask(+task, at === undefined || at === "" ? undefined : +at);
  else if (kind === "time" || kind === "task") setView(+at - (view.end - view.start) / 2, +at + (view.end - view.start) / 2);
  else if (kind === "wait") {
    const of = taskOfWait(+wait), woken = T.waitFrom[+wait] + T.waitLen[+wait];
    select(of);
    reveal(of, woken, woken + T.waitQueued[+wait]);
  } else if (kind === "group") {
    const row = rowOfGroup[+group] ?? rowOf(tasksOfGroup.of(+group)[0]);
    scroller.scrollTop = rows[row].y - 60;
    draw();
  }
}

function search(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) {
    matches = null;
    $("found").innerHTML = '<p class="quiet">Type in the search field.</p>';
    return draw();
  }
  const has = (words) => words.toLowerCase().includes(wanted);
  const groups = new Set(T.groups.map((group, index) => has(group.label) || has(group.type) ? index : NONE).filter((index) => index !== NONE));
  const names = T.texts.map(has), tasks = new Set();
  for (let task = 0; task < T.taskGroup.length; task++) {
    if (groups.has(T.taskGroup[task]) || (T.taskName[task] && names[T.taskName[task]])) tasks.add(task);
  }
  matches = { groups, tasks, list: [...tasks], at: -1 };
  const groupRows = [...groups].map((group) => `<li data-go="group" data-group="${group}">${dot(groupColor(group))}${count(T.groups[group].tasks)} × ${html(T.groups[group].label)}</li>`);
  const taskRows = matches.list.slice(0, 200).map((task) => `<li data-go="task" data-task="${task}">${dot(groupColor(T.taskGroup[task]))}${html(taskLabel(task))} <span class="quiet">from ${duration(spawned(task))}, ${duration(ended(task) - spawned(task))}</span></li>`);
  $("found").innerHTML = `<h2>${many(tasks.size, "task")} found</h2><p class="quiet">Enter shows the next one.</p><ul>${groupRows.join("")}</ul><h2>Tasks</h2><ul>${taskRows.join("")}</ul>${tasks.size > 200 ? `<p class="quiet">and ${count(tasks.size - 200)} more</p>` : ""}`;
  showTab("found");
  draw();
}

function nextMatch(step) {
  if (!matches || !matches.list.length) return;
  matches.at = (matches.at + step + matches.list.length) % matches.list.length;
  const task = matches.list[matches.at];
  select(task, NONE, false);
  reveal(task, spawned(task), ended(task));
}

/** Selects the poll before or after the selected one. */
function stepPoll(step) {
  if (selected.task === NONE) return;
  const polls = pollsOfTask.of(selected.task);
  if (!polls.length) return;
  const middle = (view.start + view.end) / 2;
  let at = selected.poll === NONE ? lowerBound(polls, (poll) => T.pollStart[poll], middle) : polls.indexOf(selected.poll) + step;
  at = Math.max(0, Math.min(polls.length - 1, at));
  goPoll(polls[at]);
}

/** Goes to the poll that woke the selected task before its selected poll. */
function goWaker() {
  if (selected.task === NONE) return;
  const polls = pollsOfTask.of(selected.task), wakes = wakesOfTask.of(selected.task);
  const poll = selected.poll === NONE ? polls[polls.length - 1] : selected.poll;
  if (poll === undefined) return;
  let at = lowerBound(wakes, (wake) => T.wakeAt[wake], T.pollStart[poll] + 1) - 1;
  while (at >= 0 && !isEffective(wakes[at])) at--;
  if (at < 0) return;
  const wake = wakes[at], by = T.wakeBy[wake] - 1;
  if (wakeCause(wake) !== 0 || by < 0) return setView(T.wakeAt[wake] - (view.end - view.start) / 2, T.wakeAt[wake] + (view.end - view.start) / 2);
  const its = pollsOfTask.of(by);
  const found = lowerBound(its, (poll) => T.pollStart[poll], T.wakeAt[wake] + 1) - 1;
  if (found >= 0) goPoll(its[found]);
}

function stepTask(step) {
  const order = rows.filter((row) => row.kind === "task").map((row) => row.task);
  if (!order.length) return;
  const at = order.indexOf(selected.task);
  const task = order[at < 0 ? 0 : Math.max(0, Math.min(order.length - 1, at + step))];
  select(task, NONE, true);
  reveal(task);
}

// ---- Pointer ----

function rowAt(y) {
  const at = y - TOP + scroller.scrollTop;
  if (y < TOP) return undefined;
  return rows.find((row) => at >= row.y && at < row.y + row.size);
}

/** The poll of a key at a time, or the nearest within three pixels. */
function pollAt({ begin, end, items, starts, longest }, key, time) {
  const slack = (view.end - view.start) / (width - LABELS) * 3;
  let best = NONE, distance = slack;
  const last = lowerBound(begin, (at) => at, time + slack, starts[key], starts[key + 1]);
  for (let i = last - 1; i >= starts[key] && begin[i] >= time - longest[key] - slack; i--) {
    const away = Math.max(begin[i] - time, time - end[i], 0);
    if (away < distance || (away === 0 && best === NONE)) [best, distance] = [items[i], away];
    if (away === 0) break;
  }
  return best;
}

/** What is under the pointer: a row, a task, a poll and a wait, as far as there are any. */
function hit(x, y) {
  const row = rowAt(y);
  if (!row) return {};
  if (x < LABELS) return { row, task: row.task };
  const time = toTime(x);
  if (row.kind === "thread") {
    const poll = pollAt(pollsOfThread, row.thread, time);
    return { row, poll, task: poll === NONE ? undefined : T.pollTask[poll] };
  }
  if (row.kind === "group") {
    const poll = pollAt(pollsOfGroup, row.group, time);
    return { row, poll, task: poll === NONE ? undefined : T.pollTask[poll] };
  }
  if (row.kind !== "task") return { row };
  const poll = pollAt(pollsOfTask, row.task, time);
  for (let wait = waitStart[row.task]; wait < waitStart[row.task + 1]; wait++) {
    const until = T.waitFrom[wait] + T.waitLen[wait] + T.waitQueued[wait];
    if (poll === NONE && T.waitFrom[wait] <= time && time <= until) return { row, task: row.task, poll, wait };
  }
  return { row, task: row.task, poll };
}

function tipText(x, y) {
  if (y < TOP) return x > LABELS ? "Drag to show a part of the trace" : "";
  const { row, task, poll, wait } = hit(x, y);
  if (!row || row.kind === "head" || row.kind === "more") return "";
  const time = x >= LABELS ? `at ${duration(toTime(x))}\n` : "";
  if (poll !== undefined && poll !== NONE) return `${taskLabel(task)}\n${plain(pollWords(poll))}, from ${duration(T.pollStart[poll])}`;
  if (wait !== undefined) return `${taskLabel(task)}\n${time}${plain(waitWords(wait))}`;
  if (row.kind === "thread") {
    const parks = parksOfThread.of(row.thread), now = toTime(x);
    const park = parks[lowerBound(parks, (each) => T.parkStart[each], now + 1) - 1];
    const isAsleep = park !== undefined && now <= T.parkStart[park] + T.parkLen[park];
    const workers = T.threads[row.thread].workers.filter(([at]) => at <= now);
    const worker = workers.length ? `, ${workers[workers.length - 1][1]}` : "";
    return `${T.threads[row.thread].name}${worker}\n${time}${x < LABELS ? `${many(T.threads[row.thread].polls, "poll")}` : isAsleep ? `asleep for ${duration(T.parkLen[park])}` : "not in a poll"}`;
  }
  if (row.kind === "group") {
    const group = T.groups[row.group], { times, numbers } = aliveOfGroup[row.group];
    const at = lowerBound(times, (each) => each, toTime(x) + 1) - 1;
    return `${group.label}\n${x < LABELS ? `${many(group.tasks, group.flavour)}, ${many(group.polls, "poll")}, polled ${duration(group.busy)}, waited ${duration(group.waited)}\nClick to ${expanded.has(row.group) ? "hide" : "show"} each` : `${time}${count(at < 0 ? 0 : numbers[at])} alive`}`;
  }
  return `${taskLabel(row.task)}\n${T.groups[T.taskGroup[row.task]].label}`;
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function onDown(event) {
  const [x, y] = point(event);
  canvas.setPointerCapture(event.pointerId);
  const kind = y < OVERVIEW && x > LABELS ? "overview" : y < TOP && x > LABELS ? "range" : "pan";
  pointer = { x, y, kind, start: view, time: toTime(x), top: scroller.scrollTop, moved: false };
  if (kind === "overview") moveOverview(x);
}

function moveOverview(x) {
  const at = (x - LABELS) / (width - LABELS) * T.end, half = (view.end - view.start) / 2;
  if (half * 2 < T.end) setView(at - half, at + half);
}

function onMove(event) {
  const [x, y] = point(event);
  if (!pointer) return tip(event, tipText(x, y));
  if (Math.abs(x - pointer.x) + Math.abs(y - pointer.y) > 4) pointer.moved = true;
  if (!pointer.moved) return;
  tip(event, "");
  if (pointer.kind === "overview") return moveOverview(x);
  if (pointer.kind === "range") {
    draw();
    requestAnimationFrame(() => {
      ink.globalAlpha = 0.25;
      ink.fillStyle = theme.accent;
      ink.fillRect(Math.min(x, pointer ? pointer.x : x), OVERVIEW, Math.abs(x - (pointer ? pointer.x : x)), height);
      ink.globalAlpha = 1;
    });
    return;
  }
  const perPixel = (pointer.start.end - pointer.start.start) / (width - LABELS);
  scroller.scrollTop = pointer.top - (y - pointer.y);
  setView(pointer.start.start - (x - pointer.x) * perPixel, pointer.start.end - (x - pointer.x) * perPixel);
}

function onUp(event) {
  if (!pointer) return;
  const [x, y] = point(event), was = pointer;
  pointer = null;
  if (was.kind === "range" && was.moved) return setView(Math.min(was.time, toTime(x)), Math.max(was.time, toTime(x)));
  if (was.moved || was.kind !== "pan") return draw();
  const { row, task, poll } = hit(x, y);
  if (!row) return;
  if (row.kind === "more") {
    allThreads = true;
    layout();
    return draw();
  }
  if (row.kind === "group" && (x < LABELS || poll === NONE)) return toggle(row.group);
  if (task !== undefined) select(task, poll === undefined ? NONE : poll);
  else select(NONE);
}

function toggle(group) {
  if (!expanded.delete(group)) expanded.add(group);
  layout();
  draw();
}

function onWheel(event) {
  const [x] = point(event), unit = event.deltaMode === 1 ? 16 : 1;
  if (event.ctrlKey || event.metaKey || event.altKey) {
    event.preventDefault();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY * unit)) * 0.006), toTime(Math.max(LABELS, x)));
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    const by = (event.shiftKey ? event.deltaY || event.deltaX : event.deltaX) * unit / (width - LABELS) * (view.end - view.start);
    setView(view.start + by, view.end + by);
  }
}

function tip(event, text) {
  const box = $("tip");
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const { offsetWidth: w, offsetHeight: h } = box;
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - w - 8)}px`;
  box.style.top = `${event.clientY + 18 + h > innerHeight ? event.clientY - h - 10 : event.clientY + 18}px`;
}

// ---- Keys ----

const KEYS = [
  ["+ −  or  w s", "zoom in and out", () => {}], ["← →  or  a d", "move in time", () => {}],
  ["↑ ↓", "task above, below"], ["[ ]", "poll of the task before, after"],
  ["g", "go to the poll that woke it"], ["f", "fit the selected task or poll"], ["0", "the whole trace"],
  ["Enter", "open or close the group of the task"], ["/", "search; Enter and Shift+Enter step through"],
  ["x", "show all wakes in view as arrows (up to 150)"], ["t", "dark or light"], ["Esc", "select nothing"], ["?", "this help"],
];

function onKey(event) {
  if (event.target.tagName === "INPUT") {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") { event.target.value = ""; search(""); canvas.focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const quarter = (view.end - view.start) / 4;
  const actions = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), w: () => zoom(0.6), "-": () => zoom(1 / 0.6), s: () => zoom(1 / 0.6),
    ArrowLeft: () => setView(view.start - quarter, view.end - quarter), a: () => setView(view.start - quarter, view.end - quarter),
    ArrowRight: () => setView(view.start + quarter, view.end + quarter), d: () => setView(view.start + quarter, view.end + quarter),
    ArrowUp: () => stepTask(-1), ArrowDown: () => stepTask(1), "[": () => stepPoll(-1), "]": () => stepPoll(1),
    g: goWaker, f: fit, 0: () => setView(0, T.end), "/": () => $("search").focus(), x: toggleArrows, t: switchTheme,
    Enter: () => { if (selected.task !== NONE) toggle(T.taskGroup[selected.task]); },
    Escape: () => select(NONE), "?": help,
  };
  const action = actions[event.key];
  if (!action || (event.key === "Enter" && event.target !== canvas)) return;
  event.preventDefault();
  action();
}

function fit() {
  const { task, poll } = selected;
  if (poll !== NONE) setView(T.pollStart[poll] - T.pollLen[poll], T.pollEnd[poll] + T.pollLen[poll]);
  else if (task !== NONE) setView(spawned(task), ended(task));
}

function toggleArrows() {
  showArrows = !showArrows;
  $("arrows").setAttribute("aria-pressed", showArrows);
  if (showArrows) select(NONE);
  draw();
}

function switchTheme() {
  const isDark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  document.documentElement.dataset.theme = isDark ? "light" : "dark";
  try { localStorage.setItem("reveille-theme", document.documentElement.dataset.theme); } catch { /* Not kept. */ }
  readTheme();
  $("overview").innerHTML = overviewHtml();
  draw();
}

function help() {
  const colours = legendItems().map(([color, words]) => `<tr><td>${dot(color)}</td><td>${words}</td></tr>`).join("");
  $("help").innerHTML = `<h2>Keys</h2><table>${KEYS.map(([key, words]) => `<tr><td><kbd>${html(key)}</kbd></td><td>${html(words)}</td></tr>`).join("")}</table>
    <h2>Mouse</h2><p>Drag to move. Ctrl + wheel zooms; Shift + wheel moves in time. Drag in the ruler to zoom to a part. Click a poll or a task to see its history and the wakes that lead to it (red) and that it makes (blue).</p>
    <h2>Colours</h2><p>Blocks are polls; the bars between them say what the task waits for.</p><table>${colours}</table>
    <p><button onclick="this.closest('dialog').close()">Close</button></p>`;
  $("help").showModal();
  // The focus is on the button at the end.
  $("help").scrollTop = 0;
}

/** Swatches with words. Reasons of waits share the words "waits for". */
function legendItems() {
  const used = new Set(T.reasons.map(([, code]) => code));
  const items = [[GROUP_COLORS[0], "block: a poll, in the colour of its group"], ["var(--queued)", "bar: queued, woken but not yet polled"]];
  REASONS.forEach(([words, color], code) => { if (used.has(code)) items.push([color, code ? words : "what is not known"]); });
  items.slice(2).forEach((item, at) => { item[1] = at ? `… ${item[1]}` : `bar: waits for ${item[1]}`; });
  if (T.groups.some((group) => group.tasks > 1)) items.push(["var(--alive)", "shade: how many of the group are alive"]);
  if (T.pollFlags.some((flags) => flags & 2)) items.push(["var(--bad)", "edge: a poll that the trace has in part"]);
  if (T.handOffs.length) items.push(["var(--bad)", "line: a poll blocked, and its worker went to another thread"]);
  if (T.spanTask.length) items.push(["var(--accent)", "line below a task: a span of yours"]);
  if (T.markAt.length) items.push(["transparent", "▼ a mark of yours"]);
  return items;
}

// ---- Start ----

async function start() {
  try {
    const kept = localStorage.getItem("reveille-theme");
    if (kept) document.documentElement.dataset.theme = kept;
  } catch { /* The system's setting. */ }
  readTheme();
  const begun = performance.now();
  prepare(await unpack($("data").textContent));
  $("data").remove();
  document.title = `${T.program || "A program"}: reveille view`;
  $("program").textContent = T.program || "A program";
  $("facts").textContent = [duration(T.end), many(T.threads.length, "thread"), many(T.taskGroup.length, "task"), `${count(T.events)} events`, T.date].filter(Boolean).join(" · ");
  if (T.missing.length) {
    $("warning").hidden = false;
    $("warning").textContent = `⚠ incomplete: ${T.missing[0]}${T.missing.length > 1 ? `, and ${T.missing.length - 1} more` : ""}`;
    $("warning").onclick = () => showTab("overview");
  }
  view = { start: 0, end: Math.max(1, T.end) };
  if (T.taskGroup.length <= 40) T.groups.forEach((_, group) => expanded.add(group));
  $("overview").innerHTML = overviewHtml();
  $("legend").innerHTML = legendItems().map(([color, words]) => `<span><i style="background:${color}"></i>${words}</span>`).join("") + '<span class="space"></span><span>Ctrl + wheel zooms · ? shows all keys</span>';
  listen();
  resize();
  // `page.html#request 4` opens the page at the task of that name.
  const wanted = decodeURIComponent(location.hash.slice(1));
  const task = wanted ? T.taskGroup.findIndex((_, task) => taskLabel(task) === wanted) : -1;
  if (task >= 0) {
    const polls = pollsOfTask.of(task);
    if (polls.length) goPoll(polls[polls.length - 1]); else goTask(task);
    setView(0, T.end);
  }
  requestAnimationFrame(() => { document.body.dataset.ready = Math.round(performance.now() - begun); });
}

function listen() {
  new ResizeObserver(resize).observe(scroller);
  scroller.addEventListener("scroll", draw);
  canvas.addEventListener("pointerdown", onDown);
  canvas.addEventListener("pointermove", onMove);
  canvas.addEventListener("pointerup", onUp);
  canvas.addEventListener("pointercancel", () => { pointer = null; });
  canvas.addEventListener("pointerleave", (event) => tip(event, ""));
  canvas.addEventListener("dblclick", fit);
  canvas.addEventListener("wheel", onWheel, { passive: false });
  document.addEventListener("keydown", onKey);
  document.querySelector("aside").addEventListener("click", (event) => {
    const target = event.target.closest("[data-go]"), tab = event.target.closest("[data-tab]");
    if (tab) showTab(tab.dataset.tab);
    else if (target) go(target);
  });
  $("search").addEventListener("input", (event) => search(event.target.value));
  $("arrows").onclick = toggleArrows;
  $("whole").onclick = () => setView(0, T.end);
  $("theme").onclick = switchTheme;
  $("keys").onclick = help;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readTheme(); draw(); });
  $("grip").addEventListener("pointerdown", (event) => {
    $("grip").setPointerCapture(event.pointerId);
    $("grip").onpointermove = (move) => {
      document.querySelector("aside").style.width = `${Math.max(240, Math.min(innerWidth - 400, innerWidth - move.clientX))}px`;
    };
    $("grip").onpointerup = () => { $("grip").onpointermove = null; };
  });
}

start().catch((error) => {
  $("failed").hidden = false;
  $("failed").textContent = typeof DecompressionStream === "undefined"
    ? "This browser cannot open the page: it has no DecompressionStream (Chrome 80, Firefox 113 or Safari 16.4 have it)."
    : `The trace in this page cannot be read: ${error.message}`;
});
