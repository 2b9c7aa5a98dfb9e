// What the pages do not need but are nicer with: countdowns, pages that follow what happens, a bar
// while the next page is on its way, JSON judged while it is typed. No text is ever put in as HTML
// that did not come from the ledger's own page.
"use strict";

const SECOND = 1000;

function span(ms) {
  let left = Math.max(0, Math.round(ms / SECOND));
  const words = [];
  for (const [name, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    if (left >= size) {
      words.push(`${Math.floor(left / size)} ${name}`);
      if (left >= 10 * size || words.length === 2) break;
      left %= size;
    }
  }
  return words.join(" ") || "0 s";
}

// <time data-deadline datetime="...">: what is left, and a warning in the last minute.
// The server's clock is told by <body data-now-ms>; a browser's may be wrong.
function countDown() {
  const skew = Number(document.body.dataset.nowMs || Date.now()) - loaded;
  for (const one of document.querySelectorAll("time[data-deadline]")) {
    const left = Date.parse(one.dateTime) - (Date.now() + skew);
    one.textContent = left > 0 ? `${span(left)} left` : "over";
    one.classList.toggle("soon", left > 0 && left < 60 * SECOND);
    one.classList.toggle("late", left <= 0);
  }
}

// <section id="..." data-live="5">: fetched again every 5 s while it is looked at.
async function follow(part) {
  const every = Number(part.dataset.live) * SECOND;
  const id = part.id;
  let failed = 0;
  for (;;) {
    await new Promise((done) => setTimeout(done, every * Math.min(8, 2 ** failed)));
    const old = document.getElementById(id);
    if (!old) return;
    if (document.hidden || old.contains(document.activeElement)) continue;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, signal: AbortSignal.timeout(10 * SECOND) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = answer.ok ? page.getElementById(id) : null;
      if (!fresh) throw new Error(`status ${answer.status}`);
      if (fresh.innerHTML !== old.innerHTML) old.replaceWith(document.adoptNode(fresh));
      const counts = document.querySelector(".side nav ul");
      const freshCounts = page.querySelector(".side nav ul");
      if (counts && freshCounts && !counts.contains(document.activeElement)) counts.replaceWith(document.adoptNode(freshCounts));
      failed = 0;
    } catch {
      failed += 1;
    }
    document.documentElement.classList.toggle("stale", failed > 2);
    countDown();
  }
}

// <textarea data-json>: said at once if it is no JSON; the ledger judges it again.
function judge(area) {
  const told = document.getElementById(area.getAttribute("aria-describedby").split(" ").pop());
  let problem = "";
  try {
    JSON.parse(area.value);
  } catch (error) {
    problem = `Not JSON yet: ${error.message}`;
  }
  area.setAttribute("aria-invalid", problem ? "true" : "false");
  told.textContent = problem;
}

function leave(event) {
  if (event.defaultPrevented) return;
  document.documentElement.classList.add("loading");
  const button = event.submitter;
  if (button) setTimeout(() => button.setAttribute("aria-busy", "true"), 0);
}

const loaded = Date.now();
addEventListener("pageshow", () => document.documentElement.classList.remove("loading"));
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "1";
  setTimeout(() => delete event.target.dataset.sent, 3 * SECOND);
  leave(event);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) && event.button === 0;
  if (link && plain && link.origin === location.origin && !link.getAttribute("href").startsWith("#") && !link.target) leave(event);
});
for (const part of document.querySelectorAll("[data-live]")) follow(part);
for (const area of document.querySelectorAll("textarea[data-json]")) area.addEventListener("input", () => judge(area));
document.querySelector(".side nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
countDown();
setInterval(countDown, SECOND);
