// The packaged network, operation by operation as tasks/models/network.py describes it; rows of pixels, channels last.
function networkOf({ shapes, constants, steps, input, output }, weights) {
  const known = Object.entries(constants).map(([name, [start, count]]) => [name, weights.subarray(start, start + count)]);

  // Call back with each output pixel, and the input pixels that a window of so many lies on there: edges are cut off.
  function windows([, height, width], [, high, wide], [rows, columns], [down, right], visit) {
    const above = Math.max(0, (high - 1) * down + rows - height) >> 1;
    const before = Math.max(0, (wide - 1) * right + columns - width) >> 1;
    for (let y = 0; y < high; y++) {
      const top = y * down - above, first = Math.max(0, top), last = Math.min(height, top + rows);
      for (let x = 0; x < wide; x++) {
        const left = x * right - before;
        visit(y * wide + x, top, left, first, last, Math.max(0, left), Math.min(width, left + columns));
      }
    }
  }

  function conv2d(values, step) {
    const [count, rows, columns, depth] = shapes[step.inputs[1]], shape = shapes[step.inputs[0]], [, , width] = shape;
    const [from, filters, bias = new Float32Array(count)] = step.inputs.map((name) => values[name]);
    const to = new Float32Array(count * shapes[step.output][1] * shapes[step.output][2]);
    windows(shape, shapes[step.output], [rows, columns], step.strides, (at, top, left, first, last, start, end) => {
      const run = (end - start) * depth, next = rows * columns * depth;
      for (let filter = 0; filter < count; filter += 4) {  // four at once wait less for each other
        let p = bias[filter], q = bias[filter + 1], r = bias[filter + 2], s = bias[filter + 3];
        for (let y = first; y < last; y++) {
          let a = (y * width + start) * depth, b = ((filter * rows + y - top) * columns + start - left) * depth;
          for (const stop = a + run; a < stop; a++, b++) {
            const value = from[a];
            p += value * filters[b];
            q += value * filters[b + next];
            r += value * filters[b + 2 * next];
            s += value * filters[b + 3 * next];
          }
        }
        const i = at * count + filter, sums = [p, q, r, s];
        for (let n = 0; n < 4 && filter + n < count; n++) to[i + n] = sums[n];
      }
    });
    return to;
  }

  function depthwise(values, step) {
    const [, rows, columns, depth] = shapes[step.inputs[1]], shape = shapes[step.inputs[0]], [, , width] = shape;
    const [from, filters, bias = new Float32Array(depth)] = step.inputs.map((name) => values[name]);
    const to = new Float32Array(depth * shapes[step.output][1] * shapes[step.output][2]);
    windows(shape, shapes[step.output], [rows, columns], step.strides, (at, top, left, first, last, start, end) => {
      for (let channel = 0; channel < depth; channel++) {
        let sum = bias[channel];
        for (let y = first; y < last; y++) for (let x = start; x < end; x++) {
          sum += from[(y * width + x) * depth + channel] * filters[((y - top) * columns + x - left) * depth + channel];
        }
        to[at * depth + channel] = sum;
      }
    });
    return to;
  }

  const pool = (begin, add, end) => (values, step) => {
    const from = values[step.inputs[0]], shape = shapes[step.inputs[0]], [, , width, depth] = shape;
    const to = new Float32Array(depth * shapes[step.output][1] * shapes[step.output][2]);
    windows(shape, shapes[step.output], step.window, step.strides, (at, top, left, first, last, start, stop) => {
      for (let channel = 0; channel < depth; channel++) {
        let pooled = begin;
        for (let y = first; y < last; y++) for (let x = start; x < stop; x++) {
          pooled = add(pooled, from[(y * width + x) * depth + channel]);
        }
        to[at * depth + channel] = end(pooled, (last - first) * (stop - start));
      }
    });
    return to;
  };

  function dense(values, step) {
    const [from, filters, bias = []] = step.inputs.map((name) => values[name]), count = from.length;
    return Float32Array.from({ length: filters.length / count }, (_, unit) => {
      let sum = bias[unit] ?? 0;
      for (let i = 0; i < count; i++) sum += from[i] * filters[unit * count + i];
      return sum;
    });
  }

  function mean(values, step) {
    const from = values[step.inputs[0]], depth = shapes[step.inputs[0]].at(-1), to = new Float32Array(depth);
    from.forEach((value, i) => { to[i % depth] += value * depth / from.length; });
    return to;
  }

  const pairs = (combine) => (values, step) => {
    const [first, second] = step.inputs.map((name) => values[name]);
    return Float32Array.from({ length: Math.max(first.length, second.length) },
      (_, i) => combine(first[i % first.length], second[i % second.length]));
  };
  const single = (change) => (values, step) => values[step.inputs[0]].map((value) => change(value));

  const OPERATIONS = {
    CONV_2D: conv2d, DEPTHWISE_CONV_2D: depthwise, FULLY_CONNECTED: dense, MEAN: mean,
    MAX_POOL_2D: pool(-Infinity, Math.max, (value) => value),
    AVERAGE_POOL_2D: pool(0, (sum, value) => sum + value, (sum, count) => sum / count),
    ADD: pairs((a, b) => a + b), SUB: pairs((a, b) => a - b), MUL: pairs((a, b) => a * b),
    RESHAPE: single((x) => x), RELU: single((x) => Math.max(0, x)), TANH: single(Math.tanh),
    LOGISTIC: single((x) => 1 / (1 + Math.exp(-x))), NEG: single((x) => -x), EXP: single(Math.exp), LOG: single(Math.log),
  };

  // pixels: 784, 0–255. Returns ten logits.
  return (pixels) => {
    const values = Object.fromEntries(known);
    values[input] = Float32Array.from(pixels);
    for (const step of steps) {
      const result = OPERATIONS[step.operation](values, step);
      values[step.output] = step.relu ? result.map((value) => Math.max(0, value)) : result;
    }
    return values[output];
  };
}
