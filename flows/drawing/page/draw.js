// A canvas, and an answer to what is on it whenever that changes: `read` is of asking.js or reading.js.
const canvas = $("drawing"), pen = canvas.getContext("2d"), WIDTH = 30, STEP = 14;
// Pixels of a picture's longer side; of a drawing, and its margin, which nothing reaches: so it has no lines of paper.
const LONGEST = 500, LOOKED = 320, MARGIN = 48;
const keys = { x: canvas.width / 2, y: canvas.height / 4, down: false };
let dropped = null, last = null, busy = false, changed = false, empty = true;

const percent = (share) => (share > 0.9995 && share < 1 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);
for (let digit = 0; digit < 10; digit++) {
  const [row, bar, share] = ["li", "div", "span"].map((name) => document.createElement(name)), name = document.createElement("span");
  name.textContent = digit;
  bar.append(document.createElement("i"));
  row.append(name, bar, share);
  $("bars").append(row);
}

function show({ pixels, probabilities, doubt, refused }) {
  const label = probabilities.indexOf(Math.max(...probabilities));
  $("answer").textContent = refused ? "No answer" : label;
  $("answer").classList.toggle("none", refused);
  $("sure").textContent = [refused ? null : `${percent(probabilities[label])} sure`, doubt].filter(Boolean).join("; ");
  [...$("bars").children].forEach((row, digit) => {
    row.querySelector("i").style.width = `${100 * probabilities[digit]}%`;
    row.lastChild.textContent = percent(probabilities[digit]);
    row.classList.toggle("top", !refused && digit === label);
  });
  drawPixels($("seen"), pixels);
}

function clear() {
  Object.assign(keys, { x: canvas.width / 2, y: canvas.height / 4, down: false });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  canvas.classList.remove("picture");
  dropped = last = null;
  empty = true;
  $("answer").textContent = $("sure").textContent = "";
  [...$("bars").children].forEach((row) => {
    row.querySelector("i").style.width = 0;
    row.lastChild.textContent = "";
    row.classList.remove("top");
  });
  drawPixels($("seen"), new Uint8Array(784));
  enable(false);
}

const enable = (able) => document.querySelectorAll("#pad button:not([data-key=p])").forEach((button) => { button.disabled = !able; });

// As for `_on_paper` of tasks/pictures: bright ink lies on a dark ground.
function isBright({ data }) {
  let light = 0, all = 0;
  for (let i = 0; i < data.length; i += 4) {
    light += data[i + 3] * (data[i] + data[i + 1] + data[i + 2]) / 3;
    all += data[i + 3];
  }
  return light > 127 * all;
}

// What is looked at: the drawing on a wider sheet, or the picture as it is.
function looked() {
  const sheet = document.createElement("canvas"), context = sheet.getContext("2d", { willReadFrequently: true });
  const scale = dropped ? Math.min(1, LONGEST / Math.max(dropped.image.width, dropped.image.height)) : 1;
  sheet.width = dropped ? Math.max(1, Math.round(dropped.image.width * scale)) : LOOKED;
  sheet.height = dropped ? Math.max(1, Math.round(dropped.image.height * scale)) : LOOKED;
  context.imageSmoothingQuality = "high";
  if (dropped) context.drawImage(dropped.image, 0, 0, sheet.width, sheet.height);
  else context.drawImage(canvas, MARGIN, MARGIN, LOOKED - 2 * MARGIN, LOOKED - 2 * MARGIN);
  context.globalCompositeOperation = "destination-over";  // paper where it is transparent
  context.fillStyle = dropped && isBright(context.getImageData(0, 0, sheet.width, sheet.height)) ? "#000" : "#fff";
  context.fillRect(0, 0, sheet.width, sheet.height);
  return sheet;
}

// One answer after the other: what changes meanwhile is read once.
async function update() {
  changed = true;
  if (busy) return;
  busy = true;
  try {
    while (changed) {
      await new Promise(requestAnimationFrame);
      changed = false;
      if (empty) continue;
      const reading = await read(looked, dropped?.file);
      if (!empty) { show(reading); enable(true); }
    }
    $("error").hidden = true;
  } catch (error) { fail(error); } finally { busy = false; }
}

function fail(error) {
  $("error").textContent = error.message;
  $("error").hidden = false;
}

const attempt = (work) => work().then(() => { $("error").hidden = true; }, fail);

function stroke(x, y, first) {
  if (dropped) clear();
  if (first || !last) last = [x, y];
  Object.assign(pen, { lineWidth: WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
  pen.beginPath();
  pen.moveTo(...last);
  pen.lineTo(x, y + 0.01);  // a tap is a dot, too
  pen.stroke();
  last = [x, y];
  empty = false;
  update();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
}
// Not a second finger, or the hand that rests beside the pen: a touch is captured without being asked for.
canvas.onpointerdown = (event) => {
  if (event.button || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  stroke(...place(event), true);
};
canvas.onpointermove = (event) => {
  if (!event.isPrimary || !canvas.hasPointerCapture(event.pointerId)) return;
  // A fast hand moves several times between two frames.
  for (const move of event.getCoalescedEvents?.() ?? []) stroke(...place(move));
  stroke(...place(event));
};

async function open(file) {
  if (!file) return;
  let image;
  try { image = await createImageBitmap(file); } catch {
    throw new Error(`${file.name} is no picture that this browser can show: try a PNG or a JPEG.`);
  }
  clear();
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  canvas.classList.add("picture");
  dropped = { file, image };
  empty = false;
  await update();
}
$("file").onchange = () => { attempt(() => open($("file").files[0])); };
document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dropping"); };
document.ondragleave = () => document.body.classList.remove("dropping");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  attempt(() => open(event.dataTransfer.files[0]));
};

function press(key) {
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [];
  if (right !== undefined || key === " ") {
    if (document.activeElement !== canvas) return false;
    const before = [keys.x, keys.y];
    keys.x = Math.min(canvas.width, Math.max(0, keys.x + STEP * (right ?? 0)));
    keys.y = Math.min(canvas.height, Math.max(0, keys.y + STEP * (down ?? 0)));
    if (key === " ") keys.down = !keys.down;
    if (keys.down) { last = before; stroke(keys.x, keys.y); }
  } else if (key === "Escape") clear();
  else if (key === "o") { $("file").value = ""; $("file").click(); }
  else if (!$("pad")) return false;
  else if (key === "p") attempt(publish);
  else if (/^[0-9x]$/.test(key) && !empty) attempt(() => say(key === "x" ? "none" : key, looked, dropped?.file));
  else return false;
  return true;
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !event.key.startsWith("Arrow")) return;
  if (press(event.key.length === 1 ? event.key.toLowerCase() : event.key)) event.preventDefault();
});
document.querySelectorAll("[data-key]").forEach((button) => { button.onclick = () => press(button.dataset.key); });
clear();
