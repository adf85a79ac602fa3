// A strength for each pixel: `spread.wgsl` has made the factor on every term.
override TERMS: u32;

@group(0) @binding(6) var<storage, read> factors: array<f32>;

fn weight(term: u32, x: u32, y: u32) -> f32 {
  return factors[(term * frame.half.height + y) * frame.half.width + x];
}
