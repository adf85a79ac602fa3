// Where the picture lies on the stage: its scale and its place, in pixels of
// the screen.

const MAX_SCALE = 16;

/** @typedef {import('./engine/tiles.js').Rect} Rect */

export class Placement {
  scale = 1; // screen pixels per pixel of the picture
  x = 0; // of the picture's left upper corner
  y = 0;
  fitted = true; // whether it fills the screen, as until it is moved
  picture = null;

  /** @param {HTMLCanvasElement} screen */
  constructor(screen) {
    this.screen = screen;
  }

  /**
   * The part of the picture that is seen, in whole pixels of it.
   *
   * @returns {Rect}
   */
  get view() {
    const {width, height} = this.screen;
    const [left, top] = this.inPicture({x: 0, y: 0})
      .map((at) => Math.max(0, Math.floor(at)));
    const [right, bottom] = this.inPicture({x: width, y: height})
      .map(Math.ceil);
    return {x: left, y: top,
      width: Math.max(1, Math.min(this.picture.width, right) - left),
      height: Math.max(1, Math.min(this.picture.height, bottom) - top)};
  }

  /** The columns of the screen that show the picture. */
  get span() {
    return {left: Math.max(0, this.x), right: Math.min(this.screen.width,
      this.x + this.picture.width * this.scale)};
  }

  /** A point of the screen in pixels of the picture. */
  inPicture({x, y}) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  fit() {
    this.fitted = true;
    const {picture, screen} = this;
    if (!picture) return;
    this.scale = Math.min(MAX_SCALE, screen.width / picture.width,
      screen.height / picture.height);
    this.#keepInSight();
  }

  /** Zooms to a scale, with one point of the screen at rest. */
  zoomTo(scale, x = this.screen.width / 2, y = this.screen.height / 2) {
    const {picture, screen} = this;
    if (!picture) return;
    const least = Math.min(1, screen.width / picture.width / 2,
      screen.height / picture.height / 2);
    const next = Math.min(MAX_SCALE, Math.max(least, scale));
    this.x = x - (x - this.x) * next / this.scale;
    this.y = y - (y - this.y) * next / this.scale;
    this.scale = next;
    this.fitted = false;
    this.#keepInSight();
  }

  /** Moves the picture by screen pixels. */
  panBy(x, y) {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.#keepInSight();
  }

  /** Gives the screen another size; what was in the middle stays there. */
  resize(width, height) {
    const {screen} = this;
    this.x += (width - screen.width) / 2;
    this.y += (height - screen.height) / 2;
    Object.assign(screen, {width, height});
    if (this.fitted) this.fit();
    else this.#keepInSight();
  }

  #keepInSight() {
    const {picture, screen} = this;
    if (!picture) return;
    const keep = (at, size, room) => {
      if (size <= room) return (room - size) / 2;
      return Math.min(0, Math.max(room - size, at));
    };
    this.x = keep(this.x, picture.width * this.scale, screen.width);
    this.y = keep(this.y, picture.height * this.scale, screen.height);
  }
}
