// One strength for the whole picture: `modulate.wgsl` has combined the terms of
// the path into one.
const TERMS = 1u;

fn weight(term: u32, x: u32, y: u32) -> f32 {
  return 1;
}
