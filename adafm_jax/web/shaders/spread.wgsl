// Where a mask gives each pixel a strength: the factors phi_0(s), phi_1(s), ...
// of models/path.py, at half the photograph's size. The strength of four pixels
// is their mean, and an odd last row or column counts twice.
override TERMS: u32;
override HATS: bool;

@group(0) @binding(1) var<uniform> ends: array<vec4f, 2>;  // at mask 0 and 255
@group(0) @binding(2) var<storage, read> mask: array<u32>;  // a byte a pixel
@group(0) @binding(3) var<storage, read_write> factors: array<f32>;

fn painted(x: u32, y: u32) -> f32 {
  let at = min(frame.origin + vec2u(x, y), frame.photo - 1);
  let i = at.y * frame.photo.x + at.x;
  return f32((mask[i / 4] >> (8 * (i % 4))) & 255) / 255;
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let grid = frame.half;
  if (id.x >= grid.width || id.y >= grid.height) {
    return;
  }
  let x = 2 * id.x;
  let y = 2 * id.y;
  let share = (painted(x, y) + painted(x + 1, y) + painted(x, y + 1)
    + painted(x + 1, y + 1)) / 4;
  let s = mix(ends[0].x, ends[0].y, share);
  var bend = s * (1 - s);
  for (var term = 0u; term < TERMS; term++) {
    var factor = s;
    if (term > 0 && HATS) {
      factor = max(0, 1 - abs(s * f32(TERMS) - f32(term)));
    } else if (term > 0) {
      factor = bend;
      bend *= s;
    }
    factors[(term * grid.height + id.y) * grid.width + id.x] = factor;
  }
}
