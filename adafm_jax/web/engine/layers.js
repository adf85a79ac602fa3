// The network as a list of passes, in the order of models/restorer.py.

/**
 * @typedef {object} Pass
 * @property {'head' | 'conv' | 'depthwise' | 'tail' | 'copy'} kind
 * @property {string} [layer]  name of its parameters
 * @property {string} [adafm]  name of the AdaFM layer it holds, if any
 * @property {string} from  feature map that it reads
 * @property {string} to  feature map that it writes
 * @property {object} [options]  overrides of its shader
 */

/**
 * Half-size maps: `x` runs through the blocks, `y` and `z` are scratch, `skip`
 * keeps the head's. Full size: `wide` and `hidden`.
 *
 * @param {object} arch
 * @returns {Pass[]}
 */
export function passes(arch) {
  const found = [
    {kind: 'head', layer: 'head', from: 'photo', to: 'skip'},
    {kind: 'copy', from: 'skip', to: 'x'},
  ];
  for (let i = 0; i < arch.blocks; i++) {
    found.push(...block(arch, `block_${String(i).padStart(2, '0')}`));
  }
  const trunk = arch.kernel && arch.placement === 'block+trunk';
  found.push(
    ...convolution(arch, 'trunk', trunk ? 'trunk_adafm' : '', 'x', 'skip', {
      ADD: true,
    }),
    conv('upsample', 'skip', 'wide', {SHUFFLE: true, RELU: true}),
    conv('hidden', 'wide', 'hidden', {FULL: true, RELU: true}),
    {kind: 'tail', layer: 'tail', from: 'hidden', to: 'pixels'},
  );
  return found;
}

function block(arch, name) {
  const behind = arch.kernel && arch.placement === 'activation';
  const adafm = (index) => arch.kernel && !(behind && index === 2)
    ? `${name}/adafm_${index}` : '';
  return [
    ...convolution(arch, `${name}/conv_1`, adafm(1), 'x', 'z',
      behind ? {RELU_FIRST: true} : {RELU: true}),
    ...convolution(arch, `${name}/conv_2`, adafm(2), 'z', 'x', {ADD: true}),
  ];
}

/** A convolution and what follows: one pass, or two with a wide AdaFM. */
function convolution(arch, layer, adafm, from, to, {RELU_FIRST, ...options}) {
  if (!adafm) return [conv(layer, from, to, options)];
  if (arch.kernel === 1) {
    const rest = {...options, RELU_FIRST: Boolean(RELU_FIRST), MODULATE: true};
    return [{...conv(layer, from, to, rest), adafm}];
  }
  return [
    conv(layer, from, 'y', {RELU: Boolean(RELU_FIRST)}),
    {kind: 'depthwise', adafm, from: 'y', to, options},
  ];
}

function conv(layer, from, to, options) {
  return {kind: 'conv', layer, from, to, options};
}

/** How many pixels around a tile can change what is in it; even. */
export function halo(arch) {
  const reach = arch.kernel >> 1;
  const adafms = !arch.kernel ? 0
    : arch.placement === 'activation' ? arch.blocks
      : 2 * arch.blocks + Number(arch.placement === 'block+trunk');
  // At half size the blocks, the trunk, the upsampling; then two convolutions.
  const half = 2 * arch.blocks + 2 + adafms * reach;
  return 2 * (half + 1) + 2;
}
