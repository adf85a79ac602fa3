// A model as the exporter wrote it: a safetensors file whose metadata hold the
// header: sizes, levels, the curve from level to strength.

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {object} arch  features, blocks, channels, kernel, placement, path
 *     and bends, as in models/architecture.py
 * @property {{task: string, start: number, end: number, unit: string,
 *     prefix: string, whole: boolean}} levels
 * @property {?object} curve  see model_file/curve.py; null: straight
 * @property {Map<string, Float32Array>} tensors
 */

/**
 * @param {ArrayBuffer} file
 * @returns {Model}
 */
export function parse(file) {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(file, 8, length));
  const {__metadata__: metadata, ...entries} = JSON.parse(text);
  const tensors = new Map();
  for (const [name, {dtype, data_offsets: [begin, end]}] of
      Object.entries(entries)) {
    const bytes = file.slice(8 + length + begin, 8 + length + end);
    tensors.set(name, dtype === 'F16' ? widen(bytes) : new Float32Array(bytes));
  }
  return {...JSON.parse(metadata.adafm), tensors};
}

/** Half floats as floats; finite ones, as the exporter checks. */
function widen(bytes) {
  return Float32Array.from(new Uint16Array(bytes), (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    return exponent
      ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
      : sign * 2 ** -24 * fraction;
  });
}

/** Factors on the end level's filters and on each bend, at a strength. */
export function pathFactors({path, bends}, strength) {
  const found = [strength];
  for (let j = 0; j < bends; j++) {
    found.push(path === 'hats'
      ? Math.max(0, 1 - Math.abs(strength * (bends + 1) - j - 1))
      : strength * (1 - strength) * strength ** j);
  }
  return found;
}

/** The strength, from 0 to 1, that serves a level in the model's range. */
export function strengthOf({levels, curve}, level) {
  const {start, end} = levels;
  const position = (x) => Math.min(1, Math.max(0, (x - start) / (end - start)));
  const t = position(level);
  if (!curve || t === 0 || t === 1) return t;
  let value;
  if (curve.kind === 'polynomial') {
    value = curve.coefficients.reduceRight((sum, c) => sum * t + c, 0);
  } else {
    const xs = [0, ...curve.levels.map(position), 1];
    const ys = [0, ...curve.coefficients, 1];
    // The last knot that is not beyond t; several may share a place.
    const i = xs.findLastIndex((x, at) => x <= t && at < xs.length - 1);
    const share = (t - xs[i]) / (xs[i + 1] - xs[i]);
    value = ys[i] + share * (ys[i + 1] - ys[i]);
  }
  return Math.min(1, Math.max(0, value));
}
