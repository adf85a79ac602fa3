// A 3x3 convolution. An invocation makes four pixels of a row, of one group of
// four output channels or of two: so each weight that is read serves four
// pixels, and each pixel three positions of the filter and two groups.
// What becomes of a sum is `finish`, in features.wgsl or pixels.wgsl.
override INPUTS: u32;       // groups of four input channels
override PAIR: bool;        // two groups of output channels an invocation
override FULL: bool;        // features at the photograph's size, or half of it

@group(0) @binding(1) var<storage, read> source: array<real4>;
@group(0) @binding(2) var<storage, read> weights: array<mat4x4<real>>;
@group(0) @binding(3) var<storage, read> biases: array<vec4f>;

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var grid = frame.half;
  if (FULL) {
    grid = frame.full;
  }
  let x = 4 * id.x;
  if (x >= grid.width || id.y >= grid.height) {
    return;
  }
  let group = select(id.z, 2 * id.z, PAIR);
  var a0 = biases[group];
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  var b0 = vec4f();
  if (PAIR) {
    b0 = biases[group + 1];
  }
  var b1 = b0;
  var b2 = b0;
  var b3 = b0;
  for (var i = 0u; i < INPUTS; i++) {
    for (var ky = 0u; ky < 3; ky++) {
      // One column to the left of the first pixel, and one row above.
      let at = place(grid, i, x, id.y + ky) - grid.row - 1;
      let p0 = source[at];
      let p1 = source[at + 1];
      let p2 = source[at + 2];
      let p3 = source[at + 3];
      let p4 = source[at + 4];
      let p5 = source[at + 5];
      var w = (group * INPUTS + i) * 9 + ky * 3;
      let left = weights[w];
      let middle = weights[w + 1];
      let right = weights[w + 2];
      a0 += vec4f(left * p0) + vec4f(middle * p1) + vec4f(right * p2);
      a1 += vec4f(left * p1) + vec4f(middle * p2) + vec4f(right * p3);
      a2 += vec4f(left * p2) + vec4f(middle * p3) + vec4f(right * p4);
      a3 += vec4f(left * p3) + vec4f(middle * p4) + vec4f(right * p5);
      if (PAIR) {
        w += INPUTS * 9;
        let left = weights[w];
        let middle = weights[w + 1];
        let right = weights[w + 2];
        b0 += vec4f(left * p0) + vec4f(middle * p1) + vec4f(right * p2);
        b1 += vec4f(left * p1) + vec4f(middle * p2) + vec4f(right * p3);
        b2 += vec4f(left * p2) + vec4f(middle * p3) + vec4f(right * p4);
        b3 += vec4f(left * p3) + vec4f(middle * p4) + vec4f(right * p5);
      }
    }
  }
  finish(group, x, id.y, a0);
  finish(group, x + 1, id.y, a1);
  finish(group, x + 2, id.y, a2);
  finish(group, x + 3, id.y, a3);
  if (PAIR) {
    finish(group + 1, x, id.y, b0);
    finish(group + 1, x + 1, id.y, b1);
    finish(group + 1, x + 2, id.y, b2);
    finish(group + 1, x + 3, id.y, b3);
  }
}
