// Restores pixels with an exported model, in node or in a browser.
//
//   adafm export denoise.onnx -m denoise
//   npm install onnxruntime-web
//   node restore.mjs denoise.onnx HEIGHT WIDTH 0.4 < rgb.raw > restored.raw
import { readFileSync, writeFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';

// `pixels`: Uint8Array of HEIGHT x WIDTH x 3, RGB, row by row.
export async function restore(session, pixels, height, width, strength) {
  const area = height * width;
  const planes = new Float32Array(3 * area);
  pixels.forEach((value, i) => (planes[(i % 3) * area + Math.floor(i / 3)] = value / 255));
  const { output } = await session.run({
    input: new ort.Tensor('float32', planes, [1, 3, height, width]),
    strength: new ort.Tensor('float32', [strength], [1]),
  });
  const value = (i) => output.data[(i % 3) * area + Math.floor(i / 3)];
  return Uint8ClampedArray.from(pixels, (_, i) => Math.round(value(i) * 255));
}

const [model, height, width, strength] = process.argv.slice(2);
const session = await ort.InferenceSession.create(readFileSync(model));
const pixels = new Uint8Array(readFileSync(0));
writeFileSync(1, await restore(session, pixels, +height, +width, +strength));
