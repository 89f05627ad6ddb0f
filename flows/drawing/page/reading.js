// The answers come from this page alone.
const model = JSON.parse($("model").textContent);

// Numbers in half precision, which not every browser knows yet.
function halves(data) {
  return Float32Array.from(new Uint16Array(data.buffer), (half) => {
    const exponent = half >> 10 & 31, fraction = half & 1023, sign = half >> 15 ? -1 : 1;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}

const network = networkOf(model.network, new Float32Array(bytes($("weights").textContent).buffer));
const strangeness = familiarityOf(model.familiar, halves(bytes($("familiar").textContent)));

// pixels: 784, 0–255.
function answerTo(pixels) {
  const logits = network(pixels).map((logit) => logit / model.temperature), top = Math.max(...logits);
  const parts = logits.map((logit) => Math.exp(logit - top)), sum = parts.reduce((a, b) => a + b);
  const strange = strangeness(pixels, logits), { review, refuse, odd, refused } = model.limits;
  const doubt = strange > refuse ? refused : strange > review ? odd : null;
  return { pixels, probabilities: Array.from(parts, (part) => part / sum), doubt, refused: strange > refuse };
}

async function read(look) {
  const sheet = look(), { width, height } = sheet, pixels = digitOf(sheet.getContext("2d").getImageData(0, 0, width, height));
  return pixels ? answerTo(pixels)
    : { pixels: new Uint8Array(784), probabilities: Array(10).fill(0), doubt: model.limits.empty, refused: true };
}
