// The region that the brush has painted.

/**
 * What has been painted, for the scheduler.
 *
 * @param {?HTMLCanvasElement} canvas
 * @returns {?import('./scheduler.js').Mask}
 */
export function readMask(canvas) {
  if (!canvas) return null;
  const {width, height} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  const weights = new Uint8Array(width * height);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      weights[i] = data[4 * i + 3];
      if (!weights[i]) continue;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
      if (y < top) top = y;
      bottom = y + 1;
    }
  }
  const bounds = bottom ? {x: left, y: top, width: right - left,
    height: bottom - top} : null;
  return {weights, width, bounds};
}
