// An AdaFM layer of k x k: x + depthwise(x; K) + b, where K and b are those of
// the present strength, which `modulate.wgsl` has combined.
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
  var value = vec4f(source[at]) + modulation[SIDE * SIDE * GROUPS + id.z];
  for (var ky = 0u; ky < SIDE; ky++) {
    for (var kx = 0u; kx < SIDE; kx++) {
      value += modulation[(ky * SIDE + kx) * GROUPS + id.z]
        * vec4f(source[corner + ky * grid.row + kx]);
    }
  }
  if (RELU) {
    value = max(value, vec4f());
  }
  if (ADD) {
    value += vec4f(result[at]);
  }
  result[at] = real4(value);
}
