// The network in WebGPU. Weights go to the device once, and so do a photograph
// and a brushed region; moving a slider sends the few factors of a strength, 32
// bytes, and 80 of the tile.

import {passes, halo} from './layers.js';
import {halves, layoutConvolutions, layoutModulation} from './layout.js';
import {pathFactors} from './model.js';
import {Pipelines} from './pipelines.js';
import {Stopwatch} from './stopwatch.js';
import {around, cut} from './tiles.js';

const {STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ} =
  globalThis.GPUBufferUsage ?? {};
const FRAME_BYTES = 80;
// Of a tile and its surroundings, pixels: with 32 features, 118 MB a map.
const MAX_SIDE = 960;
// Buffers that grow with a tile, or hold the photograph.
const LARGE = ['skip', 'x', 'z', 'y', 'wide', 'hidden', 'pixels', 'spread',
  'photo', 'mask'];

/** A model on the device. */
export class GpuNetwork {
  /**
   * Compiles the network.
   *
   * @param {GPUDevice} device
   * @param {Record<string, string>} shaders
   * @param {import('./model.js').Model} model
   * @param {{half?: boolean}} [options]  half: features and weights in float16
   * @returns {Promise<GpuNetwork>}
   */
  static async create(device, shaders, model, {half = false} = {}) {
    const made = new GpuNetwork(device, shaders, model, half);
    made.#single = await made.#pipelines.compile(made.#passes, false);
    return made;
  }

  #device;
  #arch;
  #half;
  #passes;
  #halo;
  #border;
  #groups;
  #buffers = {};
  #pipelines;
  #single;
  #map = null; // compiled when it is first needed
  #bound = {}; // steps, by whether strength is a map
  #size = '';
  #photo = null;
  #mask = null;
  #watch;

  constructor(device, shaders, model, half) {
    this.#device = device;
    this.#arch = model.arch;
    this.#half = half;
    this.#pipelines = new Pipelines(device, shaders, model.arch, half);
    this.#watch = new Stopwatch(device);
    this.#passes = passes(model.arch);
    this.#halo = halo(model.arch);
    this.#border = Math.max(1, model.arch.kernel >> 1);
    this.#groups = Math.ceil(model.arch.features / 4);
    const conv = layoutConvolutions(model, this.#passes);
    this.#buffers.weights = this.#upload(
      half ? halves(conv.weights) : conv.weights, STORAGE);
    this.#buffers.biases = this.#upload(conv.biases, STORAGE);
    this.places = conv.places;
    this.#buffers.frame = this.#empty(FRAME_BYTES, UNIFORM | COPY_DST);
    this.#buffers.factors = this.#empty(32, UNIFORM | COPY_DST);
    if (model.arch.kernel) {
      const adafm = layoutModulation(model, this.#passes);
      this.#buffers.terms = this.#upload(adafm.terms, STORAGE);
      this.#buffers.modulation = this.#empty(4 * adafm.length, STORAGE);
      this.#buffers.layers = this.#upload(adafm.layers, STORAGE);
      this.modulation = adafm;
    }
  }

  /** What the last tile took, see `Stopwatch`. */
  get spent() {
    return this.#watch.spent;
  }

  /**
   * Sends a photograph to the device.
   *
   * @param {{width: number, height: number, data: Uint8ClampedArray,
   *     grey?: boolean}} photo  RGBA
   */
  setPhoto(photo) {
    this.#buffers.photo?.destroy();
    this.#buffers.photo = this.#upload(photo.data, STORAGE);
    this.#photo = photo;
    this.#mask = null;
    this.#bound = {};
  }

  /** Most pixels of a tile's side. */
  get side() {
    // The largest map must be bound as a whole.
    const {maxStorageBufferBindingSize: bytes} = this.#device.limits;
    const pixels = bytes / (this.#groups * (this.#half ? 8 : 16));
    const side = Math.min(MAX_SIDE, Math.floor(Math.sqrt(pixels)) - 16);
    return side - 2 * this.#halo;
  }

  /** The tiles that a region is restored in, the middle first. */
  tiles(rect) {
    return cut(rect, this.side);
  }

  /**
   * Restores one tile.
   *
   * @param {import('./tiles.js').Rect} tile  one of `tiles`
   * @param {number} strength  from 0 to 1
   * @returns {Promise<Uint8ClampedArray>} RGBA
   */
  restore(tile, strength) {
    return this.#run(tile, pathFactors(this.#arch, strength), false);
  }

  /**
   * Restores one tile with a map of strengths, in one pass: `strength` where
   * the mask is 0, the brush's where it is 255, and in between between them.
   *
   * @param {import('./tiles.js').Rect} tile  one of `tiles`
   * @param {number} strength  from 0 to 1
   * @param {{strength: number, mask: {weights: Uint8Array}}} brush  its mask
   *     has a byte for each pixel of the photograph
   * @returns {Promise<Uint8ClampedArray>} RGBA
   */
  async restoreMap(tile, strength, {strength: other, mask}) {
    if (!this.#arch.kernel) return this.restore(tile, strength);
    this.#map ??= await this.#pipelines.compile(this.#passes, true);
    if (mask !== this.#mask) {
      this.#buffers.mask?.destroy();
      this.#buffers.mask = this.#upload(mask.weights, STORAGE);
      this.#mask = mask;
      this.#bound = {};
    }
    return this.#run(tile, [strength, other], true);
  }

  /** Gives up the large buffers, while another model is used. */
  rest() {
    for (const name of LARGE) {
      this.#buffers[name]?.destroy();
      delete this.#buffers[name];
    }
    this.#size = '';
    this.#bound = {};
    this.#mask = null;
  }

  destroy() {
    for (const buffer of Object.values(this.#buffers)) buffer.destroy();
    this.#watch.destroy();
  }

  async #run(tile, values, map) {
    const whole = around(tile, this.#halo, this.#photo);
    // Without these, what the device can't do gives black.
    const kinds = ['out-of-memory', 'validation'];
    for (const kind of kinds) this.#device.pushErrorScope(kind);
    const encoder = this.#device.createCommandEncoder();
    this.#resize(encoder, whole);
    this.#writeFrame(whole, tile);
    const factors = new Float32Array(8);
    factors.set(values);
    this.#device.queue.writeBuffer(this.#buffers.factors, 0, factors);
    this.#encode(encoder, whole, map);
    const bytes = 4 * tile.width * tile.height;
    const staging = this.#empty(bytes, MAP_READ | COPY_DST);
    encoder.copyBufferToBuffer(this.#buffers.pixels, 0, staging, 0, bytes);
    const stop = this.#watch.start(encoder);
    this.#device.queue.submit([encoder.finish()]);
    try {
      const [, ...problems] = await Promise.all([
        staging.mapAsync(GPUMapMode.READ),
        ...kinds.map(() => this.#device.popErrorScope()),
      ]);
      const problem = problems.find(Boolean);
      if (problem) {
        throw new Error('The graphics device cannot hold this picture:'
          + ` ${problem.message}`);
      }
      await stop(tile);
      return new Uint8ClampedArray(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }

  #encode(encoder, {width, height}, map) {
    this.#bound[map] ??= this.#bind(map);
    let pass = encoder.beginComputePass(this.#watch.first);
    for (const {pipeline, group, workgroups, copy} of this.#bound[map]) {
      if (copy) {
        pass.end();
        const [from, to] = copy;
        encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
        pass = encoder.beginComputePass(this.#watch.last);
        continue;
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups(width, height));
    }
    pass.end();
  }

  /** Binds every pass to its buffers; needed after these have changed. */
  #bind(map) {
    const buffers = this.#buffers;
    const part = (buffer, {offset, size}, bytes = 4) =>
      ({buffer, offset: bytes * offset, size: bytes * size});
    const bound = [];
    const step = (key, entries, workgroups) => bound.push(this.#step(
      (map ? this.#map : this.#single).get(key), entries, workgroups));
    if (map) {
      step('spread', [
        [0, {buffer: buffers.frame}], [1, {buffer: buffers.factors}],
        [2, {buffer: buffers.mask}], [3, {buffer: buffers.spread}],
      ], (width, height) => [Math.ceil(width / 16), Math.ceil(height / 16)]);
    } else if (buffers.modulation) {
      const count = this.modulation.length / 4;
      step('modulate', [
        [0, {buffer: buffers.factors}], [1, {buffer: buffers.terms}],
        [2, {buffer: buffers.modulation}],
      ], () => [Math.ceil(count / 64)]);
    }
    const {places, layerPlaces} = this.modulation ?? {};
    const filters = (adafm) => (map
      ? part(buffers.layers, layerPlaces.get(adafm))
      : part(buffers.modulation, places.get(adafm)));
    for (const [index, pass] of this.#passes.entries()) {
      const {kind, layer, adafm, from, to, options = {}} = pass;
      if (kind === 'copy') {
        bound.push({copy: [buffers[from], buffers[to]]});
        continue;
      }
      const entries = [[0, {buffer: buffers.frame}],
        [1, {buffer: buffers[from]}]];
      if (layer) {
        const {weights, biases} = this.places.get(layer);
        entries.push([2, part(buffers.weights, weights, this.#half ? 2 : 4)],
          [3, part(buffers.biases, biases)]);
      }
      if (kind === 'tail') {
        entries.push([4, {buffer: buffers.photo}]);
      } else if (kind !== 'head') {
        entries.push([4, adafm ? filters(adafm) : {buffer: buffers.biases}]);
        if (map && adafm) entries.push([6, {buffer: buffers.spread}]);
      }
      entries.push([kind === 'head' ? 4 : 5, {buffer: buffers[to]}]);
      const scale = kind === 'tail' || options.FULL ? 1 : 2;
      // Pixels of a workgroup: 8 x 8 invocations, of 4 x 2 pixels in conv.wgsl.
      const [wide, high] = kind === 'conv' || kind === 'tail' ? [32, 16] : [8, 8];
      // Over the channels that the pass writes.
      const deep = kind === 'tail' ? 1
        : this.#groups * (options.SHUFFLE ? 4 : 1);
      step(index, entries, (width, height) => [
        Math.ceil(width / scale / wide), Math.ceil(height / scale / high), deep]);
    }
    return bound;
  }

  #step(pipeline, entries, workgroups) {
    const group = this.#device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: entries.map(([binding, resource]) => ({binding, resource})),
    });
    return {pipeline, group, workgroups};
  }

  /**
   * Makes room for a tile: feature maps grow as they must, and where the tile
   * has another shape than the one before, their borders become zeros again.
   */
  #resize(encoder, {width, height}) {
    if (this.#size === `${width} ${height}`) return;
    this.#size = `${width} ${height}`;
    const bytes = this.#half ? 8 : 16;
    const maps = {skip: 2, x: 2, z: 2, wide: 1, hidden: 1};
    if (this.#arch.kernel > 1) maps.y = 2;
    for (const [name, scale] of Object.entries(maps)) {
      const {plane} = this.#grid(width / scale, height / scale);
      this.#grow(name, this.#groups * plane * bytes);
      encoder.clearBuffer(this.#buffers[name]);
    }
    this.#grow('pixels', 4 * width * height);
    this.#grow('spread', (1 + this.#arch.bends) * width * height);
  }

  #grow(name, bytes) {
    if (this.#buffers[name]?.size >= bytes) return;
    this.#buffers[name]?.destroy();
    this.#buffers[name] = this.#empty(bytes, STORAGE | COPY_SRC | COPY_DST);
    this.#bound = {};
  }

  /** A plane has room for the last pixels of eight, and for their filters. */
  #grid(width, height) {
    const row = Math.ceil(width / 4) * 4 + 2 * this.#border;
    const plane = row * (Math.ceil(height / 2) * 2 + 2 * this.#border);
    return {width, height, row, plane};
  }

  #writeFrame(whole, tile) {
    const half = this.#grid(whole.width / 2, whole.height / 2);
    const full = this.#grid(whole.width, whole.height);
    const [left, top] = [tile.x - whole.x, tile.y - whole.y];
    this.#device.queue.writeBuffer(this.#buffers.frame, 0, new Uint32Array([
      half.width, half.height, half.row, half.plane,
      full.width, full.height, full.row, full.plane,
      this.#photo.width, this.#photo.height, whole.x, whole.y,
      left, top, left + tile.width, top + tile.height,
      this.#border, Number(this.#photo.grey ?? false), 0, 0,
    ]));
  }

  #upload(array, usage) {
    const size = Math.ceil(array.byteLength / 4) * 4;
    const buffer = this.#device.createBuffer(
      {size, usage, mappedAtCreation: true});
    new array.constructor(buffer.getMappedRange(0, size))
      .set(array);
    buffer.unmap();
    return buffer;
  }

  #empty(size, usage) {
    return this.#device.createBuffer({size: Math.max(16, size), usage});
  }
}
