// The level of a picture, read off it: for the mark on the slider. A smaller
// sibling of estimate/noise.py, which has the sources; its error is tested.

const SIDE = 5;
const MOST_PATCHES = 6000;
const LOWEST = 0.125; // quantile of the eigenvalues that is the noise's
const ROUNDS = 5;
const CONFIDENCE = 0.99;

/**
 * Standard deviation of white noise, in 0..255 units: the smallest eigenvalues
 * of the covariance of patches without texture.
 *
 * @param {import('./pictures.js').Picture} picture
 * @returns {?number}  null where the picture is too small
 */
export function estimateSigma(picture) {
  const {width, height} = picture;
  const channels = picture.grey ? 1 : 3;
  const size = channels * SIDE * SIDE;
  const places = spread(width, height);
  if (places.length < 4 * size) return null;
  const patches = cutPatches(picture.data, width, channels, places)
    .filter((patch) => patch.some((value) => value > 0 && value < 255));
  if (patches.length < 4 * size) return 0;
  // Pure noise shows what chance does to texture and to small eigenvalues.
  const pure = noisePatches(Math.min(patches.length, 2000), size);
  const limit = quantile(pure.map((patch) => texture(patch, channels)),
    CONFIDENCE);
  const textures = patches.map((patch) => texture(patch, channels));
  let [chosen, sigma] = [patches, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const gains = clippingGains(chosen, channels, sigma);
    const bias = lowest(covariance(noisePatches(chosen.length, size)));
    const variance = lowest(covariance(chosen, gains)) / bias;
    const before = sigma;
    sigma = Math.min(250, Math.sqrt(Math.max(0, variance - 1 / 12)));
    if (Math.abs(sigma - before) < 0.01 * sigma) break;
    chosen = weakest(patches, textures, limit * (sigma ** 2 + 1 / 12), 8 * size);
  }
  return sigma;
}

/** Quality by the quantisation table of a JPEG file; null for other files. */
export async function readQuality(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const table = lumaTable(bytes);
  if (!table) return null;
  let [best, least] = [null, Infinity];
  for (let quality = 1; quality <= 100; quality++) {
    const scale = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
    let distance = 0;
    STANDARD.forEach((step, i) => {
      const scaled = Math.min(255, Math.max(1,
        Math.floor((step * scale + 50) / 100)));
      distance += Math.log(Math.max(1, table[i]) / scaled) ** 2;
    });
    if (distance < least) [best, least] = [quality, distance];
  }
  return best;
}

// The luma table of the JPEG standard, Annex K, in the order of files.
const STANDARD = [
  16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22,
  22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78,
  64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
  121, 112, 100, 120, 92, 101, 103, 99,
];

/** Table 0 of a JPEG file, zigzag; null where there is none. */
function lumaTable(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  let at = 2;
  while (at + 4 < bytes.length && bytes[at] === 0xff) {
    const [marker, length] = [bytes[at + 1], bytes[at + 2] * 256 + bytes[at + 3]];
    if (marker === 0xda) return null;
    let i = at + 4;
    while (marker === 0xdb && i < at + 2 + length) {
      const [wide, number] = [bytes[i] >> 4, bytes[i] & 15];
      const size = wide ? 2 : 1;
      if (number === 0) {
        return Array.from({length: 64}, (_, k) => (wide
          ? bytes[i + 1 + 2 * k] * 256 + bytes[i + 2 + 2 * k]
          : bytes[i + 1 + k]));
      }
      i += 1 + 64 * size;
    }
    at += 2 + length;
  }
  return null;
}

function spread(width, height) {
  const [wide, high] = [width - SIDE + 1, height - SIDE + 1];
  if (wide < 1 || high < 1) return [];
  const step = Math.max(1, Math.sqrt(wide * high / MOST_PATCHES));
  const places = [];
  for (let y = 0; y < high; y += step) {
    for (let x = 0; x < wide; x += step) {
      places.push([Math.floor(x), Math.floor(y)]);
    }
  }
  return places;
}

function cutPatches(data, width, channels, places) {
  return places.map(([left, top]) => {
    const patch = new Float32Array(channels * SIDE * SIDE);
    let i = 0;
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) {
          patch[i++] = data[4 * ((top + y) * width + left + x) + c];
        }
      }
    }
    return patch;
  });
}

const pools = new Map();

/** Patches of unit noise, the same ones each time. */
function noisePatches(count, size) {
  if (!pools.has(size)) pools.set(size, {state: 1, patches: []});
  const pool = pools.get(size);
  const draw = () => {
    pool.state = (Math.imul(pool.state, 1664525) + 1013904223) >>> 0;
    return (pool.state + 0.5) / 4294967296;
  };
  while (pool.patches.length < count) {
    pool.patches.push(Float32Array.from({length: size}, () =>
      Math.sqrt(-2 * Math.log(draw())) * Math.cos(2 * Math.PI * draw())));
  }
  return pool.patches.slice(0, count);
}

/** Variance inside a patch, blurred over 2 x 2 pixels and all channels. */
function texture(patch, channels) {
  const grey = new Float32Array(SIDE * SIDE);
  patch.forEach((value, i) => {
    grey[i % (SIDE * SIDE)] += value / channels;
  });
  let [sum, square] = [0, 0];
  const count = (SIDE - 1) ** 2;
  for (let y = 1; y < SIDE; y++) {
    for (let x = 1; x < SIDE; x++) {
      const i = y * SIDE + x;
      const mean = (grey[i] + grey[i - 1] + grey[i - SIDE] + grey[i - SIDE - 1])
        / 4;
      sum += mean;
      square += mean * mean;
    }
  }
  return square / count - (sum / count) ** 2;
}

function weakest(patches, textures, limit, least) {
  const order = Array.from(patches.keys())
    .sort((a, b) => textures[a] - textures[b]);
  const few = textures.filter((value) => value <= limit).length;
  const count = Math.max(few, Math.min(least, patches.length));
  return order.slice(0, count).map((i) => patches[i]);
}

function covariance(patches, gains = null) {
  const size = patches[0].length;
  const means = new Float64Array(size);
  for (const patch of patches) {
    for (let i = 0; i < size; i++) means[i] += patch[i] / patches.length;
  }
  const sums = Array.from({length: size}, () => new Float64Array(size));
  const centred = new Float64Array(size);
  for (const patch of patches) {
    for (let i = 0; i < size; i++) centred[i] = patch[i] - means[i];
    for (let i = 0; i < size; i++) {
      const [row, value] = [sums[i], centred[i]];
      for (let j = 0; j <= i; j++) row[j] += value * centred[j];
    }
  }
  const scale = (i) => (gains ? Math.sqrt(gains[Math.floor(i / SIDE ** 2)]) : 1);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      sums[i][j] /= patches.length * scale(i) * scale(j);
      sums[j][i] = sums[i][j];
    }
  }
  return sums;
}

/** A low quantile of a symmetric matrix's eigenvalues. */
function lowest(matrix) {
  return quantile(eigenvalues(matrix), LOWEST);
}

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at % 1);
}

/** Jacobi's rotations, until little is left off the diagonal. */
function eigenvalues(a) {
  const n = a.length;
  for (let sweep = 0; sweep < 12; sweep++) {
    let [off, all] = [0, 0];
    for (let i = 0; i < n; i++) {
      all += a[i][i] ** 2;
      for (let j = 0; j < i; j++) off += a[i][j] ** 2;
    }
    if (off < 1e-8 * all) break;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = Math.sign(theta || 1)
          / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k][p], a[k][q]];
          a[k][p] = c * x - s * y;
          a[k][q] = s * x + c * y;
        }
        const [rowP, rowQ] = [a[p], a[q]];
        for (let k = 0; k < n; k++) {
          const [x, y] = [rowP[k], rowQ[k]];
          rowP[k] = c * x - s * y;
          rowQ[k] = s * x + c * y;
        }
      }
    }
  }
  return a.map((row, i) => row[i]);
}

/** What clipping to 0..255 leaves of the noise's variance in each channel. */
function clippingGains(patches, channels, sigma) {
  if (sigma <= 0) return Array(channels).fill(1);
  const [means, left] = [[], []];
  for (let i = 0; i < 256; i++) {
    const [mean, variance] = clippedMoments(-510 + i * 5, sigma);
    means.push(mean);
    left.push(variance / sigma ** 2);
  }
  const area = SIDE * SIDE;
  return Array.from({length: channels}, (_, c) => {
    let sum = 0;
    for (const patch of patches) {
      let mean = 0;
      for (let i = c * area; i < (c + 1) * area; i++) mean += patch[i] / area;
      sum += interpolate(mean, means, left);
    }
    return Math.max(0.02, sum / patches.length);
  });
}

function interpolate(x, xs, ys) {
  let [low, high] = [0, xs.length - 1];
  if (x <= xs[low]) return ys[low];
  if (x >= xs[high]) return ys[high];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / (xs[high] - xs[low]);
}

/** Mean and variance of N(value, sigma^2), clipped to 0..255. */
function clippedMoments(value, sigma) {
  const [low, high] = [-value / sigma, (255 - value) / sigma];
  const inside = normal(high) - normal(low);
  const above = 1 - normal(high);
  const density = (z) => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  const [atLow, atHigh] = [density(low), density(high)];
  const mean = value * inside + sigma * (atLow - atHigh) + 255 * above;
  const square = (value ** 2 + sigma ** 2) * inside + 255 ** 2 * above
    + 2 * value * sigma * (atLow - atHigh)
    + sigma ** 2 * (low * atLow - high * atHigh);
  return [mean, Math.max(0, square - mean ** 2)];
}

/** The normal distribution (Abramowitz and Stegun 7.1.26, error 1e-7). */
function normal(z) {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
    + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x) / 2;
  return z < 0 ? tail : 1 - tail;
}
