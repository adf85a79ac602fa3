// A 3x3 convolution. An invocation makes eight pixels, four of a row and the
// four below, in one group of four output channels: each weight that is read
// serves eight pixels, and each pixel up to six positions of the filter.
// What becomes of a sum is `finish`, in features.wgsl or pixels.wgsl.
override INPUTS: u32;  // groups of four input channels
override FULL: bool;   // features at the photograph's size, or half of it

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
  let y = 2 * id.y;
  if (x >= grid.width || y >= grid.height) {
    return;
  }
  var a0 = biases[id.z];
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  var b0 = a0;
  var b1 = a0;
  var b2 = a0;
  var b3 = a0;
  for (var i = 0u; i < INPUTS; i++) {
    // One column to the left of the first pixel, and one row above.
    var at = place(grid, i, x, y) - grid.row - 1;
    var p0 = source[at];
    var p1 = source[at + 1];
    var p2 = source[at + 2];
    var p3 = source[at + 3];
    var p4 = source[at + 4];
    var p5 = source[at + 5];
    for (var ky = 0u; ky < 3; ky++) {
      at += grid.row;
      let q0 = source[at];
      let q1 = source[at + 1];
      let q2 = source[at + 2];
      let q3 = source[at + 3];
      let q4 = source[at + 4];
      let q5 = source[at + 5];
      let w = (id.z * INPUTS + i) * 9 + ky * 3;
      let left = weights[w];
      let middle = weights[w + 1];
      let right = weights[w + 2];
      a0 += vec4f(left * p0) + vec4f(middle * p1) + vec4f(right * p2);
      a1 += vec4f(left * p1) + vec4f(middle * p2) + vec4f(right * p3);
      a2 += vec4f(left * p2) + vec4f(middle * p3) + vec4f(right * p4);
      a3 += vec4f(left * p3) + vec4f(middle * p4) + vec4f(right * p5);
      b0 += vec4f(left * q0) + vec4f(middle * q1) + vec4f(right * q2);
      b1 += vec4f(left * q1) + vec4f(middle * q2) + vec4f(right * q3);
      b2 += vec4f(left * q2) + vec4f(middle * q3) + vec4f(right * q4);
      b3 += vec4f(left * q3) + vec4f(middle * q4) + vec4f(right * q5);
      p0 = q0;
      p1 = q1;
      p2 = q2;
      p3 = q3;
      p4 = q4;
      p5 = q5;
    }
  }
  finish(id.z, x, y, a0);
  finish(id.z, x + 1, y, a1);
  finish(id.z, x + 2, y, a2);
  finish(id.z, x + 3, y, a3);
  if (y + 1 < grid.height) {
    finish(id.z, x, y + 1, b0);
    finish(id.z, x + 1, y + 1, b1);
    finish(id.z, x + 2, y + 1, b2);
    finish(id.z, x + 3, y + 1, b3);
  }
}
