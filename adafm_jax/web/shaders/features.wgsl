// What becomes of a convolution's sum inside the network. A 1x1 AdaFM layer is
// a gain and an offset for each channel, in each term of the path (single.wgsl
// or map.wgsl).
override MODULATE: bool;    // whether a 1x1 AdaFM layer follows
override RELU: bool;
override RELU_FIRST: bool;  // AdaFM behind the activation, not before it
override ADD: bool;         // to what is there: a residual block's input
override SHUFFLE: bool;     // pixel shuffle to twice the size
override GROUPS: u32;       // groups of four channels in a feature map

@group(0) @binding(4) var<storage, read> modulation: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> result: array<real4>;

fn finish(group: u32, x: u32, y: u32, sum: vec4f) {
  if (x >= select(frame.half.width, frame.full.width, FULL)) {
    return;
  }
  var value = sum;
  if (RELU_FIRST) {
    value = max(value, vec4f());
  }
  if (MODULATE) {
    let base = value;
    for (var term = 0u; term < TERMS; term++) {
      let at = 2 * term * GROUPS + group;
      value += weight(term, x, y)
        * (modulation[at] * base + modulation[at + GROUPS]);
    }
  }
  if (RELU) {
    value = max(value, vec4f());
  }
  var at = 0u;
  if (SHUFFLE) {
    // Weights are laid out so that a group holds one of the four sub-pixels.
    let part = group / GROUPS;
    at = place(frame.full, group % GROUPS, 2 * x + part % 2, 2 * y + part / 2);
  } else if (FULL) {
    at = place(frame.full, group, x, y);
  } else {
    at = place(frame.half, group, x, y);
  }
  if (ADD) {
    value += vec4f(result[at]);
  }
  result[at] = real4(value);
}
