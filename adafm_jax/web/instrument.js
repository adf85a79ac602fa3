// The instrument below the picture: strip, curve and slider on one axis.

import {canvasOf} from './pictures.js';

const SVG = 'http://www.w3.org/2000/svg';

/** A level as people say it: 'sigma 45', 'q 30', '× 3.4'. */
export function label({prefix, whole}, level) {
  const sign = prefix === 'x' ? '×' : prefix;
  return `${sign}${Number(level.toFixed(whole ? 0 : prefix === 'x' ? 2 : 1))}`;
}

/** The number alone, as short as it can be told from its neighbours. */
function short({prefix}, level) {
  return prefix === 'x' ? `×${level.toFixed(2)}`
    : String(Math.round(level));
}

export class Instrument {
  #session;
  #at;
  #change;

  /**
   * @param {import('./session.js').Session} session
   * @param {(id: string) => HTMLElement} at
   * @param {(level: number, live: boolean) => void} change
   */
  constructor(session, at, change) {
    this.#session = session;
    this.#at = at;
    this.#change = change;
    const slider = at('level');
    slider.addEventListener('input', () =>
      change(this.#levelOf(Number(slider.value)), true));
    slider.addEventListener('change', () =>
      change(this.#levelOf(Number(slider.value)), false));
    slider.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Another picture or model: the ends, the mark, an empty strip. */
  reset() {
    const {model, cells, estimate} = this.#session;
    const {levels} = model;
    const slider = this.#at('level');
    [slider.min, slider.max] = [0, 1];
    this.#at('start').textContent = label(levels, levels.start);
    this.#at('end').textContent = label(levels, levels.end);
    const mark = this.#at('mark');
    mark.hidden = estimate === null;
    if (estimate !== null) {
      const at = this.#position(estimate);
      mark.style.setProperty('--at', Math.min(1, Math.max(0, at)));
      mark.textContent = this.#markText(estimate, at);
      mark.classList.toggle('flip', at > 0.72);
    }
    this.#at('curve').replaceChildren();
    this.#at('curve').setAttribute('aria-label', '');
    this.#at('dot').hidden = true;
    this.#at('strip').setAttribute('aria-busy', 'true');
    this.#at('strip').replaceChildren(...cells.map((level) => {
      const button = document.createElement('button');
      button.type = 'button';
      const text = document.createElement('span');
      text.textContent = short(levels, level);
      button.append(canvasOf(1, 1), text);
      button.setAttribute('aria-label', `Restore for ${label(levels, level)}`);
      button.addEventListener('click', () => this.#change(level, false));
      return button;
    }));
    this.update();
  }

  /** Shows the present level. */
  update() {
    const {model, level, cells} = this.#session;
    const {levels} = model;
    const slider = this.#at('level');
    const position = this.#position(level);
    slider.value = position;
    slider.style.setProperty('--at', position);
    const strength = this.#session.strength(level).toFixed(2);
    slider.setAttribute('aria-valuetext',
      `${label(levels, level)}, strength ${strength}`);
    this.#at('value').textContent = label(levels, level);
    this.#at('strength').textContent = `strength ${strength}`;
    const step = 1 / cells.length;
    [...this.#at('strip').children].forEach((button, i) => {
      const here = Math.min(cells.length - 1, Math.floor(position / step)) === i;
      button.setAttribute('aria-pressed', String(here));
    });
    this.#moveDot();
  }

  /** Shows PSNR, or nothing where there is no original to compare with. */
  score(scores) {
    const output = this.#at('score');
    output.hidden = !scores;
    if (!scores) return;
    const gain = scores.output - scores.input;
    output.replaceChildren(
      ...[['b', `${scores.output.toFixed(2)} dB`],
        ['span', `${gain < 0 ? '−' : '+'}${Math.abs(gain).toFixed(2)} over the`
          + ' input']].map(([tag, text]) => {
        const element = document.createElement(tag);
        element.textContent = text;
        return element;
      }));
    output.title = `PSNR against the original${this.#session.luma
      ? ', of luma' : ', of red, green and blue'}`;
  }

  /** Fills the strip and draws the curve. */
  sweep() {
    const {sweep, model} = this.#session;
    const {rect, results, scores} = sweep;
    const centre = detail(results.at(-1), rect);
    this.#at('strip').setAttribute('aria-busy', 'false');
    [...this.#at('strip').children].forEach((button, i) => {
      const canvas = button.querySelector('canvas');
      const box = button.getBoundingClientRect();
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(box.height * ratio));
      paint(canvas, results[i + 1], rect, centre);
    });
    if (!scores) return;
    const low = Math.min(...scores);
    const high = Math.max(...scores);
    const y = (score) => 92 - 80 * (score - low) / Math.max(0.2, high - low);
    const points = sweep.levels.map((level, i) =>
      [1000 * this.#position(level), y(scores[i])]);
    this.points = points;
    const line = smooth(points);
    const curve = this.#at('curve');
    curve.replaceChildren(
      shape('path', {d: `${line} L 1000 100 L 0 100 Z`, class: 'area'}),
      shape('path', {d: line, class: 'line'}));
    for (const [id, score] of [['start', scores[0]], ['end', scores.at(-1)]]) {
      const figure = document.createElement('b');
      figure.textContent = `${score.toFixed(1)} dB`;
      this.#at(id)[id === 'start' ? 'append' : 'prepend'](figure);
    }
    const best = sweep.levels[scores.indexOf(high)];
    curve.setAttribute('aria-label', `PSNR over the slider: from`
      + ` ${scores[0].toFixed(1)} dB at ${label(model.levels, sweep.levels[0])}`
      + ` to ${scores.at(-1).toFixed(1)} dB at`
      + ` ${label(model.levels, sweep.levels.at(-1))}; best near`
      + ` ${label(model.levels, best)} with ${high.toFixed(1)} dB`);
    this.#moveDot();
  }

  #moveDot() {
    const dot = this.#at('dot');
    dot.hidden = !this.#session.sweep?.scores;
    if (dot.hidden) return;
    const x = 1000 * this.#position(this.#session.level);
    dot.style.setProperty('--at', x / 1000);
    dot.style.setProperty('--y', height(this.points, x) / 100);
  }

  #markText(estimate, at) {
    const {harm, model: {levels}} = this.#session;
    const outside = at < -0.02 ? 'weaker than the slider: '
      : at > 1.02 ? 'stronger than the slider: ' : '';
    const what = levels.task === 'sr' ? (harm.on ? 'shrunk by' : 'enlarged by')
      : levels.task === 'dejpeg' ? 'saved at' : 'estimated';
    return `${outside}${what} ${label(levels, estimate)}`;
  }

  #position(level) {
    const {start, end} = this.#session.model.levels;
    return (level - start) / (end - start);
  }

  #levelOf(position) {
    const {start, end, whole} = this.#session.model.levels;
    const level = start + position * (end - start);
    return whole ? Math.round(level) : level;
  }

  /** A hundredth of the way a key; ten with Shift or a page. */
  #key(event) {
    const step = event.shiftKey ? 0.1 : 0.01;
    const moves = {ArrowLeft: -step, ArrowDown: -step, ArrowRight: step,
      ArrowUp: step, PageDown: -0.1, PageUp: 0.1};
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const {start, end, whole} = this.#session.model.levels;
    const size = Math.abs(end - start);
    const least = whole ? Math.ceil(Math.abs(moves[event.key]) * size) / size
      : Math.abs(moves[event.key]);
    const next = this.#position(this.#session.level)
      + Math.sign(moves[event.key]) * least;
    this.#change(this.#levelOf(Math.min(1, Math.max(0, next))), false);
  }
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  return element;
}

/** A monotone cubic through points, as an SVG path. */
function smooth(points) {
  const slopes = tangents(points);
  return points.map(([x, y], i) => {
    if (!i) return `M ${x} ${y}`;
    const [px, py] = points[i - 1];
    const third = (x - px) / 3;
    return `C ${px + third} ${py + slopes[i - 1] * third}`
      + ` ${x - third} ${y - slopes[i] * third} ${x} ${y}`;
  }).join(' ');
}

/** Slopes that make no new hills (Fritsch and Carlson's, the harmonic mean). */
function tangents(points) {
  const chords = points.slice(1).map(([x, y], i) =>
    (y - points[i][1]) / Math.max(1e-9, x - points[i][0]));
  return points.map((_, i) => {
    const [left, right] = [chords[i - 1], chords[i]];
    if (left === undefined) return right;
    if (right === undefined) return left;
    return left * right <= 0 ? 0 : 2 * left * right / (left + right);
  });
}

/** The same curve's height at x. */
function height(points, x) {
  const slopes = tangents(points);
  const i = Math.max(0, Math.min(points.length - 2,
    points.findLastIndex(([at]) => at <= x)));
  const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
  const size = Math.max(1e-9, x1 - x0);
  const t = Math.min(1, Math.max(0, (x - x0) / size));
  return (1 + 2 * t) * (1 - t) ** 2 * y0 + t * (1 - t) ** 2 * size * slopes[i]
    + t * t * (3 - 2 * t) * y1 + t * t * (t - 1) * size * slopes[i + 1];
}

/** Where the most is to be seen: the middle of the liveliest 32 pixels. */
function detail(data, {width, height}) {
  const size = 32;
  let [best, most] = [{x: width / 2, y: height / 2}, 0];
  for (let top = 0; top + size <= height; top += size / 2) {
    for (let left = 0; left + size <= width; left += size / 2) {
      let [sum, square] = [0, 0];
      for (let y = top; y < top + size; y += 2) {
        for (let x = left; x < left + size; x += 2) {
          const green = data[4 * (y * width + x) + 1];
          sum += green;
          square += green * green;
        }
      }
      const spread = square / 256 - (sum / 256) ** 2;
      if (spread > most) {
        [best, most] = [{x: left + size / 2, y: top + size / 2}, spread];
      }
    }
  }
  return best;
}

/** A part of a result around a place, pixel by pixel if it is large enough. */
function paint(canvas, data, {width, height}, {x, y}) {
  const source = canvasOf(width, height);
  source.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
  const scale = Math.max(1, canvas.width / width, canvas.height / height);
  const [wide, high] = [canvas.width / scale, canvas.height / scale];
  const within = (at, size, all) =>
    Math.round(Math.min(all - size, Math.max(0, at - size / 2)));
  canvas.getContext('2d').drawImage(source, within(x, wide, width),
    within(y, high, height), wide, high, 0, 0, canvas.width, canvas.height);
}
