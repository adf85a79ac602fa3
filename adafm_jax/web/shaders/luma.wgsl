// MATLAB's Y (ITU-R BT.601, 16 to 235) of a colour in 0 to 1, in units of 255.
fn luma(colour: vec3f) -> f32 {
  return (dot(colour, vec3f(65.481, 128.553, 24.966)) + 16) / 255;
}
