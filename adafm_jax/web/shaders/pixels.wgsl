// What becomes of the last convolution's sum: a pixel of 8 bits a channel.
override CHANNELS: u32;

@group(0) @binding(4) var<storage, read> photo: array<u32>;
@group(0) @binding(5) var<storage, read_write> result: array<u32>;

const Y_TO_RGB = 255.0 / 219.0;

fn finish(group: u32, x: u32, y: u32, sum: vec4f) {
  let inner = frame.inner;
  if (x < inner.x || y < inner.y || x >= inner.z || y >= inner.w) {
    return;
  }
  let at = frame.origin + vec2u(x, y);
  let before = unpack4x8unorm(photo[at.y * frame.photo.x + at.x]);
  let seen = before.rgb * before.a;
  var colour = sum.rgb;
  if (frame.grey == 1) {
    colour = vec3f(select((sum.x + sum.y + sum.z) / 3, sum.x, CHANNELS == 1));
  } else if (CHANNELS == 1) {
    // Chroma stays as it is; a change of Y is the same in all three.
    colour = seen + Y_TO_RGB * (sum.x - luma(seen));
  }
  // Nothing can be seen or restored where the picture is transparent.
  colour = select(before.rgb, colour / max(before.a, 1e-6), before.a > 0);
  let place = (y - inner.y) * (inner.z - inner.x) + x - inner.x;
  result[place] = pack4x8unorm(vec4f(colour, before.a));
}
