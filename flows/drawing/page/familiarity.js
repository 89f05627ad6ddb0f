// How far a picture lies from all digits that the model knows, as tasks/judging/familiarity.py measures it.
function familiarityOf({ known, others }, numbers) {
  const logits = numbers.subarray(0, 10 * known), aggregates = numbers.subarray(10 * known, 59 * known);
  const outline = numbers[59 * known], distances = numbers.subarray(59 * known + 1);

  const fromNearest = (point, points) => {
    const size = point.length, squared = new Float32Array(points.length / size).map((_, n) => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += (point[i] - points[n * size + i]) ** 2;
      return sum;
    });
    const nearest = squared.sort().subarray(0, 4);
    return nearest.reduce((sum, value) => sum + Math.sqrt(value), 0) / nearest.length;
  };

  const blocks = (image) => Float32Array.from({ length: 49 }, (_, n) => {
    const first = Math.floor(n / 7) * 4 * 28 + (n % 7) * 4;
    let sum = 0;
    for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) sum += image[first + 28 * y + x];
    return sum / 16;
  });

  const length = (image) => image.reduce((sum, ink, i) => sum + (i % 28 < 27 ? Math.abs(image[i + 1] - ink) / 255 : 0)
    + (i < 27 * 28 ? Math.abs(image[i + 28] - ink) / 255 : 0), 0);

  // image: 784, 0–255. answer: ten logits, divided by the temperature.
  return (image, answer) => {
    const top = Math.max(...answer), energy = -top - Math.log(answer.reduce((sum, x) => sum + Math.exp(x - top), 0));
    const far = [fromNearest(answer, logits), fromNearest(blocks(image), aggregates),
      Math.abs(Math.log1p(length(image)) - outline), energy];
    return far.reduce((sum, distance, row) => {
      const nearer = distances.subarray(row * others, (row + 1) * others).filter((other) => other < distance).length;
      return sum - Math.log((others + 1 - nearer) / (others + 1));
    }, 0);
  };
}
