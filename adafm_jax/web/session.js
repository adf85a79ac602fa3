// What is being worked on: a picture, how it was harmed, a model, a strength.

import {PictureError, checkSize, crop, decode, draw, psnr, toBlob} from
  './pictures.js';
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
  input = null; // what the network sees
  clean = null; // what there is to compare with
  before = null; // canvases
  after = null;
  estimate = null; // a level, or null
  level = 0;
  brush = null; // {level, mask}
  sweep = null;
  // What is asked for, and what is shown: the same once all is done. Each has a
  // model, its network, the picture as it was opened, and how it is harmed.
  #wanted = {harm: {on: true, amount: 0}};
  #shown = this.#wanted;
  #models = new Map(); // and their networks, by address
  #scheduler = null;
  #choices = 0; // of models
  #loading = 0;
  #opens = 0; // of pictures
  #serial = 0;
  #idle = 0;
  #view = null;

  constructor(engine) {
    super();
    this.engine = engine;
  }

  get model() {
    return this.#shown.model ?? null;
  }

  /** The picture as it was opened, its file, and the sample that it is. */
  get original() {
    return this.#shown.original ?? null;
  }

  get harm() {
    return this.#wanted.harm;
  }

  /** Whether no picture has been asked for. */
  get empty() {
    return !this.#opens;
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

  /** Changes to another model. Of several choices the newest counts. */
  async useModel(url) {
    const choice = ++this.#choices;
    this.#loading++;
    if (!this.#models.has(url)) this.#models.set(url, this.#load(url));
    const loaded = await this.#models.get(url).catch((error) => {
      this.#models.delete(url); // the next choice may succeed
      throw error;
    }).finally(() => this.#loading--);
    if (choice !== this.#choices) return;
    const {start, end, task} = loaded.model.levels;
    const amount = task === 'dejpeg' ? end + 10
      : task === 'sr' ? end : (start + end) / 2;
    await this.#want({...loaded, harm: {...this.harm, amount}});
  }

  /**
   * Opens a picture. Of several the newest counts.
   *
   * @param {Blob | Promise<Blob>} file
   * @param {boolean} on  whether it is to be harmed first
   * @param {object} [sample]  the sample that it is
   */
  async open(file, on, sample) {
    const opening = ++this.#opens;
    const blob = await file;
    const picture = await decode(blob);
    if (opening !== this.#opens) return;
    await this.#want({original: {...picture, file: blob, sample},
      harm: {...this.harm, on}});
  }

  /** Harms the picture in another way. */
  async prepare(harm) {
    await this.#want({harm: {...this.harm, ...harm}});
  }

  async #load(url) {
    const model = await fetchModel(url);
    return {model, network: await this.engine.load(model)};
  }

  /** Brings about what is asked for; of several changes, all at once. */
  async #want(change) {
    const serial = ++this.#serial;
    const wanted = this.#wanted = {...this.#wanted, ...change};
    this.#scheduler?.stop();
    clearTimeout(this.#idle);
    if (!wanted.model && !this.#loading) throw new Error(NO_MODEL);
    if (!wanted.model) return;
    try {
      await this.#settle(wanted, serial);
    } catch (error) {
      if (serial !== this.#serial) return;
      this.#wanted = this.#shown;
      if (this.#view) this.restore(this.#view); // it was stopped
      throw error;
    }
  }

  /** Harms the picture and estimates its level; then shows it. */
  async #settle(wanted, serial) {
    const outdated = () => serial !== this.#serial;
    const {model, network, original, harm} = wanted;
    if (!original) {
      this.#shown = wanted;
      return;
    }
    const made = await harmed(original, harm, model.levels.task);
    const {input, scale} = made;
    // The engine that sends files is sent what was opened, if it can be.
    const png = (picture) => toBlob(picture, 'image/png');
    const file = this.engine.sends && (made.file ?? await png(input));
    if (outdated()) return;
    await this.engine.open(network, input, {scale, outdated, file,
      plain: made.file && (() => png(original))});
    if (outdated()) return;
    const another = original !== this.original;
    this.#shown = wanted;
    this.input = input;
    this.clean = harm.on ? original : null;
    this.estimate = made.estimate;
    this.sweep = null;
    if (this.brush && (another || this.brush.mask?.width !== input.width)) {
      this.brush = {...this.brush, mask: null};
    }
    this.before = draw(input);
    this.after = draw(input);
    const {start, end} = model.levels;
    this.level = clamp(this.estimate ?? (start + end) / 2, start, end);
    this.#schedule();
    this.#tell('input', {another});
  }

  #schedule() {
    const {after} = this;
    this.#scheduler = new Scheduler(this.engine, this.input, {
      tile: (rect, data) => {
        after.getContext('2d', {willReadFrequently: true}).putImageData(
          new ImageData(data, rect.width, rect.height), rect.x, rect.y);
        this.#tell('tile', {rect});
      },
      progress: (share, live) => this.#tell('progress', {share, live}),
      done: (wish) => this.#done(wish, after),
      failed: (error) => this.#tell('failed', {error}),
    });
  }

  /**
   * Restores at the present level; `live` while a slider is dragged. Nothing
   * while another picture or model is on its way.
   */
  restore(view, live = false) {
    clearTimeout(this.#idle);
    if (!this.#scheduler || this.#wanted !== this.#shown) return undefined;
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

  /**
   * Resolves when the whole picture is restored at the present level.
   *
   * @throws {PictureError} it was not: another came in between, or a part failed
   */
  async finish() {
    let end;
    do end = await this.restore(this.#view); while (end === 'live');
    if (end !== 'done') {
      throw new PictureError('The file was not made, since the picture is not'
        + ' wholly restored; try again.');
    }
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

  #done(wish, after) {
    this.#tell('done', {strength: wish.strength});
    this.#idle = setTimeout(async () => {
      try {
        await this.engine.prepare?.(wish.view);
        if (!this.sweep) await this.#makeSweep(after);
      } catch (error) {
        if (after === this.after && error.name !== 'AbortError') {
          this.#tell('failed', {error});
        }
      }
    }, IDLE_MS);
  }

  /** The strip and the curve: a part of the picture at many strengths. */
  async #makeSweep(after) {
    const {sweepPixels, sweepSide} = this.engine;
    const rect = sample(this.#view, sweepPixels, sweepSide);
    const {start, end} = this.model.levels;
    const levels = [start, ...this.cells, end];
    const found = await this.engine.sweep(rect,
      levels.map((level) => this.strength(level)));
    if (after !== this.after) return;
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

/** The middle of a part, of no more pixels than given, and no longer side. */
function sample({x, y, width, height}, pixels, side = Infinity) {
  const shrink = Math.min(1, Math.sqrt(pixels / (width * height)),
    side / Math.max(width, height));
  const wide = Math.max(1, Math.round(width * shrink));
  const high = Math.max(1, Math.round(height * shrink));
  return {x: x + ((width - wide) >> 1), y: y + ((height - high) >> 1),
    width: wide, height: high};
}
