// SPDX-License-Identifier: Apache-2.0
"use strict";

// The page keeps nothing but what is on the screen: it asks the API every few seconds, and at once when an event says that
// something has changed. Lists are paged and filtered by the server.
const page = { size: 25, offset: 0, filter: "", chosen: null, matched: 0 };
const before = new Map(); // counters of the last answer, for rates
const $ = (id) => document.getElementById(id);

function element(tag, text, classes) {
  const e = document.createElement(tag);
  if (text !== undefined && text !== null) e.textContent = text;
  if (classes) e.className = classes;
  return e;
}

function row(cells) {
  const tr = element("tr");
  for (const c of cells) tr.append(c instanceof Node ? c : element("td", c));
  return tr;
}

const number = (v) => element("td", Number(v).toLocaleString("en"), "n");
const code = (v) => { const td = element("td"); td.append(element("code", v)); return td; };

function fill(table, rows) { table.tBodies[0].replaceChildren(...rows); }

function since(at) {
  if (!at || at.startsWith("0001")) return "";
  const s = Math.max(0, (Date.now() - new Date(at)) / 1000);
  if (s < 90) return Math.round(s) + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  if (s < 129600) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " d";
}

function octets(v) {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (v >= size) return (v / size).toFixed(1) + " " + unit;
  return Math.round(v) + " B";
}

function bits(v) {
  v *= 8;
  for (const [unit, size] of [["Gbit/s", 1e9], ["Mbit/s", 1e6], ["kbit/s", 1e3]]) if (v >= size) return (v / size).toFixed(1) + " " + unit;
  return Math.round(v) + " bit/s";
}

// rate of a counter since it was last seen, per second; null the first time.
function rate(key, value) {
  const now = performance.now() / 1000, old = before.get(key);
  before.set(key, { now, value });
  if (!old || value < old.value || now - old.now < 0.2) return null;
  return (value - old.value) / (now - old.now);
}

const shown = (v) => (v === null ? "…" : bits(v));

async function ask(path) {
  const headers = {}, token = sessionStorage.getItem("token");
  if (token) headers.Authorization = "Bearer " + token;
  const answer = await fetch("/api/v1" + path, { headers });
  if (answer.status === 401) { await login(); return ask(path); }
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error((await answer.json()).error || answer.statusText);
  return answer.json();
}

let asking = null;
function login() {
  asking ??= new Promise((done) => {
    $("login").addEventListener("close", () => {
      const token = $("token").value;
      sessionStorage.setItem("token", token);
      document.cookie = "n3iwf_token=" + encodeURIComponent(token) + ";path=/;samesite=strict" + (location.protocol === "https:" ? ";secure" : "");
      asking = null;
      done();
    }, { once: true });
    $("login").showModal();
  });
  return asking;
}

async function showStatus() {
  const s = await ask("/status");
  $("name").textContent = s.name;
  document.title = s.name + " · N3IWF";
  $("version").textContent = s.version + " · up " + since(s.started);
  $("ready").textContent = s.ready ? "serving" : "not serving";
  $("ready").className = "badge " + (s.ready ? "good" : "bad");
  const tiles = [
    ["AMFs", s.amfsConnected + " / " + s.amfsConfigured], ["UEs", s.ues.toLocaleString("en")], ["half-open", s.halfOpen.toLocaleString("en")],
    ["PDU sessions", s.pduSessions.toLocaleString("en")], ["child SAs", s.childSAs.toLocaleString("en")], ["moves", s.moves.toLocaleString("en")],
    ["uplink", shown(rate("up", s.uplink.octets))], ["downlink", shown(rate("down", s.downlink.octets))],
    ["ESP", s.dataPlane], ["user packets", s.userPlane.kind, s.userPlane.reason],
  ];
  $("tiles").replaceChildren(...tiles.map(([label, value, why]) => {
    const t = element("div", null, "tile");
    if (why) t.title = why;
    t.append(element("b", value), element("span", label, "quiet"));
    return t;
  }));
  $("alarms").hidden = s.alarms.length === 0;
  $("alarms").className = s.alarms.some((a) => a.severity === "critical") ? "bad" : "warn";
  $("alarms").replaceChildren(...s.alarms.map((a) => element("p", a.severity + ": " + a.text)));
}

async function showAMFs() {
  fill($("amfs"), (await ask("/amfs")).map((a) => row([
    a.name || "–", code((a.host || (a.addresses || []).join(", ")) + ":" + a.port), element("td", a.connected ? "connected" : "no connection", a.connected ? "good" : "bad"),
    since(a.since), number(a.relativeCapacity || 0), number(a.ues), code((a.guamis || []).join(", ")),
  ])));
}

async function showUEs() {
  const list = await ask(`/ues?limit=${page.size}&offset=${page.offset}&filter=${encodeURIComponent(page.filter)}`);
  page.matched = list.matched;
  if (page.offset > 0 && page.offset >= list.matched) { page.offset = 0; return showUEs(); }
  $("count").textContent = list.matched === list.total ? list.total.toLocaleString("en") : `${list.matched.toLocaleString("en")} of ${list.total.toLocaleString("en")}`;
  $("range").textContent = list.matched ? `${page.offset + 1}–${page.offset + list.ues.length}` : "none";
  $("previous").disabled = page.offset === 0;
  $("next").disabled = page.offset + page.size >= list.matched;
  fill($("ues"), list.ues.map((u) => {
    const tr = row([
      number(u.id), u.state, code(u.remote), u.behindNAT ? "yes" : "", code(u.inner.join(", ")), u.pduSessions.join(", "),
      number(u.childSAs), number(u.moves), u.amf || "", since(u.since),
    ]);
    tr.className = "link" + (u.id === page.chosen ? " chosen" : "");
    tr.addEventListener("click", () => { page.chosen = u.id; refresh(); });
    return tr;
  }));
}

function table(head, rows) {
  const t = element("table"), tr = element("tr");
  head.forEach((h, i) => tr.append(element("th", h, rows.length ? rows[0].cells[i].className : "")));
  t.append(element("thead"), element("tbody"));
  t.tHead.append(tr);
  t.tBodies[0].append(...rows);
  return t;
}

function facts(pairs) {
  const dl = element("dl");
  for (const [k, v] of pairs) { const dd = element("dd"); dd.append(element("code", v)); dl.append(element("dt", k), dd); }
  return dl;
}

async function showDetail() {
  const box = $("detail");
  if (page.chosen === null) { box.hidden = true; return; }
  const u = await ask("/ues/" + page.chosen);
  box.hidden = false;
  if (!u) { box.replaceChildren(element("h2", `UE ${page.chosen} is gone`)); return; }
  const parts = [element("h2", "UE " + u.id), facts([
    ["state", u.state + (u.nasConnected ? ", NAS connected" : "")], ["AMF-UE-NGAP-ID", u.amfUENGAPID ?? "–"],
    ["path of IKE", u.local + " – " + u.remote], ["path of child SAs", u.ike.childPath + (u.ike.unproven ? " (not proven yet)" : "")],
    ["IKE SPIs", u.ike.initiatorSPI + " " + u.ike.responderSPI], ["IKE algorithms", u.ike.algorithms], ["MOBIKE", u.mobike ? "yes" : "no"],
    ["last heard", since(u.lastHeard) + " ago"],
  ])];
  parts.push(element("h3", "Path history"), table(["since", "how", "from", "to", "NAT", "took", "lost", "answered there"], u.paths.map((h, i) => row([
    new Date(h.at).toLocaleString(), h.why, code(i ? u.paths[i - 1].path.Remote : ""), code(h.path.Remote), h.nat ? "yes" : "",
    i ? (h.tookNanoseconds / 1e6).toFixed(1) + " ms" : "", number(h.lost), h.proven ? "yes" : ""])).reverse()));
  parts.push(element("h3", "Child SAs"), table(["purpose", "SPI in", "SPI out", "algorithms", "in", "out", "dropped", "moves"], u.childSADetails.map((s) => row([
    s.purpose + (s.current ? "" : " (older)"), code(s.inboundSPI), code(s.outboundSPI), s.algorithms,
    s.inPackets.toLocaleString("en") + " · " + shown(rate("in" + s.inboundSPI, s.inOctets)),
    s.outPackets.toLocaleString("en") + " · " + shown(rate("out" + s.inboundSPI, s.outOctets)), number(s.dropped), number(s.moves)]))));
  parts.push(element("h3", "PDU sessions"), table(["id", "type", "slice", "UPF", "TEID up", "TEID down", "uplink", "downlink", "dropped"], u.sessions.map((s) => row([
    number(s.id), s.type, s.snssai, code(s.upf), code(s.uplinkTEID), code(s.downlinkTEID),
    octets(s.uplinkOctets) + " · " + shown(rate(`ul${u.id}.${s.id}`, s.uplinkOctets)), octets(s.downlinkOctets) + " · " + shown(rate(`dl${u.id}.${s.id}`, s.downlinkOctets)),
    number(s.dropped)]))));
  const flow = (s, f, way) => octets(f[way + "Octets"]) + " · " + shown(rate(`${way}${u.id}.${s.id}.${f.qfi}`, f[way + "Octets"]));
  const flows = table(["session", "QFI", "5QI", "kind", "uplink", "downlink"], u.sessions.flatMap((s) => s.flows.map((f) => row([
    number(s.id), number(f.qfi), f.fiveQI ? number(f.fiveQI) : "", [f.gbr ? "GBR" : "", f.reflective ? "reflective" : ""].filter(Boolean).join(", "),
    flow(s, f, "uplink"), flow(s, f, "downlink")]))));
  flows.id = "flows";
  parts.push(element("h3", "QoS flows"), flows);
  box.replaceChildren(...parts);
}

let running = false, again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  try {
    await Promise.all([showStatus(), showAMFs(), showUEs(), showDetail()]);
    $("live").textContent = "as of " + new Date().toLocaleTimeString();
    $("live").classList.remove("bad");
  } catch (e) {
    $("live").textContent = "no answer: " + e.message;
    $("live").classList.add("bad");
  } finally {
    running = false;
    if (again) { again = false; soon(); }
  }
}

// Events come in bursts; the page follows a few times a second at most.
let timer = null;
function soon() { timer ??= setTimeout(() => { timer = null; refresh(); }, 400); }

const words = {
  "amf-up": (e) => `AMF ${e.amf} is connected`, "amf-down": (e) => `AMF ${e.amf} is lost`,
  "ue-registered": (e) => `UE ${e.ue} registered from ${e.to}`, "ue-moved": (e) => `UE ${e.ue} moved from ${e.from} to ${e.to}`, "ue-gone": (e) => `UE ${e.ue} is gone`,
  "session-up": (e) => `UE ${e.ue}: PDU session ${e.pduSession} is up`, "session-down": (e) => `UE ${e.ue}: PDU session ${e.pduSession} ended`,
  missed: () => "more happened than could be shown",
};

function listen() {
  const source = new EventSource("/api/v1/events");
  for (const kind of Object.keys(words)) {
    source.addEventListener(kind, (m) => {
      const e = JSON.parse(m.data), li = element("li");
      li.append(element("span", new Date(e.time).toLocaleTimeString() + " ", "quiet"), words[kind](e));
      $("log").prepend(li);
      while ($("log").children.length > 200) $("log").lastChild.remove();
      soon();
    });
  }
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000); };
}

$("search").addEventListener("submit", (e) => e.preventDefault());
$("filter").addEventListener("input", () => { page.filter = $("filter").value; page.offset = 0; soon(); });
$("previous").addEventListener("click", () => { page.offset = Math.max(0, page.offset - page.size); refresh(); });
$("next").addEventListener("click", () => { if (page.offset + page.size < page.matched) page.offset += page.size; refresh(); });
setInterval(refresh, 3000);
refresh().then(listen);
