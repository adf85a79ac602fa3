// The shaders of a network, compiled: each kind of pass once for its options.

/** What each kind of pass is made of, in this order. */
const TEXTS = {
  head: ['grid', 'luma', 'head'],
  conv: ['grid', 'single', 'conv', 'features'],
  tail: ['grid', 'luma', 'conv', 'pixels'],
  depthwise: ['grid', 'single', 'depthwise'],
  modulate: ['modulate'],
  spread: ['grid', 'spread'],
};

export class Pipelines {
  #device;
  #shaders;
  #arch;
  #half;
  #modules = new Map();
  #made = new Map();

  /**
   * @param {GPUDevice} device
   * @param {Record<string, string>} shaders
   * @param {object} arch
   * @param {boolean} half  features and weights in float16
   */
  constructor(device, shaders, arch, half) {
    this.#device = device;
    this.#shaders = shaders;
    this.#arch = arch;
    this.#half = half;
  }

  /**
   * Compiles what a network's passes need.
   *
   * @param {import('./layers.js').Pass[]} passes
   * @param {boolean} map  whether strength is a map
   * @returns {Promise<Map<number | string, GPUComputePipeline>>}  by the
   *     number of the pass, and 'modulate' or, for a map, 'spread'
   */
  async compile(passes, map) {
    const {kernel, bends, path} = this.#arch;
    const terms = {TERMS: 1 + bends};
    const jobs = [...passes.entries()]
      .filter(([, {kind}]) => kind !== 'copy')
      .map(async ([i, pass]) => {
        const mapped = map && Boolean(pass.adafm);
        return [i, await this.#make(pass.kind, mapped,
          {...this.#constants(pass), ...(mapped ? terms : {})})];
      });
    const first = map ? 'spread' : 'modulate';
    if (kernel) {
      const given = map ? {...terms, HATS: path === 'hats'} : terms;
      jobs.push(this.#make(first, false, given).then((made) => [first, made]));
    }
    return new Map(await Promise.all(jobs));
  }

  #constants({kind, options = {}}) {
    const {features, channels, kernel} = this.#arch;
    const GROUPS = Math.ceil(features / 4);
    return {
      head: {CHANNELS: channels},
      conv: {
        INPUTS: GROUPS, FULL: false, MODULATE: false, RELU: false,
        RELU_FIRST: false, ADD: false, SHUFFLE: false, GROUPS, ...options,
      },
      tail: {INPUTS: GROUPS, FULL: true, CHANNELS: channels},
      depthwise: {SIDE: kernel, GROUPS, RELU: false, ADD: false, ...options},
    }[kind];
  }

  #make(kind, map, given) {
    const constants = Object.fromEntries(Object.entries(given).map(
      ([name, value]) => [name, Number(value)]));
    const id = kind + map + JSON.stringify(constants);
    if (!this.#made.has(id)) {
      this.#made.set(id, this.#device.createComputePipelineAsync({
        label: id, layout: 'auto',
        compute: {module: this.#module(kind, map), constants},
      }));
    }
    return this.#made.get(id);
  }

  #module(kind, map) {
    const id = kind + map;
    if (!this.#modules.has(id)) {
      const real = this.#half
        ? 'enable f16;\nalias real = f16;' : 'alias real = f32;';
      const parts = TEXTS[kind].map((name) =>
        this.#shaders[map && name === 'single' ? 'map' : name]);
      this.#modules.set(id, this.#device.createShaderModule({
        label: id,
        code: [real, 'alias real4 = vec4<real>;', ...parts].join('\n'),
      }));
    }
    return this.#modules.get(id);
  }
}
