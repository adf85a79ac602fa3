// Pictures as the page holds them: 8 bits of red, green, blue and alpha.

export const MAX_PIXELS = 24e6;
const MAX_BYTES = 60e6;

/**
 * @typedef {object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray} data  RGBA, straight alpha
 * @property {boolean} grey  whether red, green and blue are equal everywhere
 */

/** A mistake that the page shows in a sentence. */
export class PictureError extends Error {}

/**
 * Decodes an image file, upright and in sRGB.
 *
 * @param {Blob} file
 * @returns {Promise<Picture>}
 * @throws {PictureError} it is too large, or no image that the browser knows
 */
export async function decode(file) {
  if (file.size > MAX_BYTES) {
    throw new PictureError(`This file has ${megas(file.size)} MB; up to`
      + ` ${megas(MAX_BYTES)} MB can be opened.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new PictureError('This file is no picture that the browser can open;'
      + ' give a JPEG, PNG or WebP file.');
  }
  const {width, height} = bitmap;
  try {
    checkSize(width, height);
    const context = canvasOf(width, height).getContext('2d',
      {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    const {data} = context.getImageData(0, 0, width, height);
    return {width, height, data, grey: isGrey(data)};
  } finally {
    bitmap.close();
  }
}

/** @throws {PictureError} more pixels than the page works on */
export function checkSize(width, height) {
  if (width * height > MAX_PIXELS) {
    throw new PictureError(`The picture would have ${width} × ${height} pixels,`
      + ` ${megas(width * height)} million; up to ${megas(MAX_PIXELS)} million`
      + ' can be restored here.');
  }
}

const megas = (n) => (n / 1e6).toLocaleString('en', {maximumFractionDigits: 1});

function isGrey(data) {
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

/** A canvas that is not on the page. */
export function canvasOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** A canvas that shows a picture. */
export function draw({width, height, data}) {
  const canvas = canvasOf(width, height);
  canvas.getContext('2d', {willReadFrequently: true})
    .putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

/** A picture, or a canvas, as a file. */
export function toBlob(source, type, quality) {
  const canvas = source instanceof HTMLCanvasElement ? source : draw(source);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob)
      : reject(new PictureError('The browser could not write the picture.'))),
    type, quality);
  });
}

/** The part of a picture in a rectangle, RGBA. */
export function crop({width, data}, rect) {
  const part = new Uint8ClampedArray(4 * rect.width * rect.height);
  for (let y = 0; y < rect.height; y++) {
    const from = 4 * ((rect.y + y) * width + rect.x);
    part.set(data.subarray(from, from + 4 * rect.width), 4 * y * rect.width);
  }
  return part;
}

/**
 * Peak signal-to-noise ratio in dB of RGBA pixels against others.
 *
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {boolean} luma  of MATLAB's Y, as for JPEG and enlarging, or of RGB
 */
export function psnr(a, b, luma) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 4) {
    const [red, green, blue] = [
      a[i] - b[i], a[i + 1] - b[i + 1], a[i + 2] - b[i + 2]];
    sum += luma
      ? ((65.481 * red + 128.553 * green + 24.966 * blue) / 255) ** 2
      : (red * red + green * green + blue * blue) / 3;
  }
  // As evaluate/metrics.py: equal pictures have 100 dB.
  return Math.min(100, 10 * Math.log10(255 ** 2 / (sum / (a.length / 4))));
}
