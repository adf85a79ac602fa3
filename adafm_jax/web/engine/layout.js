// Parameters in the order in which the shaders read them: matrices of four
// input by four output channels, channels filled up with zeros to fours.

// Floats, or half floats: a binding begins at a multiple of 256 bytes.
const STRIDE = 128;

const fours = (count) => Math.ceil(count / 4);

/** A buffer that grows by aligned parts. */
class Parts {
  /** @type {Float32Array[]} */
  parts = [];
  length = 0;

  /** Adds a part; returns its place, {offset, size} in floats. */
  add(part) {
    const place = {offset: this.length, size: part.length};
    this.parts.push(part);
    this.length += Math.ceil(part.length / STRIDE) * STRIDE;
    return place;
  }

  join() {
    const all = new Float32Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += Math.ceil(part.length / STRIDE) * STRIDE;
    }
    return all;
  }
}

/**
 * Lays out the weights and biases of convolutions.
 *
 * @param {import('./model.js').Model} model
 * @param {import('./layers.js').Pass[]} passes
 * @returns {{weights: Float32Array, biases: Float32Array,
 *     places: Map<string, {weights: object, biases: object}>}}
 */
export function layoutConvolutions({arch, tensors}, passes) {
  const weights = new Parts();
  const biases = new Parts();
  const places = new Map();
  for (const {layer, options} of passes) {
    if (!layer) continue;
    const bias = tensors.get(`${layer}/bias`);
    const order = outputs(bias.length, arch.features, options?.SHUFFLE);
    const kernel = tensors.get(`${layer}/kernel`);
    places.set(layer, {
      weights: weights.add(matrices(kernel, bias.length, order)),
      biases: biases.add(
        Float32Array.from(order, (channel) => bias[channel] ?? 0)),
    });
  }
  return {weights: weights.join(), biases: biases.join(), places};
}

/**
 * Which channel each output of the shader is; -1 fills up. For the pixel
 * shuffle one sub-pixel follows the other, so that four outputs are four
 * channels of one pixel: PyTorch's order has the sub-pixels innermost.
 */
function outputs(count, features, shuffle) {
  if (!shuffle) {
    return Array.from({length: 4 * fours(count)},
      (_, i) => (i < count ? i : -1));
  }
  const wide = 4 * fours(features);
  return Array.from({length: 4 * wide}, (_, i) =>
    (i % wide < features ? 4 * (i % wide) + Math.floor(i / wide) : -1));
}

/** Matrices by group of outputs, group of inputs and place in the filter. */
function matrices(kernel, count, order) {
  const inputs = kernel.length / 9 / count;
  const groups = fours(inputs);
  const all = new Float32Array(fours(order.length) * groups * 9 * 16);
  order.forEach((channel, to) => {
    if (channel < 0) return;
    for (let tap = 0; tap < 9; tap++) {
      for (let from = 0; from < inputs; from++) {
        const matrix = ((to >> 2) * groups + (from >> 2)) * 9 + tap;
        all[matrix * 16 + (from & 3) * 4 + (to & 3)] =
          kernel[(tap * inputs + from) * count + channel];
      }
    }
  });
  return all;
}

/**
 * Lays out the AdaFM layers: for each, the filter's taps and then the offset,
 * `features` channels each. All of them once for each term of the path, for
 * `modulate.wgsl`; and all terms of a layer together, for `map.wgsl`.
 *
 * @returns {{terms: Float32Array, length: number, places: Map<string, object>,
 *     layers: Float32Array, layerPlaces: Map<string, object>}}
 *     length: floats of one term
 */
export function layoutModulation({arch, tensors}, passes) {
  const wide = 4 * fours(arch.features);
  const taps = arch.kernel ** 2;
  const terms = Array.from({length: 1 + arch.bends}, () => new Parts());
  const places = new Map();
  const layers = new Parts();
  const layerPlaces = new Map();
  for (const {adafm} of passes) {
    if (!adafm) continue;
    const size = (taps + 1) * wide;
    const layer = new Float32Array(terms.length * size);
    terms.forEach((parts, term) => {
      const kind = term ? 'bend_' : '';
      const skip = term ? term - 1 : 0;
      const kernel = tensors.get(`${adafm}/${kind}kernel`);
      const bias = tensors.get(`${adafm}/${kind}bias`);
      const part = layer.subarray(term * size, (term + 1) * size);
      for (let channel = 0; channel < arch.features; channel++) {
        for (let tap = 0; tap < taps; tap++) {
          part[tap * wide + channel] =
            kernel[(skip * taps + tap) * arch.features + channel];
        }
        part[taps * wide + channel] = bias[skip * arch.features + channel];
      }
      places.set(adafm, parts.add(part));
    });
    layerPlaces.set(adafm, layers.add(layer));
  }
  const {length} = terms[0];
  const all = new Float32Array(terms.length * length);
  terms.forEach((parts, i) => all.set(parts.join(), i * length));
  return {terms: all, length, places, layers: layers.join(), layerPlaces};
}

/** Floats as half floats, rounded to the nearest, as Uint16Array. */
export function halves(floats) {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  return Uint16Array.from(floats, (value) => {
    float[0] = value;
    const sign = (bits[0] >>> 16) & 0x8000;
    const exponent = ((bits[0] >>> 23) & 255) - 112;
    if (exponent > 30) return sign | 0x7c00;
    const fraction = (bits[0] & 0x7fffff) | 0x800000;
    const shift = exponent > 0 ? 13 : 14 - exponent;
    if (shift > 24) return sign;
    const rounded = (fraction + (1 << (shift - 1)) - 1
      + ((fraction >>> shift) & 1)) >>> shift;
    // The leading bit of a normal number counts as one of its exponent.
    return sign + (exponent > 0 ? ((exponent - 1) << 10) : 0) + rounded;
  });
}
