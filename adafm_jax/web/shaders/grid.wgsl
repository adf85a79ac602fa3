// Feature maps lie in planes of four channels, each with a border of zeros, so
// that no filter has to ask whether it looks beyond the edge. `row` and `plane`
// count vec4s; `border` is as wide as the widest filter reaches.
struct Grid {
  width: u32,
  height: u32,
  row: u32,
  plane: u32,
}

struct Frame {
  half: Grid,
  full: Grid,
  photo: vec2u,   // its size in pixels
  origin: vec2u,  // of the tile in the photograph, even
  inner: vec4u,   // left, top, right, bottom of what the tile is exact in
  border: u32,
  grey: u32,      // whether red, green and blue are equal in every pixel
}

@group(0) @binding(0) var<uniform> frame: Frame;

fn place(grid: Grid, group: u32, x: u32, y: u32) -> u32 {
  return group * grid.plane + (y + frame.border) * grid.row + x + frame.border;
}
