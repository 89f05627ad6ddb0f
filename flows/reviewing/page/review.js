// The page asks the server for images ahead of time, and shows the next one only once an answer is on the disk.
const token = document.body.dataset.token;
const tab = Array.from(crypto.getRandomValues(new Uint32Array(4)), (number) => number.toString(36)).join("");
const LOW = 12, PAUSE = 30_000;  // images at which more are fetched; milliseconds after which somebody was away
let queue = [], answered = new Set(), walled = false, wall = [], wallLabel = null, marks = new Map();
let busy = false, fetching = false, progress = null, active = 0, count = 0, before = Date.now(), waiting = null;

async function ask(what, body = {}) {
  const content = await request(what, { tab, ...body });
  if (content.progress) { progress = content.progress; showProgress(); }
  return content;
}

// One thing at a time: a key that is pressed while an answer is being saved would answer an image nobody has seen.
async function alone(work) {
  if (busy) return;
  busy = true;
  try { await work(); $("error").hidden = true; }
  catch (error) { $("error").textContent = error.message; $("error").hidden = false; }
  finally { busy = false; }
}

const draw = (canvas, pixels) => drawPixels(canvas, bytes(pixels));
const words = (answer) => ({ none: "no digit", skip: "skipped" })[answer] ?? answer;
const hides = () => $("hide").checked;

function showProgress() {
  const { left, read, changed } = progress, all = left + read;
  const rate = count > 2 && active ? count / active * 60_000 : 0;
  const parts = [`${read.toLocaleString("en")} of ${all.toLocaleString("en")} read`, `${changed.toLocaleString("en")} changed`];
  if (rate) {
    const minutes = left / rate;
    parts.push(`${Math.round(rate)} a minute`);
    if (left) parts.push(minutes < 1 ? "less than a minute left" : minutes < 90
      ? `about ${Math.round(minutes)} min left` : `about ${(minutes / 60).toFixed(1)} h left`);
  }
  $("progress").textContent = parts.join(" · ");
  $("done").style.width = `${all ? 100 * read / all : 100}%`;
  $("bar").setAttribute("aria-valuenow", all ? Math.round(100 * read / all) : 100);
}

function counted(number) {
  const now = Date.now();
  active += Math.min(now - before, PAUSE);
  before = now;
  count += number;
}

function show() {
  clearTimeout(waiting);
  document.body.classList.toggle("walled", walled);
  $("view").textContent = walled ? "One by one" : "Wall";
  const item = queue[0], empty = walled ? !wall.length : !item;
  $("one").hidden = walled || empty;
  $("wall").hidden = !walled || (empty && !Object.keys(progress.open).length);
  $("pad").hidden = false;  // to take back is always possible
  $("message").hidden = !empty;
  $("hiding").hidden = walled;
  $("accept").textContent = walled ? "next wall" : "accept";
  $("accept").disabled = empty || (!walled && (hides() || item.label === null));
  if (empty) return showEmpty();
  if (walled) return showWall();
  draw($("digit"), item.pixels);
  showOriginal();
  $("digit").setAttribute("aria-label", `image ${item.id}`);
  $("answer").replaceChildren(...(item.label === null ? [item.reason ?? "no answer"] : hides()
    ? ["What is it?"] : ["Is it ", bold(item.label), "?"]));
  $("name").textContent = item.reason && item.label !== null && !hides() ? `${item.id}: ${item.reason}` : item.id;
}

// The picture that came in, beside what the model saw; nobody waits for it, and that of the next image is fetched ahead.
async function showOriginal() {
  const item = queue[0];
  $("original").hidden = true;
  if (!("pictures" in document.body.dataset)) return;
  const picture = await originalOf(item);
  if (queue[0] === item && picture) { $("original").src = picture; $("original").hidden = false; }
  if (queue[1]) originalOf(queue[1]);
}

function originalOf(item) {
  item.original ??= ask("picture", { index: item.index }).then(({ picture }) => picture, () => null);
  return item.original;
}

function bold(text) {
  const element = document.createElement("strong");
  element.textContent = text;
  return element;
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}

function showEmpty() {
  if (progress.left && !walled) {
    $("message").replaceChildren(paragraph("The rest is open in another tab. It comes here if that is closed for five minutes."));
    waiting = setTimeout(() => alone(start), 5000);
  } else if (progress.left) {
    $("message").replaceChildren(paragraph("No wall is left: the others are one by one (V), or open in another tab."));
  } else {
    $("message").replaceChildren(paragraph("Everything is read. Publish (P) puts your answers in place."));
  }
}

function showWall() {
  $("wall-title").replaceChildren("All of these are ", bold(wallLabel), "? Choose those that are not, and type what they are.");
  $("labels").replaceChildren(...Object.entries(progress.open).map(([label, left]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${label}: ${left.toLocaleString("en")}`;
    button.setAttribute("aria-pressed", Number(label) === wallLabel);
    button.onclick = () => alone(() => newWall(Number(label)));
    return button;
  }));
  $("tiles").replaceChildren(...wall.map((item) => {
    const tile = document.createElement("button"), canvas = document.createElement("canvas");
    canvas.width = canvas.height = 28;
    draw(canvas, item.pixels);
    tile.type = "button";
    tile.dataset.index = item.index;
    tile.title = item.id;
    tile.append(canvas);
    tile.onclick = () => { tile.focus(); choose(tile); };
    return tile;
  }));
  chosen = null;
  wall.forEach((item) => mark(item.index));
  $("tiles").firstChild.focus({ preventScroll: true });
}

let chosen = null;  // the tile that a typed digit is for; the focus is lost to a finger on the pad
const tileOf = (index) => $("tiles").querySelector(`[data-index="${index}"]`);
function choose(tile) { chosen = tile; }

function mark(index, answer) {
  const tile = tileOf(index);
  if (answer !== undefined) {
    if (marks.get(index) === answer || answer === String(wallLabel)) marks.delete(index);
    else marks.set(index, answer);
  }
  const given = marks.get(index);
  tile.classList.toggle("marked", given !== undefined);
  tile.querySelector("b")?.remove();
  tile.setAttribute("aria-label", `image ${tile.title}: ${words(given ?? wallLabel)}`);
  if (given !== undefined) {
    const badge = document.createElement("b");
    badge.textContent = { none: "✕", skip: "…" }[given] ?? given;
    tile.append(badge);
  }
}

async function refill() {
  if (fetching) return;
  fetching = true;
  try {
    const { items } = await ask("next");
    const known = new Set(queue.map((item) => item.index));
    queue.push(...items.filter((item) => !known.has(item.index) && !answered.has(item.index)));
  } finally { fetching = false; }
}

async function newWall(label) {
  const content = await ask("wall", { label });
  marks.clear();
  wall = content.items;
  wallLabel = content.label;
  if (!wall.length && label !== null && Object.keys(progress.open).length) return newWall(null);
  show();
}

async function start() {
  queue = [];
  if (walled) return newWall(wallLabel);
  await refill();
  show();
}

async function save(answers) {
  await ask("answer", { answers });
  Object.keys(answers).forEach((index) => answered.add(Number(index)));
  counted(Object.keys(answers).length);
  showProgress();
}

async function answer(given) {
  const item = queue[0];
  if (!item) return;
  await save({ [item.index]: given });
  queue.shift();
  const changed = given !== String(item.label) && given !== "skip" && item.label !== null;
  const note = document.createElement("span");
  note.className = changed ? "changed" : "";
  note.textContent = changed ? `${item.label} → ${words(given)}` : words(given);
  $("last").replaceChildren(`before: ${item.id} `, note);
  if (!queue.length) await refill();
  show();
  if (queue.length < LOW) refill().catch(() => {});
}

async function acceptWall() {
  if (!wall.length) return;
  await save(Object.fromEntries(wall.map((item) => [item.index, marks.get(item.index) ?? String(wallLabel)])));
  await newWall(wallLabel);
}

async function takeBack() {
  const { items } = await ask("back");
  items.forEach((item) => answered.delete(item.index));
  count = Math.max(0, count - items.length);
  const known = new Set(items.map((item) => item.index));
  queue = [...items, ...queue.filter((item) => !known.has(item.index))];
  $("last").textContent = items.length ? `taken back: ${items.length === 1 ? items[0].id : `${items.length} answers`}` : "nothing to take back";
  if (walled) return newWall(items[0]?.label ?? wallLabel);
  show();
}

async function publish() {
  const { name, findings } = await ask("publish");
  const list = document.createElement("ul"), link = document.createElement("a"), title = document.createElement("h2");
  title.textContent = `Published as ${name}`;
  list.append(...findings.map((finding) => {
    const line = document.createElement("li");
    line.textContent = finding;
    return line;
  }));
  link.href = `/report?token=${encodeURIComponent(token)}`;
  link.target = "_blank";
  link.textContent = "What was changed, as pictures";
  $("message").replaceChildren(title, list, link, paragraph("You can go on, and publish again."));
  $("message").hidden = false;
  $("message").scrollIntoView({ block: "nearest" });
}

function onWall(key, given) {
  const tiles = [...$("tiles").children];
  const here = tiles.includes(document.activeElement) ? document.activeElement : chosen;
  const across = tiles.findIndex((tile) => tile.offsetTop !== tiles[0]?.offsetTop);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
  if (step !== undefined) {
    const target = tiles[tiles.indexOf(here) + step];
    if (target) { target.focus(); choose(target); }
    return true;
  }
  if (given !== undefined && here) mark(Number(here.dataset.index), given);
  return given !== undefined;
}

function press(key) {
  if ($("help").open || busy) return false;
  const given = /^[0-9]$/.test(key) ? key : { x: "none", s: "skip" }[key];
  if (key === "?") $("help").showModal();
  else if (key === "h") { $("hide").checked = !hides(); $("hide").onchange(); }
  else if (key === "v") alone(() => { walled = !walled; return start(); });
  else if (key === "p") alone(publish);
  else if (key === "z") alone(takeBack);
  else if (walled && onWall(key, given)) return true;
  else if (key === "Enter" && walled) alone(acceptWall);
  else if (key === "Enter") { if (queue.length && !$("accept").disabled) alone(() => answer(String(queue[0].label))); }
  else if (given !== undefined) alone(() => answer(given));
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !event.key.startsWith("Arrow")) return;
  // Enter on a button that was reached by Tab is that button's, but for the images of a wall.
  if (event.key === "Enter" && event.target.matches("button:not(#tiles button)")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (press(key)) event.preventDefault();
});
document.querySelectorAll("[data-key]").forEach((button) => {
  button.onclick = () => { press(button.dataset.key); if (button.closest("#pad")) button.blur(); };
});
$("hide").checked = localStorage.getItem("hide") === "yes";
$("hide").onchange = () => { localStorage.setItem("hide", hides() ? "yes" : "no"); if (progress) show(); };
alone(start);
