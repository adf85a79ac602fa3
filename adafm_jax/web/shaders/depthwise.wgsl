// An AdaFM layer of k x k: x + depthwise(x; K) + b, for each term of the path
// (single.wgsl or map.wgsl).
override SIDE: u32;    // of the filters, odd
override GROUPS: u32;  // groups of four channels
override RELU: bool;
override ADD: bool;    // to what is there: a residual block's input

@group(0) @binding(1) var<storage, read> source: array<real4>;
@group(0) @binding(4) var<storage, read> modulation: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> result: array<real4>;

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let grid = frame.half;
  if (id.x >= grid.width || id.y >= grid.height) {
    return;
  }
  let at = place(grid, id.z, id.x, id.y);
  let corner = at - (SIDE / 2) * (grid.row + 1);
  let taps = SIDE * SIDE;
  var value = vec4f(source[at]);
  for (var term = 0u; term < TERMS; term++) {
    let filters = term * (taps + 1) * GROUPS + id.z;
    var change = modulation[filters + taps * GROUPS];
    for (var ky = 0u; ky < SIDE; ky++) {
      for (var kx = 0u; kx < SIDE; kx++) {
        change += modulation[filters + (ky * SIDE + kx) * GROUPS]
          * vec4f(source[corner + ky * grid.row + kx]);
      }
    }
    value += weight(term, id.x, id.y) * change;
  }
  if (RELU) {
    value = max(value, vec4f());
  }
  if (ADD) {
    value += vec4f(result[at]);
  }
  result[at] = real4(value);
}
