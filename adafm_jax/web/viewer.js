// The stage: the picture before and after, a line between them to wipe, zoom
// and pan, and the brush. Pointer, touch and keyboard do the same things.

import {canvasOf} from './pictures.js';
import {Placement} from './placement.js';

const GRAB = 22; // CSS pixels on either side of the line that take hold of it
const WHEEL = 0.0015;
const PAINT = '#5b8cff';

export class Viewer {
  #canvas;
  #handle;
  #before = null;
  #after = null;
  #placed;
  #wipe = 0.5;
  #held = false;
  #pointers = new Map();
  #drag = null;
  #stroked = false; // whether the brush has moved since it was put down
  #frame = 0;

  /**
   * @param {HTMLElement} stage  holds a canvas and the wipe's handle
   * @param {{moved: Function, painted: Function}} report  moved: another part
   *     is in view; painted: the brush has been lifted
   */
  constructor(stage, report) {
    this.stage = stage;
    this.report = report;
    this.#canvas = stage.querySelector('canvas');
    this.#placed = new Placement(this.#canvas);
    this.#handle = stage.querySelector('[role=slider]');
    /** null, or the brush: its size in CSS pixels, and whether it erases */
    this.brush = null;
    this.mask = null;
    new ResizeObserver(() => this.#resized()).observe(stage);
    this.#listen();
  }

  /** Shows another picture; `keep` leaves zoom and place as they are. */
  show(before, after, keep = false) {
    const same = keep && this.#before
      && this.#before.width === before.width
      && this.#before.height === before.height;
    this.#before = before;
    this.#placed.picture = before;
    this.#after = after;
    if (!same) {
      this.mask = null;
      this.fit();
    }
    this.redraw();
  }

  /** Whether only the picture before is shown, for as long as this is held. */
  set held(value) {
    this.#held = value;
    this.redraw();
  }

  get wipe() {
    return this.#wipe;
  }

  set wipe(value) {
    this.#wipe = Math.min(1, Math.max(0, value));
    this.redraw();
  }

  /** The part of the picture that is seen, in whole pixels. */
  get view() {
    return this.#placed.view;
  }

  /** Screen pixels per pixel of the picture. */
  get scale() {
    return this.#placed.scale;
  }

  fit() {
    this.#placed.fit();
    this.#moved();
  }

  /** Zooms to a scale, with one point of the screen at rest. */
  zoomTo(scale, x, y) {
    this.#placed.zoomTo(scale, x, y);
    this.#moved();
  }

  zoomBy(factor, x, y) {
    this.zoomTo(this.scale * factor, x, y);
  }

  /** Moves the picture by screen pixels. */
  panBy(x, y) {
    this.#placed.panBy(x, y);
    this.#moved();
  }

  /** Forgets what the brush has painted. */
  clearMask() {
    this.mask = null;
    this.redraw();
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #resized() {
    const ratio = globalThis.devicePixelRatio || 1;
    const {clientWidth, clientHeight} = this.stage;
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    this.#placed.resize(width, height);
    this.#moved();
    this.#draw(); // a resized canvas is empty until it is drawn
  }

  #moved() {
    if (!this.#before) return;
    this.redraw();
    this.report.moved();
  }

  #draw() {
    const context = this.#canvas.getContext('2d');
    const {width, height} = this.#canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.#before) return;
    // Pixels are shown as they are where they are enlarged by far.
    const {scale, x, y} = this.#placed;
    context.imageSmoothingEnabled = scale < 3;
    context.imageSmoothingQuality = 'high';
    const place = () => context.setTransform(scale, 0, 0, scale, x, y);
    const {left, right} = this.#placed.span;
    const line = this.#held ? right : this.#line();
    const part = (image, from, to) => {
      if (to <= from) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, height);
      context.clip();
      place();
      context.drawImage(image, 0, 0);
      context.restore();
    };
    part(this.#before, left, line);
    part(this.#after, line, right);
    if (this.mask && this.#drag === 'paint') {
      place();
      context.globalAlpha = 0.45;
      context.drawImage(this.mask, 0, 0);
      context.globalAlpha = 1;
    }
    this.#placeHandle(line);
  }

  #placeHandle(line) {
    const ratio = this.#canvas.width / (this.stage.clientWidth || 1);
    this.#handle.style.transform = `translateX(${line / ratio}px)`;
    this.#handle.hidden = this.#held;
    this.#handle.setAttribute('aria-valuenow',
      String(Math.round(100 * this.#wipe)));
    this.#handle.setAttribute('aria-valuetext',
      `${Math.round(100 * this.#wipe)} % of the width shows the input`);
  }

  /** Where an event is, in pixels of the canvas. */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const ratio = this.#canvas.width / box.width;
    return {x: (event.clientX - box.left) * ratio,
      y: (event.clientY - box.top) * ratio, ratio};
  }

  #listen() {
    const {stage} = this;
    stage.addEventListener('pointerdown', (event) => this.#down(event));
    stage.addEventListener('pointermove', (event) => this.#move(event));
    for (const name of ['pointerup', 'pointercancel']) {
      stage.addEventListener(name, (event) => this.#up(event));
    }
    stage.addEventListener('wheel', (event) => {
      event.preventDefault();
      const {x, y} = this.#at(event);
      this.zoomBy(Math.exp(-event.deltaY * WHEEL), x, y);
    }, {passive: false});
    stage.addEventListener('dblclick', (event) => {
      if (this.brush) return;
      const {x, y} = this.#at(event);
      if (this.#placed.fitted) this.zoomTo(Math.max(1, 2 * this.scale), x, y);
      else this.fit();
    });
    this.#handle.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const moves = {ArrowLeft: -step, ArrowDown: -step, ArrowRight: step,
        ArrowUp: step, Home: -1, End: 1};
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      this.wipe += moves[event.key];
    });
  }

  #down(event) {
    if (!this.#before || event.button > 0) return;
    if (event.target.closest('button')) return;
    this.stage.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size === 2) {
      if (this.#drag === 'paint' && this.#stroked) this.report.painted();
      this.#drag = 'pinch';
      return;
    }
    const onHandle = Math.abs(at.x - this.#line()) < GRAB * at.ratio;
    this.#drag = this.brush ? 'paint' : onHandle ? 'wipe' : 'pan';
    this.#stroked = false; // not yet a dot: a second finger may follow
    stage(this.stage, this.#drag);
  }

  #move(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const at = this.#at(event);
    if (this.#drag === 'pinch') this.#pinch(event.pointerId, at);
    if (this.#drag === 'pan') this.panBy(at.x - last.x, at.y - last.y);
    if (this.#drag === 'paint') {
      this.#stroked = true;
      this.#paint(last, at);
    }
    if (this.#drag === 'wipe') {
      const {left, right} = this.#placed.span;
      this.wipe = (at.x - left) / (right - left);
    }
    this.#pointers.set(event.pointerId, at);
  }

  #up(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#drag === 'paint' && !this.#stroked) this.#paint(last, last);
    const what = this.#drag;
    this.#drag = this.#pointers.size ? 'pan' : null;
    stage(this.stage, this.#drag);
    if (what !== 'paint') return;
    this.redraw();
    this.report.painted();
  }

  #line() {
    const {left, right} = this.#placed.span;
    return left + this.#wipe * (right - left);
  }

  #pinch(id, at) {
    const [other] = [...this.#pointers].filter(([key]) => key !== id)
      .map(([, value]) => value);
    const last = this.#pointers.get(id);
    const middle = {x: (at.x + other.x) / 2, y: (at.y + other.y) / 2};
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const now = Math.hypot(at.x - other.x, at.y - other.y);
    this.panBy((at.x - last.x) / 2, (at.y - last.y) / 2);
    if (before > 0) this.zoomBy(now / before, middle.x, middle.y);
  }

  /** Draws a stroke into the mask, in pixels of the picture. */
  #paint(from, to) {
    this.mask ??= canvasOf(this.#before.width, this.#before.height);
    const context = this.mask.getContext('2d', {willReadFrequently: true});
    context.globalCompositeOperation =
      this.brush.erase ? 'destination-out' : 'source-over';
    context.strokeStyle = PAINT;
    context.lineCap = 'round';
    context.lineWidth = this.brush.size * to.ratio / this.scale;
    context.beginPath();
    context.moveTo(...this.#placed.inPicture(from));
    context.lineTo(...this.#placed.inPicture(to));
    context.stroke();
    this.redraw();
  }
}

/** Lets the style sheet choose a cursor. */
function stage(element, drag) {
  if (drag) element.dataset.drag = drag;
  else delete element.dataset.drag;
}
