// The network on the server, for browsers without WebGPU: exact results on
// request, and while the slider is dragged a blend of exact ones, made here.

import {cut, contains} from './tiles.js';
import {crop} from '../pictures.js';
import {scaled} from '../resize.js';
import {mix} from '../scheduler.js';

const SIDE = 512; // of tiles, pixels
const MAX_ANCHORS = 512 * 512; // pixels of the part that is blended

/** @typedef {import('./tiles.js').Rect} Rect */

export class ServerEngine {
  kind = 'server';
  sends = true; // files
  spent = null; // what the last part took
  sweepPixels = 512 * 512;
  #base;
  #nodes;
  #coefficients;
  #image = null;
  #model = '';
  #scale = 1;
  #picture = null;
  #file = null;
  #anchors = null;
  #abort = new AbortController();

  /**
   * @param {{nodes: number, coefficients: number[][][]}} preview  of the cubic
   *     spline through the anchors, see engine/preview.py
   * @param {URL} base  of the API
   */
  constructor({nodes, coefficients}, base) {
    this.#nodes = nodes;
    this.#coefficients = coefficients;
    this.#base = base;
  }

  async load(model) {
    return model.name;
  }

  /**
   * Sends a picture.
   *
   * @param {string} model  its name
   * @param {import('../pictures.js').Picture} picture  the network's input
   * @param {{file: Blob, plain?: () => Promise<Blob>, scale: number,
   *     outdated: () => boolean}} given  the picture, or what it is enlarged
   *     from, by `scale`; the same as the page sees it; whether the page wants
   *     another by now
   */
  async open(model, picture, {file, plain, scale, outdated}) {
    this.#forget();
    let [sent, image] = [file, await this.#send(file)];
    const same = (side) => scaled(image[side], scale) === picture[side];
    if (plain && !(same('width') && same('height'))) {
      // The browser turns it in another way than the server.
      this.#drop(image.id);
      sent = await plain();
      image = await this.#send(sent);
    }
    if (outdated()) {
      this.#drop(image.id);
      return;
    }
    if (this.#image) this.#drop(this.#image);
    this.#forget();
    this.#model = model;
    this.#image = image.id;
    this.#file = sent;
    this.#scale = scale;
    this.#picture = picture;
  }

  async #send(file) {
    return (await this.#call('POST', 'images', file)).json();
  }

  #drop(id) {
    this.#call('DELETE', `images/${id}`).catch(() => {});
  }

  /** Asks about the picture; a server that has forgotten it is sent it again. */
  async #ask(what, wish) {
    const ask = () => this.#call('POST', `images/${this.#image}/${what}`, wish);
    try {
      return await ask();
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#image = (await this.#send(this.#file)).id;
      return ask();
    }
  }

  tiles(rect) {
    return cut(rect, SIDE);
  }

  async restore(tile, strength) {
    const began = performance.now();
    const [result] = await this.sweep(tile, [strength]);
    const {width, height} = tile;
    this.spent = {width, height, milliseconds: performance.now() - began};
    return result;
  }

  /** A part at several strengths: RGBA each. */
  async sweep(rect, strengths) {
    const picture = this.#picture;
    const answer = await this.#ask('sweep', {
      model: this.#model, strengths, scale: this.#scale, region: rect,
    });
    const rgb = new Uint8Array(await answer.arrayBuffer());
    const count = rect.width * rect.height;
    return strengths.map((_, i) => {
      const data = crop(picture, rect); // transparency stays
      for (let k = 0, from = 3 * i * count; k < data.length; k += 4) {
        data[k] = rgb[from++];
        data[k + 1] = rgb[from++];
        data[k + 2] = rgb[from++];
      }
      return data;
    });
  }

  /** Fetches the exact results that are blended over a part in view. */
  async prepare(view) {
    if (this.#anchors && contains(this.#anchors.rect, middle(view))) return;
    const image = this.#image;
    const rect = middle(view);
    const strengths = Array.from({length: this.#nodes},
      (_, i) => i / (this.#nodes - 1));
    const results = await this.sweep(rect, strengths);
    if (image === this.#image) this.#anchors = {rect, results};
  }

  /** The blend at a strength; null until there is something to blend. */
  preview(view, strength, brush) {
    if (!this.#anchors || !contains(this.#anchors.rect, middle(view))) {
      return null;
    }
    const {rect} = this.#anchors;
    const data = this.#blend(strength);
    if (brush) mix(data, this.#blend(brush.strength), rect, brush.mask);
    return {rect, data};
  }

  /** The whole result as a file that keeps the picture's metadata. */
  async download(strength, brush, maskFile) {
    const wish = {model: this.#model, strength, scale: this.#scale};
    if (brush) {
      wish.brush = {strength: brush.strength, mask: await base64(maskFile)};
    }
    return (await this.#ask('restore', wish)).blob();
  }

  #forget() {
    this.#anchors = null;
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  /** How much of each anchor is in the picture at a strength. */
  weights(strength) {
    const last = this.#nodes - 2;
    const i = Math.min(last, Math.floor(strength * (last + 1)));
    const d = strength - i / (last + 1);
    return this.#coefficients.reduce((sums, rows) =>
      rows[i].map((c, j) => (sums[j] ?? 0) * d + c), []);
  }

  #blend(strength) {
    const {results} = this.#anchors;
    const weights = this.weights(strength);
    const sums = new Float32Array(results[0].length);
    results.forEach((data, j) => {
      const weight = weights[j];
      if (!weight) return;
      for (let i = 0; i < sums.length; i++) sums[i] += weight * data[i];
    });
    return new Uint8ClampedArray(sums);
  }

  async #call(method, path, body) {
    const json = body && !(body instanceof Blob);
    let answer;
    try {
      answer = await fetch(new URL(path, this.#base), {
        method,
        body: json ? JSON.stringify(body) : body,
        headers: json ? {'Content-Type': 'application/json'}
          : body ? {'Content-Type': 'application/octet-stream'} : {},
        signal: method === 'DELETE' ? undefined : this.#abort.signal,
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Error('The server does not answer; is it still running?');
    }
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(
      new Error(problem.error ?? `The server answered ${answer.status}.`),
      {status: answer.status});
  }
}

/** The middle of a part, no larger than what is blended at once. */
function middle({x, y, width, height}) {
  const shrink = Math.min(1, Math.sqrt(MAX_ANCHORS / (width * height)));
  const wide = Math.max(1, Math.floor(width * shrink));
  const high = Math.max(1, Math.floor(height * shrink));
  return {x: x + ((width - wide) >> 1), y: y + ((height - high) >> 1),
    width: wide, height: high};
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}
