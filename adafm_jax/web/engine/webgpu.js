// The engine of the page where there is WebGPU.

import {loadShaders} from './device.js';
import {GpuNetwork} from './gpu.js';

const STEP = 1 / 255;

export class GpuEngine {
  kind = 'webgpu';
  #device;
  #half;
  #shaders;
  #network = null;

  constructor({device, half, software}) {
    this.#device = device;
    this.#half = half;
    this.software = software;
    this.sweepPixels = software ? 96 * 96 : 512 * 512;
    this.lost = device.lost;
  }

  /** Whether features are held in half precision. */
  get half() {
    return this.#network?.half ?? false;
  }

  /** Compiles a model's network; `open` begins to use it. */
  async load(model) {
    this.#shaders ??= loadShaders().catch((error) => {
      this.#shaders = null; // the next model may have them
      throw error;
    });
    return this.#create(model, await this.#shaders);
  }

  async open(network, picture) {
    if (network !== this.#network) this.#network?.rest();
    this.#network = network;
    network.setPhoto(picture);
  }

  tiles(rect) {
    return this.#network.tiles(rect);
  }

  restore(tile, strength) {
    return this.#network.restore(tile, strength);
  }

  /** A tile with the brush's strength where its mask is white, in one pass. */
  restoreMap(tile, strength, brush) {
    return this.#network.restoreMap(tile, strength, brush);
  }

  /** What the last tile took. */
  get spent() {
    return this.#network?.spent ?? null;
  }

  /** Most pixels of a side of what `sweep` takes. */
  get sweepSide() {
    return this.#network.side;
  }

  /** A part, of no more than one tile, at several strengths: RGBA each. */
  async sweep(rect, strengths) {
    const found = [];
    for (const strength of strengths) {
      found.push(await this.restore(rect, strength));
    }
    return found;
  }

  /** In half precision where that changes nothing that can be seen. */
  async #create(model, shaders) {
    const full = await GpuNetwork.create(this.#device, shaders, model);
    if (!this.#half) return full;
    const half = await GpuNetwork.create(this.#device, shaders, model,
      {half: true});
    const same = await agree(full, half);
    (same ? full : half).destroy();
    return same ? half : full;
  }
}

/** Whether two networks stay within a step of 8 bits on a test picture. */
async function agree(one, other) {
  const size = 64;
  const data = new Uint8ClampedArray(4 * size * size);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const noise = (state >>> 24) - 128;
    const shape = (i >> 2) % size + (i >> 8) + 64 * (((i >> 5) ^ (i >> 11)) & 1);
    data[i] = i % 4 === 3 ? 255 : shape + noise / 3;
  }
  const rect = {x: 0, y: 0, width: size, height: size};
  for (const network of [one, other]) network.setPhoto({...rect, data});
  for (const strength of [0, 0.5, 1]) {
    const [a, b] = [await one.restore(rect, strength),
      await other.restore(rect, strength)];
    if (a.some((value, i) => Math.abs(value - b[i]) > STEP * 255)) return false;
  }
  return true;
}
