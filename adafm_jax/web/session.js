// What is being worked on: a picture, how it was harmed, a model, a strength.

import {checkSize, crop, decode, draw, psnr, toBlob} from './pictures.js';
import {addNoise, compress, enlarge, shrinkAndEnlarge} from './degrade.js';
import {estimateSigma, readQuality} from './estimate.js';
import {parse, strengthOf} from './engine/model.js';
import {scaled} from './resize.js';
import {Scheduler} from './scheduler.js';

const CELLS = 9; // of the strip
const IDLE_MS = 250; // of stillness before the strip is made
const NO_MODEL = 'The model did not load; reload the page.';

/**
 * Events: 'input' (another picture or level of harm: before and after change),
 * 'tile' (a part is restored), 'done', 'sweep', 'progress' and 'failed'.
 */
export class Session extends EventTarget {
  model = null;
  original = null; // the picture as it was opened, and its file
  input = null; // what the network sees
  clean = null; // what there is to compare with
  before = null; // canvases
  after = null;
  estimate = null; // a level, or null
  level = 0;
  brush = null; // {level, mask}
  sweep = null;
  harm = {on: true, amount: 0};
  #models = new Map();
  #scheduler = null;
  #serial = 0;
  #idle = 0;
  #view = null;

  constructor(engine) {
    super();
    this.engine = engine;
  }

  get luma() {
    return this.model.levels.task !== 'denoise';
  }

  /** Levels at which the strip shows the picture, weakest first. */
  get cells() {
    const {start, end, whole} = this.model.levels;
    return Array.from({length: CELLS}, (_, i) => {
      const level = start + (i + 0.5) / CELLS * (end - start);
      return whole ? Math.round(level) : level;
    });
  }

  /** The strength at a level, for the picture that is open. */
  strength(level) {
    const {start, end, task} = this.model.levels;
    const grey = task === 'denoise' && this.input?.grey
      && this.model.arch.channels === 3;
    // Three equal channels carry equal noise, see restore/setting.py.
    const [low, high] = [Math.min(start, end), Math.max(start, end)];
    const wanted = grey ? Math.min(high, Math.max(low, Math.sqrt(3) * level))
      : level;
    return strengthOf(this.model, wanted);
  }

  async useModel(url) {
    const serial = ++this.#serial;
    if (!this.#models.has(url)) this.#models.set(url, fetchModel(url));
    const model = await this.#models.get(url);
    if (serial !== this.#serial) return;
    this.#scheduler?.stop();
    const {start, end, task} = model.levels;
    this.harm = {...this.harm, amount: task === 'dejpeg' ? end + 10
      : task === 'sr' ? end : (start + end) / 2};
    await this.engine.load(model);
    if (serial !== this.#serial) return;
    this.model = model;
    if (this.original) await this.prepare();
  }

  /** Opens a file; `harm` says whether it is to be harmed first. */
  async open(file, harm) {
    if (!this.model) throw new Error(NO_MODEL);
    const serial = ++this.#serial;
    const picture = await decode(file);
    if (serial !== this.#serial) return;
    this.original = {...picture, file};
    this.harm = {...this.harm, on: harm};
    await this.prepare();
  }

  /** Harms the picture and estimates its level; then restores it there. */
  async prepare() {
    const serial = ++this.#serial;
    this.#scheduler?.stop();
    clearTimeout(this.#idle);
    const made = await harmed(this.original, this.harm, this.model.levels.task);
    if (serial !== this.#serial) return;
    const {input, file, scale} = made;
    await this.engine.open(input, file ?? await toBlob(input, 'image/png'),
      scale);
    if (serial !== this.#serial) return;
    this.input = input;
    this.clean = this.harm.on ? this.original : null;
    this.estimate = made.estimate;
    this.sweep = null;
    if (this.brush && this.brush.mask?.width !== input.width) {
      this.brush = {...this.brush, mask: null};
    }
    this.before = draw(input);
    this.after = draw(input);
    const {start, end} = this.model.levels;
    const middle = (start + end) / 2;
    this.level = clamp(this.estimate ?? middle, start, end);
    this.#scheduler = new Scheduler(this.engine, input, {
      tile: (rect, data) => this.#tile(rect, data),
      progress: (share, live) => this.#tell('progress', {share, live}),
      done: (wish) => this.#done(wish, serial),
      failed: (error) => this.#tell('failed', {error}),
    });
    this.#tell('input');
  }

  /** Restores at the present level; `live` while a slider is dragged. */
  restore(view, live = false) {
    clearTimeout(this.#idle);
    if (!this.#scheduler) return undefined;
    this.#view = view;
    const strength = this.strength(this.level);
    return this.#scheduler.request(
      {strength, brush: this.#brushWish(), view, live});
  }

  #brushWish() {
    return this.brush?.mask?.bounds
      ? {strength: this.strength(this.brush.level), mask: this.brush.mask}
      : null;
  }

  /** Resolves when the whole picture is restored at the present level. */
  finish() {
    return this.restore(this.#view);
  }

  /** The result as a PNG file; from the server it keeps the metadata. */
  async result(maskCanvas) {
    if (!this.engine.download) return toBlob(this.after, 'image/png');
    const brush = this.#brushWish();
    return this.engine.download(this.strength(this.level), brush,
      brush && await toBlob(maskCanvas, 'image/png'));
  }

  /** PSNR in dB of the input and of the result; null without an original. */
  scores() {
    if (!this.clean) return null;
    const {data} = this.after.getContext('2d', {willReadFrequently: true})
      .getImageData(0, 0, this.after.width, this.after.height);
    return {input: psnr(this.input.data, this.clean.data, this.luma),
      output: psnr(data, this.clean.data, this.luma)};
  }

  #tile(rect, data) {
    this.after.getContext('2d', {willReadFrequently: true}).putImageData(
      new ImageData(data, rect.width, rect.height), rect.x, rect.y);
    this.#tell('tile', {rect});
  }

  #done(wish, serial) {
    this.#tell('done', {strength: wish.strength});
    this.#idle = setTimeout(async () => {
      try {
        await this.engine.prepare?.(wish.view);
        if (!this.sweep) await this.#makeSweep(serial);
      } catch (error) {
        if (serial === this.#serial && error.name !== 'AbortError') {
          this.#tell('failed', {error});
        }
      }
    }, IDLE_MS);
  }

  /** The strip and the curve: a part of the picture at many strengths. */
  async #makeSweep(serial) {
    const rect = sample(this.#view, this.engine.sweepPixels);
    const {start, end} = this.model.levels;
    const levels = [start, ...this.cells, end];
    const found = await this.engine.sweep(rect,
      levels.map((level) => this.strength(level)));
    if (serial !== this.#serial) return;
    const clean = this.clean && crop(this.clean, rect);
    this.sweep = {levels, rect, results: found,
      scores: clean && found.map((data) => psnr(data, clean, this.luma))};
    this.#tell('sweep');
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }
}

async function fetchModel(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(NO_MODEL);
  return parse(await answer.arrayBuffer());
}

/** The network's input, its level, and the file that the server is sent. */
async function harmed(original, {on, amount}, task) {
  if (task === 'sr') {
    if (on) {
      return {input: shrinkAndEnlarge(original, amount), estimate: amount,
        scale: 1};
    }
    checkSize(scaled(original.width, amount), scaled(original.height, amount));
    return {input: enlarge(original, amount), estimate: amount, scale: amount,
      file: original.file};
  }
  const file = on ? undefined : original.file;
  if (task === 'dejpeg') {
    const input = on ? await compress(original, amount) : original;
    return {input, estimate: await readQuality(input.file), scale: 1,
      file: on ? undefined : file};
  }
  const input = on ? addNoise(original, amount) : original;
  return {input, estimate: estimateSigma(input), scale: 1, file};
}

export function clamp(value, start, end) {
  const [low, high] = [Math.min(start, end), Math.max(start, end)];
  return Math.min(high, Math.max(low, value));
}

/** The middle of a part, of no more pixels than given. */
function sample({x, y, width, height}, pixels) {
  const shrink = Math.min(1, Math.sqrt(pixels / (width * height)));
  const wide = Math.max(1, Math.round(width * shrink));
  const high = Math.max(1, Math.round(height * shrink));
  return {x: x + ((width - wide) >> 1), y: y + ((height - high) >> 1),
    width: wide, height: high};
}
