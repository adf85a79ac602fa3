// How a region of a photograph is cut into tiles that are exact.

/** @typedef {{x: number, y: number, width: number, height: number}} Rect */

/**
 * Cuts a region into tiles of about one size, the nearest to its middle first.
 *
 * @param {Rect} rect
 * @param {number} side  most pixels of a tile's side
 * @returns {Rect[]}
 */
export function cut({x, y, width, height}, side) {
  const columns = Math.ceil(width / side);
  const rows = Math.ceil(height / side);
  const at = (i, count, size) => Math.round(i * size / count);
  const tiles = [];
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const [left, right] = [at(i, columns, width), at(i + 1, columns, width)];
      const [top, bottom] = [at(j, rows, height), at(j + 1, rows, height)];
      tiles.push({
        x: x + left, y: y + top, width: right - left, height: bottom - top,
        distance: Math.hypot((left + right - width) / 2,
          (top + bottom - height) / 2),
      });
    }
  }
  tiles.sort((a, b) => a.distance - b.distance);
  return tiles.map(({distance, ...tile}) => tile);
}

/**
 * A tile with all that its pixels depend on. It begins at even pixels, where
 * the stride of the whole picture does, and its sizes are even: an odd picture
 * is continued by a pixel.
 *
 * @param {Rect} tile
 * @param {number} halo  even
 * @param {{width: number, height: number}} picture
 * @returns {Rect}
 */
export function around(tile, halo, picture) {
  const even = (n) => n + n % 2;
  const axis = (begin, size, all) => {
    const from = Math.max(0, begin - begin % 2 - halo);
    const to = Math.min(even(all), even(begin + size) + halo);
    return [from, to - from];
  };
  const [x, width] = axis(tile.x, tile.width, picture.width);
  const [y, height] = axis(tile.y, tile.height, picture.height);
  return {x, y, width, height};
}

/** Whether a rectangle lies within another. */
export function contains(outer, inner) {
  return outer.x <= inner.x && outer.y <= inner.y
    && outer.x + outer.width >= inner.x + inner.width
    && outer.y + outer.height >= inner.y + inner.height;
}
