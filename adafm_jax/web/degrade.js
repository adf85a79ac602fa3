// What harms a picture, made on the spot: noise, JPEG, a low resolution.

import {decode, toBlob} from './pictures.js';
import {imresize, scaled} from './resize.js';

/** @typedef {import('./pictures.js').Picture} Picture */

/** A generator of uniform numbers in (0, 1), the same ones for a seed. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (((x ^ (x >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

/** White noise of a sigma in 0..255 units, held in 8 bits as files hold it. */
export function addNoise(picture, sigma, seed = 1) {
  const draw = uniform(seed);
  const data = new Uint8ClampedArray(picture.data);
  let spare = null;
  const normal = () => { // Box and Muller
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(draw()));
    const angle = 2 * Math.PI * draw();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  for (let i = 0; i < data.length; i += 4) {
    if (picture.grey) {
      data[i] = data[i + 1] = data[i + 2] = data[i] + sigma * normal();
      continue;
    }
    for (let c = 0; c < 3; c++) data[i + c] += sigma * normal();
  }
  return {...picture, data};
}

/** The picture through the browser's own JPEG encoder. */
export async function compress(picture, quality) {
  const blob = await toBlob(picture, 'image/jpeg', quality / 100);
  return {...await decode(blob), file: blob};
}

/** Down by a factor and up again on the same grid: the authors' protocol. */
export function shrinkAndEnlarge(picture, scale) {
  const small = imresize(picture, 1 / scale);
  const {data} = imresize(small, scale, picture);
  return {...picture, data: new Uint8ClampedArray(data)};
}

/** Enlarges by bicubic, as super-resolution networks take their input. */
export function enlarge(picture, scale) {
  const {data, ...size} = imresize(picture, scale, {
    width: scaled(picture.width, scale), height: scaled(picture.height, scale),
  });
  return {...picture, ...size, data: new Uint8ClampedArray(data)};
}
