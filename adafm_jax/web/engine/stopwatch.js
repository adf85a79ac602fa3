// How long a tile takes: on the device itself where it has timestamps, else
// from handing it over to having the pixels back.

const BYTES = 16; // of two timestamps, in nanoseconds

export class Stopwatch {
  /** {width, height, milliseconds, device: whether by the device's clock} */
  spent = null;
  #device;
  #set = null;
  #busy = false;
  #resolved;
  #staging;

  /** @param {GPUDevice} device */
  constructor(device) {
    this.#device = device;
    if (!device.features.has('timestamp-query')) return;
    const {QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ} = GPUBufferUsage;
    this.#set = device.createQuerySet({type: 'timestamp', count: 2});
    this.#resolved = device.createBuffer(
      {size: BYTES, usage: QUERY_RESOLVE | COPY_SRC});
    this.#staging = device.createBuffer(
      {size: BYTES, usage: MAP_READ | COPY_DST});
  }

  /** Descriptors of the first and the last compute pass of a tile. */
  get first() {
    return this.#set && {timestampWrites: {
      querySet: this.#set, beginningOfPassWriteIndex: 0}};
  }

  get last() {
    return this.#set && {timestampWrites: {
      querySet: this.#set, endOfPassWriteIndex: 1}};
  }

  /** Begins; what it returns ends, when the tile's pixels are here. */
  start(encoder) {
    const began = performance.now();
    const device = Boolean(this.#set);
    if (device && this.#busy) return () => {}; // one is measured at a time
    if (device) {
      this.#busy = true;
      encoder.resolveQuerySet(this.#set, 0, 2, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, BYTES);
    }
    return async ({width, height}) => {
      const milliseconds = device ? await this.#read()
        : performance.now() - began;
      this.spent = {width, height, milliseconds, device};
    };
  }

  async #read() {
    await this.#staging.mapAsync(GPUMapMode.READ);
    const [from, to] = new BigUint64Array(this.#staging.getMappedRange());
    this.#staging.unmap();
    this.#busy = false;
    return Number(to - from) / 1e6;
  }

  destroy() {
    this.#set?.destroy();
    this.#resolved?.destroy();
    this.#staging?.destroy();
  }
}
