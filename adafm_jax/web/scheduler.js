// What is restored when: the part in view first, then the rest. The newest
// wish wins; work on an older one ends with the tile it is at.

import {contains} from './engine/tiles.js';

/**
 * @typedef {object} Wish
 * @property {number} strength
 * @property {?{strength: number, mask: Mask}} brush
 * @property {import('./engine/tiles.js').Rect} view  the part that is seen
 * @property {boolean} live  while dragging: the part in view alone
 */

/** @typedef {{weights: Uint8Array, width: number, bounds: ?Rect}} Mask */

export class Scheduler {
  #wish = null;
  #running = null;
  #serial = 0;

  /**
   * @param {object} engine  see engine/gpu.js and engine/server.js
   * @param {import('./pictures.js').Picture} picture
   * @param {{tile: Function, progress: Function, done: Function,
   *     failed: Function}} report
   */
  constructor(engine, picture, report) {
    this.engine = engine;
    this.picture = picture;
    this.report = report;
  }

  /**
   * Asks for a result. Resolves when nothing more is asked for, with how that
   * ended: 'done', or 'live' with the part in view alone; undefined if it was
   * stopped or failed.
   */
  request(wish) {
    this.#wish = wish;
    this.#serial++;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  stop() {
    this.#wish = null;
    this.#serial++;
  }

  async #run() {
    let end;
    while (this.#wish) {
      const wish = this.#wish;
      this.#wish = null;
      const serial = this.#serial;
      try {
        end = await this.#serve(wish, () => serial !== this.#serial);
      } catch (error) {
        end = undefined;
        if (serial === this.#serial) this.report.failed(error);
      }
    }
    return end;
  }

  /** Returns 'done' or 'live', or undefined if it was outdated. */
  async #serve(wish, outdated) {
    const {engine, picture, report} = this;
    const preview = engine.preview?.(wish.view, wish.strength, wish.brush);
    if (preview) report.tile(preview.rect, preview.data);
    if (preview && wish.live) return 'live';
    const whole = {x: 0, y: 0, width: picture.width, height: picture.height};
    const first = engine.tiles(wish.view);
    const rest = wish.live || contains(wish.view, whole)
      ? [] : engine.tiles(whole).filter((tile) => !contains(wish.view, tile));
    const tiles = [...first, ...rest];
    for (const [i, tile] of tiles.entries()) {
      report.progress(i / tiles.length, wish.live);
      const data = await restore(engine, tile, wish);
      // While dragging, a result that is a little old is better than none.
      if (outdated() && !wish.live) return undefined;
      report.tile(tile, data);
      if (outdated()) return undefined;
    }
    if (wish.live) return 'live';
    report.done(wish);
    return 'done';
  }
}

/** A tile at its strength, and where the brush has been at the brush's. */
async function restore(engine, tile, {strength, brush, live}) {
  if (!brush || !touches(brush.mask, tile)) {
    return engine.restore(tile, strength);
  }
  // While dragging, one pass with a map of strengths in place of two.
  if (live && engine.restoreMap) {
    return engine.restoreMap(tile, strength, brush);
  }
  return mix(await engine.restore(tile, strength),
    await engine.restore(tile, brush.strength), tile, brush.mask);
}

/** Whether a mask is anywhere white in a rectangle. */
export function touches({bounds}, rect) {
  return Boolean(bounds) && bounds.x < rect.x + rect.width
    && rect.x < bounds.x + bounds.width && bounds.y < rect.y + rect.height
    && rect.y < bounds.y + bounds.height;
}

/**
 * Whole results blended, pixel by pixel, as engine/blend.py does: a map of
 * strengths inside the network shows the region's outline.
 */
export function mix(data, other, rect, {weights, width}) {
  for (let y = 0; y < rect.height; y++) {
    for (let x = 0; x < rect.width; x++) {
      const weight = weights[(rect.y + y) * width + rect.x + x] / 255;
      if (!weight) continue;
      const i = 4 * (y * rect.width + x);
      for (let c = 0; c < 3; c++) {
        data[i + c] += weight * (other[i + c] - data[i + c]);
      }
    }
  }
  return data;
}
