// The live page: sends requests to the endpoint that served it, and nowhere else. Text of users is only ever set as text.
// It is one file, though long, because it is read as it is served: no build step, and one request.

const CHART_MS = 300_000; // shown by the charts, at most
const REFRESH_MS = 3_000; // between two reads of /status; /events has what happens in between
const RETRY_MS = 2_000; // before the next try, when there is no answer
const SILENCE_MS = 10_000; // /events sends something every second: after this long without, it is dead
const FEED_LINES = 100;
const ROOM_LINES = 50; // shown first of a room’s messages, and added by "Show earlier"
const ROOM_LINES_MAX = 1000; // in one answer of the endpoint

const $ = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const collator = new Intl.Collator("en", { numeric: true });

const seen = { server: null, users: new Map(), rooms: [], nodes: [], bans: [], hooks: [], history: null, at: 0, news: [], began: 0 };
let token = ""; // survives a reload in this tab’s session storage; never in a URL
let scope = "none"; // what the server lets us see: "none" of the private parts, or all; and do: "moderate", "all"
let wake = () => {}; // ends the pause before the next try, or the stream, so that the page connects anew

// --- Words ---------------------------------------------------------------------------------------------------------

const count = (n) => (n < 1e6 ? numbers.format(n) : short.format(n));
const rate = (n) => (n < 10 ? n.toFixed(1).replace(/\.0$/, "") : count(n));
const clock = (at) => at.toLocaleTimeString("en-GB");
const isToday = (at) => at.toDateString() === new Date().toDateString();
const moment = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

function bytes(n) {
  if (n < 1024) return n ? `${n} B` : "0";
  const power = Math.min(4, Math.floor(Math.log2(n) / 10));
  const value = n / 1024 ** power;
  return `${value.toFixed(value < 100 ? 1 : 0)} ${["", "K", "M", "G", "T"][power]}iB`;
}

function span(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** What stands before a message’s text, as in the plain dialect. */
function whoOf(kind, from, text) {
  if (kind === "acted") return `* ${from}`;
  if (kind === "topic") return text ? `> ${from} set the topic:` : `> ${from} cleared the topic`;
  return `[${from}]`;
}

/** The host of "192.0.2.1:5" or "[2001:db8::1]:5". */
const hostOf = (address) => address.replace(/^\[?(.*?)\]?:\d+$/, "$1");

/** What is usually one site: a /24 of IPv4, a /64 of IPv6. */
function networkOf(host) {
  if (!host.includes(":")) return host.replace(/\.\d+$/, ".0/24");
  const [left, right] = host.split("::").map((half) => half.split(":").filter(Boolean));
  const groups = right ? [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right] : left;
  return `${groups.slice(0, 4).join(":")}::/64`;
}

// --- Elements ------------------------------------------------------------------------------------------------------

function make(tag, text = "", attributes = {}) {
  const element = tag === "svg" || tag === "path"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text; // what is unchanged is not drawn, nor read out, again
}

function tile(id, value, note, mood = "") {
  put($(id).querySelector(".value"), value);
  put($(id).querySelector(".note"), note);
  $(id).dataset.mood = mood;
}

function say(text) {
  put($("said"), text);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => put($("said"), ""), 8000);
}

/** A table that is sorted by its headers and shows a limited number of rows; the row of an item stays the same element. */
class Table {
  constructor(id, { columns, actions = [], key, sort, first, step }) {
    Object.assign(this, { columns, actions, key, sort, step, limit: first, rows: new Map() });
    this.section = $(id);
    const table = this.section.querySelector("table");
    const head = make("tr", "", { role: "row" });
    table.append(make("thead", "", { role: "rowgroup" }), make("tbody", "", { role: "rowgroup" }));
    table.tHead.append(head);
    this.body = table.tBodies[0];
    this.headers = columns.map((column) => head.appendChild(this.header(column)));
    if (actions.length) {
      const header = head.appendChild(make("th", "", { role: "columnheader", scope: "col", class: "act" }));
      header.append(make("span", "Actions", { class: "unseen" }));
    }
    this.more = this.section.querySelector(".more");
    this.more.addEventListener("click", () => {
      this.limit += this.step;
      draw();
    });
  }

  header(column) {
    const header = make("th", "", { role: "columnheader", scope: "col", class: classes(column) });
    const button = header.appendChild(make("button", column.name, { type: "button" }));
    button.addEventListener("click", () => {
      const again = this.sort.column === column.name;
      this.sort = { column: column.name, down: again ? !this.sort.down : Boolean(column.number) };
      draw();
    });
    return header;
  }

  /** Returns the order of two items: by the chosen column, then by the first. */
  compare() {
    const { value } = this.columns.find((column) => column.name === this.sort.column);
    const sign = this.sort.down ? -1 : 1;
    const order = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
    return (a, b) => sign * order(value(a), value(b)) || order(this.columns[0].value(a), this.columns[0].value(b));
  }

  show(items) {
    this.headers.forEach((header, i) => {
      const chosen = this.columns[i].name === this.sort.column;
      header.setAttribute("aria-sort", chosen ? (this.sort.down ? "descending" : "ascending") : "none");
    });
    const shown = [...items].sort(this.compare()).slice(0, this.limit);
    const keys = new Set(shown.map(this.key));
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    for (const [key, row] of this.rows) if (!keys.has(key)) (row.remove(), this.rows.delete(key));
    shown.forEach((item, i) => {
      const row = this.row(item);
      if (this.body.rows[i] !== row) this.body.insertBefore(row, this.body.rows[i] ?? null);
    });
    // To move a row takes the focus from it; where the row is gone, its table's heading is the next best place.
    if (focused && focused !== document.activeElement) {
      (focused.isConnected ? focused : this.section.querySelector("h2")).focus({ preventScroll: true });
    }
    const rest = items.length - shown.length;
    this.more.hidden = !rest;
    put(this.more, `Show ${count(Math.min(rest, this.step))} more of ${count(rest)}`);
    return shown.length;
  }

  row(item) {
    let row = this.rows.get(this.key(item));
    if (!row) this.rows.set(this.key(item), (row = this.makeRow()));
    row.item = item;
    this.columns.forEach(({ text, value, mood, brief }, i) => {
      put(row.texts[i], String((text ?? value)(item)));
      if (brief) row.texts[i].title = row.texts[i].textContent; // because what is shown of it may be cut
      if (mood) row.cells[i].dataset.mood = mood(item);
    });
    row.buttons.forEach((button, i) => button.setAttribute("aria-label", this.actions[i].label(item)));
    return row;
  }

  makeRow() {
    const row = make("tr", "", { role: "row" });
    row.texts = this.columns.map((column, i) => {
      const cell = row.appendChild(make(i ? "td" : "th", "", { role: i ? "cell" : "rowheader" }));
      cell.dataset.label = column.name;
      cell.className = `${classes(column)} ${column.brief ? "brief" : ""}`;
      if (!i) cell.scope = "row";
      if (!column.press) return cell.appendChild(make("bdi")); // a name in another direction turns nothing around it
      const button = cell.appendChild(make("button", "", { type: "button", class: "link", title: column.title ?? "" }));
      button.addEventListener("click", () => column.press(row.item));
      return button;
    });
    row.buttons = this.actions.map((action) => {
      const button = make("button", action.name, { type: "button" });
      button.addEventListener("click", () => action.press(row.item));
      return button;
    });
    if (this.actions.length) {
      row.appendChild(make("td", "", { role: "cell", class: "act actions" })).append(...row.buttons);
    }
    return row;
  }
}

/** The classes of a column’s cells. */
function classes({ name, number, secret, clustered }) {
  return `${number ? "number" : `text ${name.toLowerCase()}`} ${secret ? "read" : ""} ${clustered ? "cluster" : ""}`;
}

/** The text of a number that only the node of a user’s connection knows. */
const known = (value, text) => (value === null ? "–" : text(value));

/** The rate of a counter: since the page was opened, and over the last minutes at most. */
class Chart {
  constructor(id, unit) {
    Object.assign(this, { tile: $(id), unit, id, points: [], last: null, x: null });
    const name = `${unit}: not measured yet`;
    this.svg = make("svg", "", { viewBox: "0 0 300 56", preserveAspectRatio: "none", role: "img", "aria-label": name });
    this.area = this.svg.appendChild(make("path", "", { class: "area" }));
    this.line = this.svg.appendChild(make("path", "", { class: "line" }));
    this.top = make("p", "", { class: "top", "aria-hidden": "true" });
    const box = make("div", "", { class: "plot" });
    box.append(this.svg, this.top);
    this.tile.append(box);
    const point = (x) => {
      this.x = x;
      this.draw();
    };
    box.addEventListener("pointermove", (event) => point(event.offsetX / box.clientWidth));
    box.addEventListener("pointerleave", () => point(null));
  }

  /** Takes the counter's `total` at server time `at`, in ms. After another server's, or silence, there is a hole. */
  add(at, total) {
    const { last } = this;
    const passed = at - last?.at;
    if (passed >= 0 && passed < 500) return; // too near for a rate
    this.last = { at, total };
    const follows = total >= last?.total && passed > 0 && passed < SILENCE_MS;
    this.points.push({ at, rate: follows ? ((total - last.total) * 1000) / passed : null });
    this.points = this.points.filter((point) => point.at >= at - CHART_MS && point.at <= at);
  }

  draw() {
    const known = this.points.filter((point) => point.rate !== null);
    if (!known.length) return;
    const most = Math.max(...known.map((point) => point.rate));
    const scale = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
    const top = [1, 2, 5, 10].map((step) => step * scale).find((step) => step >= most);
    const now = known.at(-1);
    const pieces = [[]];
    const past = this.last.at - known[0].at;
    this.shownMs = past > CHART_MS - 2000 ? CHART_MS : Math.max(past, 1000);
    const x = (at) => (300 - ((this.last.at - at) * 300) / this.shownMs).toFixed(1);
    for (const { at, rate: value } of this.points) {
      if (value === null) pieces.push([]);
      else pieces.at(-1).push(`${x(at)},${(55 - (value / top) * 53).toFixed(1)}`);
    }
    const drawn = pieces.filter((piece) => piece.length);
    const ends = (piece) => [piece[0].split(",")[0], piece.at(-1).split(",")[0]];
    this.line.setAttribute("d", drawn.map((piece) => `M${piece.join("L")}`).join(""));
    this.area.setAttribute("d", drawn.map((p) => `M${ends(p)[0]},56L${p.join("L")}L${ends(p)[1]},56Z`).join(""));
    const period = span(Math.round(this.shownMs / 1000));
    put(this.top, `${count(top)}/s, ${period}`);
    const words = `${rate(now.rate)} per second now, at most ${rate(most)} in the last ${period}`;
    this.svg.setAttribute("aria-label", `${this.unit}: ${words}`);
    const pointed = this.x !== null && known.find(({ at }) => at >= this.last.at - (1 - this.x) * this.shownMs);
    const then = pointed && `${rate(pointed.rate)}/s at ${clock(new Date(pointed.at))}`;
    tile(this.id, `${rate(now.rate)}/s`, then || `${count(this.last.total)} in total`);
  }
}

// --- What is shown -------------------------------------------------------------------------------------------------

const narrow = matchMedia("(max-width: 760px)").matches;

const charts = { messages: new Chart("messages", "Messages"), deliveries: new Chart("deliveries", "Deliveries") };

const users = new Table("users", {
  key: (user) => user.id,
  first: narrow ? 8 : 200,
  step: narrow ? 40 : 200,
  sort: { column: "Lag", down: true }, // users in trouble come first
  columns: [
    { name: "Nick", value: (user) => user.nick, brief: true, mood: (user) => (user.nick === user.address ? "quiet" : "") },
    { name: "Address", value: (user) => user.address, brief: true, secret: true },
    { name: "Room", value: (user) => user.rooms.join(", "), brief: true },
    { name: "Node", value: (user) => user.node ?? "", clustered: true },
    { name: "Dialect", value: (user) => user.dialect ?? "–" },
    { name: "Idle", number: true, value: (user) => user.idle_s ?? -1,
      text: (user) => (user.disconnected ? "disconnected" : known(user.idle_s, span)) },
    { name: "Messages", number: true, value: (user) => user.messages ?? -1, text: (user) => known(user.messages, count) },
    { name: "Lag", number: true, value: (user) => user.lag_bytes ?? -1, text: (user) => known(user.lag_bytes, bytes),
      mood: (user) => (user.lag_bytes > 65536 ? "warn" : "") },
    { name: "Skipped", number: true, value: (user) => user.skipped ?? -1, text: (user) => known(user.skipped, count),
      mood: (user) => (user.skipped ? "warn" : "") },
  ],
  actions: [
    { name: "Kick", label: (user) => `Kick ${user.nick}`, press: (user) => askKick(user) },
    { name: "Mute", label: (user) => `Mute ${user.nick}`, press: (user) => askMute(user) },
    { name: "Ban", label: (user) => `Ban ${user.nick}`, press: (user) => askBan(user) },
  ],
});

const rooms = new Table("rooms", {
  key: (room) => room.name,
  first: 5,
  step: 24,
  sort: { column: "Members", down: true },
  columns: [
    { name: "Room", value: (room) => room.name, brief: true, press: (room) => view.open(room) },
    { name: "Members", number: true, value: (room) => room.members, text: (room) => count(room.members),
      title: "Show its users", press: (room) => showUsersOf("room", room.name) },
    { name: "Last no.", number: true, value: (room) => room.seq, text: (room) => count(room.seq) },
    { name: "Topic", value: (room) => room.topic, brief: true },
  ],
});

const nodes = new Table("nodes", {
  key: (node) => node.id,
  first: 8,
  step: 24,
  sort: { column: "Name", down: false },
  columns: [
    { name: "Name", value: (node) => node.name, text: (node) => (node.here ? `${node.name} (this one)` : node.name), brief: true,
      title: "Show its users", press: (node) => showUsersOf("node", node.name) },
    { name: "Users", number: true, value: (node) => node.online, text: (node) => count(node.online) },
    { name: "Behind", number: true, value: (node) => node.lag_s, text: (node) => (node.lag_s ? span(node.lag_s) : "no"),
      mood: (node) => (node.lag_s >= 1 ? "warn" : "") },
    { name: "Since", value: (node) => node.since, text: (node) => (node.since ? moment(node.since) : "–") },
  ],
});

const bans = new Table("bans", {
  key: (ban) => `${ban.verb} ${ban.id}`,
  first: 3,
  step: 24,
  sort: { column: "Ends", down: false },
  columns: [
    { name: "Whom", value: (ban) => [ban.value, ...ban.also].join(", ") },
    { name: "What", value: (ban) => `${ban.verb} ${ban.kind}` },
    { name: "Ends", value: (ban) => ban.until || "~", // which is behind every date
      text: (ban) => (ban.until ? `until ${moment(ban.until)}` : "permanent") },
    { name: "Reason", value: (ban) => ban.reason },
  ],
  actions: [{ name: "Lift", label: (ban) => `Lift the ${ban.verb === "muted" ? "mute" : "ban"} of ${ban.value}`, press: (ban) => lift(ban) }],
});

const hooks = new Table("hooks", {
  key: (hook) => hook.id,
  first: 5,
  step: 24,
  sort: { column: "Room", down: false },
  columns: [
    { name: "Name", value: (hook) => hook.name, brief: true },
    { name: "Room", value: (hook) => hook.room, brief: true },
    { name: "Messages", number: true, value: (hook) => hook.messages, text: (hook) => count(hook.messages) },
    { name: "Last", value: (hook) => hook.last, text: (hook) => (hook.last ? moment(hook.last) : "not used since the start") },
    { name: "Signed", value: (hook) => (hook.signed ? "signed" : "") },
  ],
  actions: [{ name: "Revoke", label: (hook) => `Revoke ${hook.name} in ${hook.room}`, press: (hook) => askRevoke(hook) }],
});

/** Draws everything from what is known; cheap enough for every second. */
function draw() {
  const terms = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...seen.users.values()];
  const found = terms.length ? all.filter((user) => terms.every((term) => matches(user, term))) : all;
  const shown = users.show(found);
  const part = shown < found.length ? `${count(shown)} shown of ` : "";
  put($("users").querySelector(".shown"), terms.length
    ? `${part}${count(found.length)} of ${count(all.length)} match` : `${part}${count(all.length)}`);
  rooms.show(seen.rooms);
  put($("rooms").querySelector(".shown"), count(seen.rooms.length));
  nodes.show(seen.nodes);
  put($("nodes").querySelector(".shown"), count(seen.nodes.length));
  bans.show(seen.bans);
  put($("bans").querySelector(".shown"), count(seen.bans.length));
  hooks.show(seen.hooks);
  put($("hooks").querySelector(".shown"), count(seen.hooks.length));
  Object.values(charts).forEach((chart) => chart.draw());
  if (seen.server) drawServer(seen.server, seen.history);
  feed.draw();
}

function showUsersOf(what, name) {
  $("filter").value = `${what}:${name}`;
  draw();
  $("users-title").scrollIntoView({ block: "nearest" });
}

function matches(user, term) {
  const { nick, address, rooms: all, dialect, node } = user;
  const texts = { nick: [nick], address: [address], room: all, dialect: [dialect ?? ""], node: [node ?? ""] };
  const [, name, wanted] = /^(nick|address|room|dialect|node):(.*)$/.exec(term) ?? [];
  if (name) return texts[name].some((text) => text.toLowerCase() === wanted);
  return Object.values(texts).flat().some((text) => text.toLowerCase().includes(term));
}

function drawServer(server, history) {
  const online = count(seen.users.size);
  const up = span(server.uptime_s + (performance.now() - seen.at) / 1000);
  put($("name"), server.name || "gchat");
  const node = server.node ? ` · node ${server.node}` : "";
  put($("facts"), `${server.address}${node} · gchat ${server.version} · up ${up}`);
  document.title = `${online} online · ${server.address} · gchat`;
  tile("online", online, `maximum ${count(server.max_connections)}`);
  tile("slow", count(server.slow_readers), `${count(server.skipped)} skipped`, server.slow_readers ? "warn" : "");
  const lag = server.hub_lag_ms;
  tile("lag", `${lag.toFixed(lag < 10 ? 1 : 0)} ms`, "peak, last second", lag > 100 ? "bad" : lag > 10 ? "warn" : "");
  const lasts = history.store === "memory" ? ", lost on restart" : history.sync ? `, sync ${history.sync}` : "";
  tile("history", history.store, `${history.state}${lasts}`, history.state === "ok" ? "" : "bad");
}

const feed = {
  waiting: [],
  add(kind, who, text, at = new Date()) {
    this.waiting.push([at, kind, who, text]);
    if (this.waiting.length > FEED_LINES) this.waiting.shift(); // newer lines would push it out anyway
  },
  /** Removes the messages, which a token has shown. */
  forget() {
    this.waiting = this.waiting.filter(([, what]) => what !== "message");
    for (const line of $("activity").querySelectorAll(".message")) line.remove();
  },
  draw() {
    const list = $("activity").querySelector("ol");
    for (const [at, kind, who, text] of this.waiting.splice(0)) {
      const line = make("li", "", { class: kind });
      line.append(make("time", clock(at)), " ", make("bdi", who, { class: "who" }), " ", make("bdi", text));
      list.prepend(line);
    }
    while (list.children.length > FEED_LINES) list.lastChild.remove();
  },
};

/** The messages of Activity: each once and in order, also those said while the stream was being opened. */
const talk = {
  told: null, // the number of each room’s last message in Activity, or before it began; null without a token
  latest: new Map(), // the number of the last message in the rooms that are being read

  /** Begins with the messages after the last ones of these rooms. */
  begin(all) {
    this.told = new Map(all.map(({ name, seq }) => [name, seq]));
  },

  end() {
    this.told = null;
    feed.forget();
  },

  hear(message) {
    const { room, seq } = message;
    if (!this.told) return;
    if (seq === (this.told.get(room) ?? 0) + 1) this.show(message);
    else this.reach(room, seq);
  },

  /** Shows a room’s messages up to number `seq`: reads what no stream has told. */
  async reach(room, seq) {
    const { told } = this;
    if (seq <= (told.get(room) ?? 0)) return;
    const isReading = this.latest.has(room);
    this.latest.set(room, Math.max(seq, this.latest.get(room) ?? 0));
    if (isReading) return;
    try {
      for (let last; (last = this.latest.get(room)) > (told.get(room) ?? 0);) {
        const after = Math.max(told.get(room) ?? 0, last - FEED_LINES);
        const { messages } = await read(`rooms/${encodeURIComponent(room)}/messages?after=${after}&limit=${FEED_LINES}`);
        if (told !== this.told) return; // it was locked meanwhile, or the server restarted
        for (const message of messages) if (message.seq > (told.get(room) ?? 0)) this.show({ ...message, room });
        told.set(room, Math.max(last, told.get(room) ?? 0));
      }
    } catch { /* the next /status has the room again */ } finally {
      this.latest.delete(room);
    }
  },

  show({ room, seq, kind, from, text, time }) {
    this.told.set(room, seq);
    feed.add("message", `${room} ${whoOf(kind, from, text)}`, text, time ? new Date(time) : new Date());
  },
};

// --- What the server says ------------------------------------------------------------------------------------------

/** A refusal; its message is the detail of the problem. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, { method = "GET", body, bearer = token, signal } = {}) {
  const headers = {};
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body) headers["Content-Type"] = "application/json";
  const request = { method, headers, signal, cache: "no-store", credentials: "omit" };
  if (body) request.body = JSON.stringify(body);
  const answer = await fetch(path, request).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail || problem.title || `The server answered ${answer.status}.`);
}

async function read(path, options = {}) {
  const answer = await ask(path, options);
  return answer.json().catch(() => {
    throw new Error("The server’s answer was cut off.");
  });
}

/** Reads /status, and keeps what /events told meanwhile. */
async function refresh() {
  const began = performance.now();
  const bearer = token;
  const none = { bans: [], mutes: [], hooks: [] };
  const [status, banned, muted, hooked] = await Promise.all([
    read("status"), ...["bans", "mutes", "hooks"].map((path) => (token ? read(path) : none)),
  ]);
  if (began < seen.began || bearer !== token) return; // there is a later answer, or will be
  const isAnother = seen.server && seen.server.started !== status.server.started;
  if (isAnother) say("The server was restarted.");
  else if ($("state").dataset.state === "gone" && seen.server) say("The server answers again.");
  const { server, rooms: all, nodes: every, history, access } = status;
  document.documentElement.classList.toggle("clustered", every.length > 0);
  grant(access.scope);
  if (scope !== "none") {
    if (!talk.told || isAnother) talk.begin(all);
    for (const { name, seq } of all) talk.reach(name, seq);
  }
  Object.assign(seen, { server, rooms: all, nodes: every, history, hooks: hooked.hooks, at: began, began });
  seen.bans = [...banned.bans.map((ban) => ({ ...ban, verb: "banned" })), ...muted.mutes.map((mute) => ({ ...mute, verb: "muted" }))];
  seen.users = new Map(status.users.map((user) => [user.id, user]));
  seen.news = seen.news.filter(({ at }) => at >= began);
  seen.news.forEach(apply);
  if ($("state").dataset.state !== "live") chart(server); // or /events does, more evenly
  draw();
}

/** Refreshes in the background: follow() notices failures. */
function lookAgain() {
  return refresh().catch(() => {});
}

function apply({ id, user }) {
  if (!user) seen.users.delete(id);
  else if (!seen.users.has(id)) seen.users.set(id, user);
}

function learn(id, user) {
  seen.news.push({ at: performance.now(), id, user });
  apply({ id, user });
}

const happened = {
  joined({ user: id, nick, address, room, node }) {
    const fresh = { idle_s: 0, messages: 0, lag_bytes: 0, skipped: 0, dialect: "" }; // until the next /status
    learn(id, { id, nick, address, room, rooms: room ? [room] : [], node, ...fresh });
    feed.add("joined", nick, `joined ${room}`);
  },
  left({ user: id, nick, reason }) {
    learn(id, null);
    feed.add("left", nick, `left: ${reason}`);
  },
  message: (message) => talk.hear(message),
  counters(counters) {
    seen.server = counters;
    seen.at = performance.now();
    chart(counters);
    if (!document.hidden) draw();
  },
};

function chart(server) {
  const at = new Date(server.started).getTime() + server.uptime_s * 1000;
  charts.messages.add(at, server.messages);
  charts.deliveries.add(at, server.deliveries);
}

/** Follows /events until it ends. An EventSource could not send a token, nor tell the reason of a refusal. */
async function follow() {
  const stop = new AbortController();
  wake = () => {
    show("waiting", "Connecting");
    stop.abort();
  };
  let alive = setTimeout(wake, SILENCE_MS);
  try {
    const answer = await ask("events", { signal: stop.signal });
    show("live", "Live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(alive);
      alive = setTimeout(wake, SILENCE_MS);
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      blocks.forEach(take);
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
  } finally {
    clearTimeout(alive);
    stop.abort();
  }
}

function take(block) {
  const fields = Object.fromEntries(block.split(/\r?\n/).map((line) => line.split(/: ?(.*)/s, 2)));
  if (Object.hasOwn(happened, fields.event ?? "")) happened[fields.event](JSON.parse(fields.data));
}

function show(state, word, trouble = "") {
  $("state").dataset.state = state;
  put($("state"), word);
  const alert = $("trouble").querySelector("p");
  $("trouble").hidden = !trouble;
  put(alert, trouble);
  if (state === "gone") document.title = "no answer · gchat";
}

function lost(error) {
  const since = seen.server ? ` This page shows the state at ${clock(new Date(performance.timeOrigin + seen.at))}.` : "";
  if (error.status === 401) {
    const refused = token ? `The token is no longer accepted: ${error.message}`
      : "From another machine, everything on this page needs a token; press Unlock.";
    lock();
    show("locked", "Token needed", refused);
  } else if (error instanceof Refused) show("polled", "Not live", error.message);
  else show("gone", "No answer", `${error.message} Trying again every ${RETRY_MS / 1000} seconds.${since}`);
}

async function live() {
  for (;;) {
    let pause = 100; // the end of a stream says nothing about the server: /status does, at once
    try {
      await refresh();
      await follow();
    } catch (error) {
      lost(error);
      pause = RETRY_MS;
    }
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, pause);
    });
  }
}

// --- Actions -------------------------------------------------------------------------------------------------------

/** Opens a dialog with these values in its form; `send` takes the entered ones, and returns the sentence for success. */
function open(id, values, send) {
  const dialog = $(id);
  const form = dialog.querySelector("form");
  const error = dialog.querySelector(".error");
  form.reset();
  put(error, "");
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const button = form.querySelector(".main");
    button.disabled = true;
    put(error, "");
    try {
      say(await send(Object.fromEntries(new FormData(form))));
      dialog.close();
    } catch (problem) {
      put(error, problem.message);
      return;
    } finally {
      button.disabled = false; // before the refresh, which takes a moment: the next dialog has the same button
    }
    if (token) await lookAgain();
  };
  // A token is not left in a field; but if the dialog is open again by now, its content is new.
  dialog.onclose = () => dialog.open || form.reset();
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  dialog.showModal();
}

function askToken() {
  open("token-dialog", {}, async (entered) => {
    const bearer = entered.token.trim();
    if (!/^[!-~]+$/.test(bearer)) throw new Error("Not a token: a token is one word of ASCII.");
    const { access, rooms: all } = await read("status", { bearer });
    talk.begin(all);
    token = bearer;
    remember(token);
    grant(access.scope);
    wake();
    return { all: "Unlocked.", moderate: "Unlocked for acting on users.", read: "Unlocked for reading." }[access.scope] ?? "That token shows nothing here.";
  });
}

function lock() {
  token = "";
  remember("");
  seen.bans = seen.hooks = [];
  view.close();
  audit.close();
  talk.end();
  grant("none");
}

/** Keeps the token for a reload of this tab; a browser that refuses storage asks for it again. */
function remember(bearer) {
  try {
    if (bearer) sessionStorage.setItem("token", bearer);
    else sessionStorage.removeItem("token");
  } catch { /* refused */ }
}

function remembered() {
  try {
    return sessionStorage.getItem("token") ?? "";
  } catch {
    return "";
  }
}

/** Shows the parts of the page that the scope allows, and says what the others need. */
function grant(granted) {
  scope = granted;
  document.documentElement.classList.toggle("reads", scope !== "none");
  document.documentElement.classList.toggle("acts", scope === "all" || scope === "moderate");
  $("access").hidden = scope === "all";
  put($("access"), {
    none: "Messages, bans, hooks and the addresses of users with a nick are hidden; a token shows them.",
    read: "The read-only token shows everything and changes nothing; the admin token unlocks actions.",
    moderate: "This token shows everything, and acts on users.",
  }[scope] ?? "");
}

function askKick(user) {
  put($("kick-dialog").querySelector(".whom"), user.nick);
  open("kick-dialog", {}, async ({ reason }) => {
    await ask(`users/${user.id}/kick`, { method: "POST", body: { reason } });
    return `${user.nick} was kicked.`;
  });
}

function askMute(user) {
  put($("mute-dialog").querySelector(".whom"), user.nick);
  open("mute-dialog", {}, async ({ reason, for_s: seconds }) => {
    await ask(`users/${user.id}/mute`, { method: "POST", body: { reason, for_s: Number(seconds) } });
    return `${user.nick} is muted.`;
  });
}

function askBan(user) {
  const form = $("ban-dialog").querySelector("form");
  const host = hostOf(user?.address ?? "");
  const nick = user?.nick ?? "";
  const known = { user: nick, nick, account: nick, address: host, network: host && networkOf(host) };
  const { kind: choice, value: field, force } = form.elements;
  choice.onchange = () => {
    field.value = known[choice.value];
    field.readOnly = choice.value === "user"; // it is this one
    force.closest("label").hidden = choice.value === "user";
  };
  choice.querySelector("[value=user]").hidden = !user;
  const kind = user ? "user" : "address";
  open("ban-dialog", { kind, value: known[kind] }, async ({ kind: what, value, reason, for_s, force: forced }) => {
    const body = { reason, for_s: Number(for_s) };
    if (what === "user") await ask(`users/${user.id}/ban`, { method: "POST", body });
    else await ask("bans", { method: "POST", body: { ...body, kind: what, value, force: Boolean(forced) } });
    return `${value} is banned.`;
  });
  choice.onchange();
}

async function lift(ban) {
  try {
    await ask(`${ban.verb === "muted" ? "mutes" : "bans"}/${ban.id}`, { method: "DELETE" });
    say(`${ban.value} is no longer ${ban.verb}.`);
    await refresh();
  } catch (problem) {
    say(problem.message);
  }
}

/** Makes a hook, and shows its URL once: no other answer of the server has it. */
function askHook() {
  open("hook-dialog", {}, async (entered) => {
    const made = await read("hooks", { method: "POST", body: entered });
    showMade(made);
    return `${made.name} may speak in ${made.room}.`;
  });
}

function showMade(made) {
  const dialog = $("made-dialog");
  const { url } = dialog.querySelector("form").elements;
  put(dialog.querySelector(".whom"), `${made.name} in ${made.room}`);
  url.value = new URL(`hooks/${made.secret}`, location.href).href;
  dialog.querySelector(".copy").onclick = async () => {
    url.select();
    try {
      await navigator.clipboard.writeText(url.value);
      say("Copied.");
    } catch {
      say("This browser does not let the page copy; press Ctrl+C."); // it may not, over plain HTTP
    }
  };
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  dialog.onclose = () => { url.value = ""; };
  dialog.showModal();
  url.select();
}

function askRevoke(hook) {
  put($("revoke-dialog").querySelector(".whom"), `${hook.name} in ${hook.room}`);
  open("revoke-dialog", {}, async () => {
    await ask(`hooks/${hook.id}`, { method: "DELETE" });
    return `${hook.name} in ${hook.room} is revoked.`;
  });
}

function askAnnounce(room) {
  const choice = $("announce-dialog").querySelector("select");
  choice.replaceChildren(make("option", "all rooms", { value: "" }));
  for (const { name } of seen.rooms.filter(({ members }) => members)) choice.append(make("option", name, { value: name }));
  open("announce-dialog", { room }, async ({ text, room: where }) => {
    await ask("announce", { method: "POST", body: where ? { text, room: where } : { text } });
    return `Announced to ${where || "all rooms"}.`;
  });
}

// --- A room’s messages ---------------------------------------------------------------------------------------------

const view = {
  name: "",
  lines: ROOM_LINES,
  dialog: $("room-dialog"),
  part: (selector) => $("room-dialog").querySelector(selector),

  open(room) {
    Object.assign(this, { name: room.name, lines: ROOM_LINES });
    put(this.part(".whom"), room.name);
    this.part("ol").replaceChildren();
    this.dialog.showModal();
    this.load();
  },

  close() {
    if (this.dialog.open) this.dialog.close();
  },

  /** Reads the last messages again; from where they end, the view stays at the end. */
  async load() {
    if (!this.dialog.open) return;
    const { name, lines } = this;
    const { seq, topic } = seen.rooms.find((room) => room.name === name) ?? { seq: 0, topic: "" };
    put(this.part(".topic"), topic);
    this.part("ol").hidden = this.part(".earlier").hidden = scope === "none";
    this.part(".unlock").hidden = scope !== "none";
    put(this.part(".hint"), scope === "none" ? "A token shows its messages." : "");
    put(this.part(".error"), "");
    if (scope === "none") return;
    try {
      const after = Math.max(0, seq - lines);
      const page = await read(`rooms/${encodeURIComponent(name)}/messages?after=${after}&limit=${ROOM_LINES_MAX}`);
      if (name === this.name && lines === this.lines) this.draw(page.messages, after > 0 && page.messages.length >= lines);
    } catch (problem) {
      put(this.part(".error"), problem.message);
    }
  },

  draw(messages, hasEarlier) {
    const list = this.part("ol");
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.replaceChildren(...messages.map((message) => this.line(message)));
    this.part(".earlier").hidden = !hasEarlier || this.lines >= ROOM_LINES_MAX;
    put(this.part(".hint"), messages.length ? "" : "No messages are kept.");
    if (atEnd) list.scrollTop = list.scrollHeight;
  },

  line({ time, kind: what, from, text }) {
    const line = make("li", "", { class: what });
    const at = new Date(time);
    line.append(make("time", isToday(at) ? clock(at) : moment(time), { datetime: time }), " ");
    line.append(make("bdi", whoOf(what, from, text), { class: "who" }), " ", make("bdi", text));
    return line;
  },
};

// --- The audit -----------------------------------------------------------------------------------------------------

const audit = {
  next: 0,
  dialog: $("audit-dialog"),
  part: (selector) => $("audit-dialog").querySelector(selector),

  open() {
    this.next = 0;
    this.part("ol").replaceChildren();
    this.dialog.showModal();
    this.load();
  },

  close() {
    if (this.dialog.open) this.dialog.close();
  },

  /** Reads the entries before those that are shown. */
  async load() {
    put(this.part(".error"), "");
    try {
      const page = await read(`audit?limit=${ROOM_LINES}&before=${this.next}`);
      this.next = page.next;
      this.part("ol").append(...page.audit.map((entry) => this.line(entry)));
      this.part(".earlier").hidden = !page.next;
      put(this.part(".hint"), this.part("ol").children.length ? "" : "Nothing yet.");
    } catch (problem) {
      put(this.part(".error"), problem.message);
    }
  },

  line({ time, actor, via, action, target, reason, until }) {
    const line = make("li");
    const at = new Date(time);
    line.append(make("time", isToday(at) ? clock(at) : moment(time), { datetime: time }), " ");
    const by = via === "http" ? `${actor} (http)` : actor;
    line.append(make("bdi", by, { class: "who" }), ` ${action} `, make("bdi", target));
    if (until) line.append(` until ${moment(until)}`);
    if (reason) line.append(": ", make("bdi", reason));
    return line;
  },
};

audit.part(".cancel").addEventListener("click", () => audit.close());
audit.part(".earlier").addEventListener("click", () => audit.load());
$("show-audit").addEventListener("click", () => audit.open());

view.part(".cancel").addEventListener("click", () => view.close());
view.part(".members").addEventListener("click", () => { view.close(); showUsersOf("room", view.name); });
view.part(".unlock").addEventListener("click", () => { view.close(); askToken(); });
view.part(".earlier").addEventListener("click", () => {
  view.lines = Math.min(view.lines + ROOM_LINES, ROOM_LINES_MAX);
  view.load();
});

$("unlock").addEventListener("click", askToken);
$("lock").addEventListener("click", () => { lock(); wake(); });
$("announce-all").addEventListener("click", () => askAnnounce(""));
$("new-ban").addEventListener("click", () => askBan(null));
$("new-hook").addEventListener("click", askHook);
$("try-now").addEventListener("click", () => wake());
$("filter").addEventListener("input", draw);
setInterval(() => {
  if ($("state").dataset.state === "live") lookAgain().then(() => view.load());
}, REFRESH_MS);
token = remembered();
live();
