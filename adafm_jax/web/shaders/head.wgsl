// The first convolution, 3x3 at stride 2, straight from the photograph.
override CHANNELS: u32;  // 3, or 1 for a network of luma

@group(0) @binding(1) var<storage, read> photo: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<mat4x4<real>>;
@group(0) @binding(3) var<storage, read> biases: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> result: array<real4>;

// What the network sees at a pixel of the tile: zero beyond the tile, and the
// last row and column again where the photograph's size is odd.
fn look(x: i32, y: i32) -> real4 {
  if (x < 0 || y < 0 || x >= i32(frame.full.width)
      || y >= i32(frame.full.height)) {
    return real4();
  }
  let at = min(frame.origin + vec2u(vec2i(x, y)), frame.photo - 1);
  let pixel = unpack4x8unorm(photo[at.y * frame.photo.x + at.x]);
  return real4(network_input(pixel.rgb * pixel.a));
}

fn network_input(colour: vec3f) -> vec4f {
  if (CHANNELS == 1 && frame.grey == 1) {
    return vec4f(colour.r, 0, 0, 0);  // a grey picture is luma already
  }
  if (CHANNELS == 1) {
    return vec4f(luma(colour), 0, 0, 0);
  }
  return vec4f(colour, 0);
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= frame.half.width || id.y >= frame.half.height) {
    return;
  }
  var sum = biases[id.z];
  for (var ky = 0u; ky < 3; ky++) {
    for (var kx = 0u; kx < 3; kx++) {
      let seen = look(i32(2 * id.x + kx) - 1, i32(2 * id.y + ky) - 1);
      sum += vec4f(weights[id.z * 9 + ky * 3 + kx] * seen);
    }
  }
  result[place(frame.half, id.z, id.x, id.y)] = real4(sum);
}
