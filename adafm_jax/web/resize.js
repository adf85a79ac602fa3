// MATLAB's bicubic `imresize` of RGBA pictures, as degrade/resize.py has it.

function cubic(x) {
  x = Math.abs(x);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x <= 2) return ((2.5 - 0.5 * x) * x - 4) * x + 2;
  return 0;
}

/** For each output sample: the input samples that it is made of, and weights. */
function taps(sizeIn, sizeOut, scale) {
  const squeeze = Math.min(scale, 1);
  const support = 4 / squeeze;
  return Array.from({length: sizeOut}, (_, i) => {
    const centre = (i + 0.5) / scale - 0.5;
    const first = Math.floor(centre - support / 2);
    const places = [];
    const weights = [];
    for (let j = first; j < first + Math.ceil(support) + 2; j++) {
      const weight = cubic(squeeze * (centre - j));
      if (!weight) continue;
      // Symmetric borders: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
      const folded = ((j % (2 * sizeIn)) + 2 * sizeIn) % (2 * sizeIn);
      places.push(Math.min(folded, 2 * sizeIn - 1 - folded));
      weights.push(weight);
    }
    const sum = weights.reduce((a, b) => a + b);
    return {places, weights: weights.map((weight) => weight / sum)};
  });
}

/** Resamples along one axis of planes [outer][n][inner]. */
function along(data, outer, n, inner, plan) {
  const found = new Float32Array(outer * plan.length * inner);
  for (let o = 0; o < outer; o++) {
    plan.forEach(({places, weights}, i) => {
      const to = (o * plan.length + i) * inner;
      for (let k = 0; k < places.length; k++) {
        const from = (o * n + places[k]) * inner;
        const weight = weights[k];
        for (let j = 0; j < inner; j++) found[to + j] += weight * data[from + j];
      }
    });
  }
  return found;
}

/** How many pixels `size` becomes: 50 * 1.1 is meant to be 55. */
export const scaled = (size, scale) => Math.ceil(size * scale - 1e-9);

/**
 * @param {{width: number, height: number, data: ArrayLike<number>}} image
 *     RGBA, in any unit
 * @param {number} scale  output pixels per input pixel
 * @param {{width: number, height: number}} [size]  of the result, on that grid
 * @returns {{width: number, height: number, data: Float32Array}}  neither
 *     rounded nor clipped
 */
export function imresize({width, height, data}, scale, size = {
  width: scaled(width, scale), height: scaled(height, scale),
}) {
  const tall = along(data, 1, height, 4 * width,
    taps(height, size.height, scale));
  const both = along(tall, size.height, width, 4,
    taps(width, size.width, scale));
  return {...size, data: both};
}
