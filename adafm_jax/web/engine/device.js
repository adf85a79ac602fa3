// The graphics device, and the shaders that run on it.

/** The device, or null where there is no WebGPU. */
export async function openDevice() {
  const adapter = await navigator.gpu?.requestAdapter(
    {powerPreference: 'high-performance'});
  if (!adapter) return null;
  const {maxBufferSize, maxStorageBufferBindingSize} = adapter.limits;
  const wanted = ['shader-f16', 'timestamp-query'];
  const requiredFeatures = wanted.filter((name) => adapter.features.has(name));
  const half = requiredFeatures.includes('shader-f16');
  const device = await adapter.requestDevice({
    requiredFeatures,
    requiredLimits: {maxBufferSize, maxStorageBufferBindingSize},
  });
  const {isFallbackAdapter: software = false} = adapter.info ?? {};
  return {device, half, software};
}

/** Fetches the shaders, once for all models. */
export async function loadShaders() {
  const base = new URL('../shaders/', import.meta.url);
  const names = ['grid', 'luma', 'head', 'conv', 'features', 'pixels',
    'depthwise', 'modulate', 'single', 'map', 'spread'];
  const texts = await Promise.all(names.map(async (name) => {
    const answer = await fetch(new URL(`${name}.wgsl`, base));
    if (!answer.ok) throw new Error(`The shader ${name} did not load.`);
    return answer.text();
  }));
  return Object.fromEntries(names.map((name, i) => [name, texts[i]]));
}
