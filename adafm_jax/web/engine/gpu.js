// The network in WebGPU. Weights go to the device once, and a photograph once;
// moving the slider sends the few factors of a strength, 32 bytes, and 80 of the tile.

import {passes, halo} from './layers.js';
import {halves, layoutConvolutions, layoutModulation} from './layout.js';
import {pathFactors} from './model.js';
import {around, cut} from './tiles.js';

const {STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ} =
  globalThis.GPUBufferUsage ?? {};
const FRAME_BYTES = 80;
// Of a tile and its surroundings, pixels: with 32 features, 118 MB a map.
const MAX_SIDE = 960;

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
    const made = new GpuNetwork(device, model, half);
    await made.#compile(shaders);
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
  #pipelines = new Map();
  #bound = [];
  #size = '';
  #photo = null;

  constructor(device, model, half) {
    this.#device = device;
    this.#arch = model.arch;
    this.#half = half;
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
      this.modulation = adafm;
    }
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
    this.#bound = [];
  }

  /** The tiles that a region is restored in, the middle first. */
  tiles(rect) {
    return cut(rect, MAX_SIDE - 2 * this.#halo);
  }

  /**
   * Restores one tile.
   *
   * @param {import('./tiles.js').Rect} tile  one of `tiles`
   * @param {number} strength  from 0 to 1
   * @returns {Promise<Uint8ClampedArray>} RGBA
   */
  async restore(tile, strength) {
    const whole = around(tile, this.#halo, this.#photo);
    const encoder = this.#device.createCommandEncoder();
    this.#resize(encoder, whole);
    this.#writeFrame(whole, tile);
    const factors = new Float32Array(8);
    factors.set(pathFactors(this.#arch, strength));
    this.#device.queue.writeBuffer(this.#buffers.factors, 0, factors);
    this.#encode(encoder, whole);
    const bytes = 4 * tile.width * tile.height;
    const staging = this.#empty(bytes, MAP_READ | COPY_DST);
    encoder.copyBufferToBuffer(this.#buffers.pixels, 0, staging, 0, bytes);
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ);
      return new Uint8ClampedArray(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }

  destroy() {
    for (const buffer of Object.values(this.#buffers)) buffer.destroy();
  }

  #encode(encoder, {width, height}) {
    if (!this.#bound.length) this.#bind();
    let pass = encoder.beginComputePass();
    for (const {pipeline, group, workgroups, copy} of this.#bound) {
      if (copy) {
        pass.end();
        const [from, to] = copy;
        encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
        pass = encoder.beginComputePass();
        continue;
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups(width, height));
    }
    pass.end();
  }

  /** Binds every pass to its buffers; needed after these have changed. */
  #bind() {
    const buffers = this.#buffers;
    const part = (buffer, {offset, size}, bytes = 4) =>
      ({buffer, offset: bytes * offset, size: bytes * size});
    const bound = [];
    if (buffers.modulation) {
      const count = this.modulation.length / 4;
      bound.push(this.#step('modulate', [
        [0, {buffer: buffers.factors}], [1, {buffer: buffers.terms}],
        [2, {buffer: buffers.modulation}],
      ], () => [Math.ceil(count / 64)]));
    }
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
        entries.push([4, adafm
          ? part(buffers.modulation, this.modulation.places.get(adafm))
          : {buffer: buffers.biases}]);
      }
      entries.push([kind === 'head' ? 4 : 5, {buffer: buffers[to]}]);
      const scale = kind === 'tail' || options.FULL ? 1 : 2;
      // Pixels of a workgroup: 8 x 8 invocations, of 4 x 2 pixels in conv.wgsl.
      const [wide, high] = kind === 'conv' || kind === 'tail' ? [32, 16] : [8, 8];
      const deep = this.#depth(pass);
      bound.push(this.#step(index, entries, (width, height) => [
        Math.ceil(width / scale / wide), Math.ceil(height / scale / high), deep]));
    }
    this.#bound = bound;
  }

  #step(key, entries, workgroups) {
    const pipeline = this.#pipelines.get(key);
    const group = this.#device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: entries.map(([binding, resource]) => ({binding, resource})),
    });
    return {pipeline, group, workgroups};
  }

  /** Workgroups over the channels that a pass writes. */
  #depth({kind, options = {}}) {
    if (kind === 'tail') return 1;
    return this.#groups * (options.SHUFFLE ? 4 : 1);
  }

  async #compile(shaders) {
    const {kernel, channels, bends} = this.#arch;
    const real = this.#half
      ? 'enable f16;\nalias real = f16;\n' : 'alias real = f32;\n';
    const text = {
      head: [shaders.grid, shaders.luma, shaders.head],
      conv: [shaders.grid, shaders.conv, shaders.features],
      tail: [shaders.grid, shaders.luma, shaders.conv, shaders.pixels],
      depthwise: [shaders.grid, shaders.depthwise],
      modulate: [shaders.modulate],
    };
    const modules = Object.fromEntries(Object.entries(text).map(
      ([kind, parts]) => [kind, this.#device.createShaderModule({
        label: kind,
        code: `${real}alias real4 = vec4<real>;\n${parts.join('\n')}`,
      })]));
    const made = new Map();
    const make = async (key, kind, given) => {
      const constants = Object.fromEntries(Object.entries(given).map(
        ([name, value]) => [name, Number(value)]));
      const id = kind + JSON.stringify(constants);
      if (!made.has(id)) {
        made.set(id, this.#device.createComputePipelineAsync({
          label: id, layout: 'auto',
          compute: {module: modules[kind], constants},
        }));
      }
      this.#pipelines.set(key, await made.get(id));
    };
    const jobs = this.#passes.map(async ({kind, options = {}}, index) => {
      const inputs = {INPUTS: this.#groups};
      const constants = {
        head: () => ({CHANNELS: channels}),
        conv: () => ({
          ...inputs, FULL: false, MODULATE: false,
          RELU: false, RELU_FIRST: false, ADD: false, SHUFFLE: false,
          GROUPS: this.#groups, ...options,
        }),
        tail: () => ({...inputs, FULL: true, CHANNELS: channels}),
        depthwise: () => ({
          SIDE: kernel, GROUPS: this.#groups, RELU: false, ADD: false,
          ...options,
        }),
      }[kind];
      if (constants) await make(index, kind, constants());
    });
    if (kernel) jobs.push(make('modulate', 'modulate', {TERMS: 1 + bends}));
    await Promise.all(jobs);
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
  }

  #grow(name, bytes) {
    if (this.#buffers[name]?.size >= bytes) return;
    this.#buffers[name]?.destroy();
    this.#buffers[name] = this.#empty(bytes, STORAGE | COPY_SRC | COPY_DST);
    this.#bound = [];
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
