// A drawing in MNIST's form, step by step as tasks/pictures has it, whose names these are; but for light and lines,
// which a drawing has none of. A plane is { width, height, data }.
const SIDE = 28, COARSE = 48, INK = 0.3, SPECKS = 26, FIT = 19.5, EDGES = 0.6, MIDDLE = 14.5, STROKE = 2, FINE = 4;

const plane = (width, height, data = new Float32Array(width * height)) => ({ width, height, data });
const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));  // as Python and OpenCV round

function median(values) {
  const sorted = Float32Array.from(values).sort(), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// OpenCV's resize: INTER_AREA where it shrinks, else INTER_CUBIC; along the rows, and along the columns of the result.
function scaled(image, scale) {
  const width = Math.max(1, even(image.width * scale)), height = Math.max(1, even(image.height * scale));
  const along = (from, size) => {
    const to = plane(from.height, size), ratio = from.width / size;
    for (let x = 0; x < size; x++) {
      for (const [at, weight] of scale < 1 ? areaTaps(x, ratio, from.width) : cubicTaps(x, ratio, from.width)) {
        for (let y = 0, i = at; y < from.height; y++, i += from.width) to.data[x * from.height + y] += weight * from.data[i];
      }
    }
    return to;  // turned: what was a row is a column
  };
  return along(along(image, width), height);
}

function areaTaps(x, ratio, size) {
  const start = x * ratio, end = Math.min(size, start + ratio), taps = [];
  for (let at = Math.floor(start + 1e-6); at < end - 1e-6; at++) {
    taps.push([at, (Math.min(at + 1, end) - Math.max(at, start)) / (end - start)]);
  }
  return taps;
}

function cubicTaps(x, ratio, size) {
  const place = (x + 0.5) * ratio - 0.5, first = Math.floor(place), t = place - first, A = -0.75;
  const far = (d) => ((A * d - 5 * A) * d + 8 * A) * d - 4 * A, near = (d) => ((A + 2) * d - (A + 3)) * d * d + 1;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)].map(
    (weight, i) => [Math.min(size - 1, Math.max(0, first - 1 + i)), weight]);
}

function reduced(image, longest) {
  const scale = longest / Math.max(image.width, image.height);
  return scale < 1 ? scaled(image, scale) : image;
}

function strength(ink) {
  const counts = new Uint32Array(256), { data } = ink;
  let top = 0;
  for (let i = 0; i < data.length; i++) if (data[i] > top) top = data[i];
  if (!top) return 0;
  for (let i = 0; i < data.length; i++) if (data[i] >= 0) counts[Math.floor(data[i] * 256 / (top * 1.001))]++;
  let level = 255, stronger = counts[255];
  while (stronger < 1 + Math.min(SPECKS, Math.floor(data.length / 500))) stronger += counts[--level];
  return top * (level + 1) / 256;
}

// rgb: three planes, 0–255. Returns the ink, 0–1: what differs from the colour of most of the picture.
function inkOf(rgb) {
  const coarse = rgb.map((channel) => reduced(channel, COARSE)), { width, height } = coarse[0];
  const onBorder = (i) => i < width || i >= width * (height - 1) || i % width === 0 || i % width === width - 1;
  let paper;
  for (const chosen of [() => true, onBorder]) {
    paper = coarse.map((channel) => median(channel.data.filter((_, i) => chosen(i))));
    const apart = plane(width, height, coarse[0].data.map(
      (_, i) => Math.max(...coarse.map((channel, c) => Math.abs(channel.data[i] - paper[c])))));
    const limit = INK * strength(apart);
    if (apart.data.filter((value) => value < limit).length > 0.55 * apart.data.length) break;
  }
  const axis = [0, 0, 0];
  for (let i = 0; i < width * height; i++) {
    const apart = coarse.map((channel, c) => channel.data[i] - paper[c]), length = Math.hypot(...apart);
    apart.forEach((value, c) => { axis[c] += value * length; });
  }
  const length = Math.hypot(...axis) || 1;
  const ink = plane(rgb[0].width, rgb[0].height), [red, green, blue] = rgb.map((channel) => channel.data);
  const [r, g, b] = axis.map((value) => value / length), none = r * paper[0] + g * paper[1] + b * paper[2];
  for (let i = 0; i < ink.data.length; i++) ink.data[i] = r * red[i] + g * green[i] + b * blue[i] - none;
  const full = strength(ink) || 1;
  for (let i = 0; i < ink.data.length; i++) ink.data[i] = Math.min(1, Math.max(0, ink.data[i] / full));
  return ink;
}

// The figure: pieces of ink that have an eighth of the largest piece's. null: there is no ink.
function figureOf(ink) {
  const { width, height, data } = ink, labels = new Int32Array(width * height), totals = [0], contacts = [0], waiting = [];
  const around = (i, visit) => {
    const x = i % width, y = (i - x) / width;
    for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
      for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) visit(v * width + u);
    }
  };
  for (let start = 0; start < data.length; start++) {
    if (labels[start] || data[start] <= INK) continue;
    const label = totals.length;
    totals.push(0);
    contacts.push(0);
    labels[start] = label;
    for (waiting.push(start); waiting.length;) {
      const i = waiting.pop(), x = i % width, y = (i - x) / width;
      totals[label] += data[i];
      contacts[label] += (x === 0) + (x === width - 1) + (y === 0) + (y === height - 1);
      around(i, (j) => { if (!labels[j] && data[j] > INK) { labels[j] = label; waiting.push(j); } });
    }
  }
  const total = withoutBorder(totals, contacts, width, height), most = Math.max(...total);
  const kept = new Uint8Array(data.length);
  let left = width, right = -1, top = height, bottom = -1;
  for (let i = 0; i < data.length; i++) {
    if (labels[i] && total[labels[i]] > most / 8) around(i, (j) => {
      if (kept[j]) return;
      kept[j] = 1;
      const x = j % width, y = (j - x) / width;
      left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
    });
  }
  if (right < 0) return null;
  const figure = plane(right - left + 1, bottom - top + 1);
  for (let y = top, to = 0; y <= bottom; y++) for (let x = left; x <= right; x++, to++) {
    figure.data[to] = data[y * width + x] * kept[y * width + x];
  }
  const strongest = figure.data.reduce((a, b) => Math.max(a, b), 0);
  figure.data.forEach((value, i) => { figure.data[i] = value / strongest; });
  return figure;
}

function withoutBorder(totals, contacts, width, height) {
  const total = totals.map((sum, i) => (contacts[i] > 1.2 * (width + height) ? 0 : sum));
  const inner = total.map((sum, i) => (contacts[i] > 0.25 * Math.min(width, height) ? 0 : sum));
  const most = Math.max(...inner), figure = inner.map((sum) => sum > most / 8);
  return figure.some((is, i) => is && contacts[i]) || !figure.includes(true) ? total : inner;
}

function mnistForm(ink) {
  const longest = Math.max(ink.width, ink.height), fit = FIT * FINE;
  let left = ink.width, right = -1, top = ink.height, bottom = -1;
  ink.data.forEach((value, i) => {
    if (value < 0.5) return;
    const x = i % ink.width, y = (i - x) / ink.width;
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  });
  let size = Math.max(right - left, bottom - top) + 1;
  if (size < EDGES * longest) size = longest;
  let drawn = scaled(ink, fit / size);
  const missing = STROKE * FINE - thickness(drawn);
  if (missing > 1) {
    const grow = even(missing / 2);
    drawn = dilated(padded(scaled(ink, (fit - 2 * grow) / size), grow), ellipse(grow));
  }
  drawn.data.forEach((value, i) => { drawn.data[i] = Math.min(1, Math.max(0, value)); });
  return centred(drawn);
}

function padded(image, by) {
  const to = plane(image.width + 2 * by, image.height + 2 * by);
  for (let y = 0; y < image.height; y++) {
    to.data.set(image.data.subarray(y * image.width, (y + 1) * image.width), (y + by) * to.width + by);
  }
  return to;
}

// OpenCV's MORPH_ELLIPSE, as pairs of shifts.
function ellipse(radius) {
  const shifts = [];
  for (let dy = -radius; dy <= radius; dy++) {
    const reach = even(Math.sqrt((radius * radius - dy * dy)));
    for (let dx = -reach; dx <= reach; dx++) shifts.push([dx, dy]);
  }
  return shifts;
}
const SQUARE = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dx, dy]));

function dilated({ width, height, data }, shifts) {
  const to = plane(width, height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    let most = 0;
    for (const [dx, dy] of shifts) {
      const u = x + dx, v = y + dy;
      if (u >= 0 && u < width && v >= 0 && v < height && data[v * width + u] > most) most = data[v * width + u];
    }
    to.data[y * width + x] = most;
  }
  return to;
}

// Twice the median depth along the strokes' middle; depth is OpenCV's distance transform by 5 × 5.
function thickness(ink) {
  const mask = padded(ink, 1), { width, height } = mask, UNIT = 65536;
  const depth = plane(width, height, mask.data.map((value) => (value > 0.5 ? 1e9 : 0)));
  const moves = [[-1, 0, 1], [0, -1, 1], [-1, -1, 1.4], [1, -1, 1.4], [-2, -1, 2.1969], [2, -1, 2.1969], [-1, -2, 2.1969],
    [1, -2, 2.1969]].map(([dx, dy, far]) => [dx, dy, Math.round(far * UNIT)]);
  for (const way of [1, -1]) for (let n = 0; n < width * height; n++) {
    const i = way > 0 ? n : width * height - 1 - n, x = i % width, y = (i - x) / width;
    if (depth.data[i]) for (const [dx, dy, far] of moves) {
      const u = x + way * dx, v = y + way * dy;
      if (u >= 0 && u < width && v >= 0 && v < height) depth.data[i] = Math.min(depth.data[i], depth.data[v * width + u] + far);
    }
  }
  const most = dilated(depth, SQUARE);
  const middle = depth.data.filter((value, i) => value > 0 && value >= most.data[i]);
  return middle.length ? 2 * median(middle) / UNIT - 0.5 : 1;
}

function centred({ width, height, data }) {
  const side = SIDE * FINE, canvas = new Float32Array(side * side), image = new Uint8Array(SIDE * SIDE);
  let mass = 0, across = 0, down = 0;
  data.forEach((value, i) => { mass += value; across += value * (i % width); down += value * Math.floor(i / width); });
  const shift = [[across, width], [down, height]].map(
    ([sum, size]) => Math.min(side - size, Math.max(0, MIDDLE * FINE - 0.5 - sum / mass)));
  const [left, top] = shift.map(Math.floor), [u, v] = shift.map((x) => x - Math.floor(x));
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const value = data[y * width + x];
    for (const [dx, dy, weight] of [[0, 0, (1 - u) * (1 - v)], [1, 0, u * (1 - v)], [0, 1, (1 - u) * v], [1, 1, u * v]]) {
      const to = (top + y + dy) * side + left + x + dx;
      if (weight && left + x + dx < side && top + y + dy < side) canvas[to] += weight * value;
    }
  }
  for (let i = 0; i < SIDE * SIDE; i++) {
    let sum = 0;
    for (let y = 0; y < FINE; y++) for (let x = 0; x < FINE; x++) {
      sum += canvas[(Math.floor(i / SIDE) * FINE + y) * side + (i % SIDE) * FINE + x];
    }
    image[i] = even(sum / (FINE * FINE) * 255);
  }
  return image;
}

// picture: ImageData of 500 pixels at most on its longer side. Returns what the model sees, 784 from 0 to 255; null where there is no ink.
function digitOf({ width, height, data }) {
  const rgb = [0, 1, 2].map((c) => {
    const channel = plane(width, height);
    for (let i = 0; i < width * height; i++) channel.data[i] = data[4 * i + c];
    return channel;
  });
  const figure = figureOf(inkOf(rgb));
  return figure && mnistForm(figure);
}
