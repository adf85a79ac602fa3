// The filters and offsets of every AdaFM layer at one strength s:
// phi_0(s) K + phi_1(s) B_1 + ..., a few thousand multiply-adds in all.
override TERMS: u32;  // the end level's filters, and the path's bends

@group(0) @binding(0) var<uniform> factors: array<vec4f, 2>;
@group(0) @binding(1) var<storage, read> terms: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> modulation: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = arrayLength(&modulation);
  if (id.x >= count) {
    return;
  }
  var sum = vec4f();
  for (var i = 0u; i < TERMS; i++) {
    sum += factors[i / 4][i % 4] * terms[i * count + id.x];
  }
  modulation[id.x] = sum;
}
