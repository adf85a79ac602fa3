// The side of the page: which picture, how it is harmed, the brush, the file.

import {clamp} from './session.js';
import {label} from './instrument.js';
import {readMask} from './mask.js';

const BRUSH_PIXELS = 44;
const WORDS = {
  denoise: {question: 'Noise removed for', harm: 'Noise to add',
    check: 'Add noise to this picture first'},
  dejpeg: {question: 'JPEG repaired for', harm: 'JPEG quality to save at',
    check: 'Compress this picture first'},
  sr: {question: 'Sharpened for', harm: 'Shrink by, and enlarge again',
    check: 'Shrink it first, to compare'},
};

export class Panel {
  #site;
  #session;
  #viewer;
  #at;
  #act;
  #model = null;
  #timer = 0;

  /**
   * @param {object} site
   * @param {import('./session.js').Session} session
   * @param {import('./viewer.js').Viewer} viewer
   * @param {(id: string) => HTMLElement} at
   * @param {{open: Function, restore: Function, busy: Function}} act
   */
  constructor(site, session, viewer, at, act) {
    this.#site = site;
    this.#session = session;
    this.#viewer = viewer;
    this.#at = at;
    this.#act = act;
    this.#listSamples();
    this.#listen();
  }

  async openSample(sample) {
    const file = fetch(sample.file).then((answer) => answer.blob());
    await this.#act.open(file, true, sample);
  }

  /** Another model: what its levels are called, and how far they go. */
  #showModel(model) {
    this.#model = model;
    const {levels} = model;
    const words = WORDS[levels.task];
    this.#at('question').textContent = words.question;
    this.#at('degrade-title').textContent = words.harm;
    this.#at('degrade-check').lastChild.textContent = ` ${words.check}`;
    const amount = this.#at('amount');
    amount.min = Math.min(levels.start, levels.end);
    amount.max = Math.max(levels.start, levels.end);
    amount.step = levels.task === 'sr' ? 0.1 : 1;
    const brush = this.#at('brush-level');
    [brush.min, brush.max] = [0, 1];
    brush.value = 0;
    if (this.#session.brush) this.#session.brush.level = levels.start;
  }

  /** Another model, another picture, or another level of harm. */
  input() {
    const {model, original} = this.#session;
    if (!model) return;
    if (model !== this.#model) this.#showModel(model);
    this.#mark(original?.sample);
    this.#harm();
    this.#at('download-note').textContent = '';
    if (!this.#viewer.mask) this.#dropMask();
    this.update();
  }

  /** The brush has been lifted. */
  painted() {
    const mask = readMask(this.#viewer.mask);
    this.#session.brush = {level: this.#brushLevel(), mask};
    this.#at('clear').disabled = !mask?.bounds;
    this.#at('brush-level').disabled = false;
    this.update();
    this.#act.restore(false);
  }

  update() {
    const {model} = this.#session;
    if (!model) return;
    this.#at('brush-value').textContent =
      label(model.levels, this.#brushLevel());
    this.#at('brush-level').setAttribute('aria-valuetext',
      label(model.levels, this.#brushLevel()));
  }

  #harm() {
    const {harm, model: {levels}} = this.#session;
    if (!this.#timer) { // the slider is not moving
      this.#at('amount').value = harm.amount;
      this.#at('amount-value').textContent = label(levels, harm.amount);
    }
    this.#at('degrade-on').checked = harm.on;
    const enlarging = levels.task === 'sr' && !harm.on;
    this.#at('amount').disabled = !harm.on && !enlarging;
    if (levels.task === 'sr') {
      this.#at('degrade-title').textContent = harm.on ? WORDS.sr.harm
        : 'Enlarge by';
    }
  }

  #brushLevel() {
    const {start, end, whole} = this.#session.model.levels;
    const level = start + Number(this.#at('brush-level').value) * (end - start);
    return whole ? Math.round(level) : clamp(level, start, end);
  }

  #listSamples() {
    this.#at('samples').replaceChildren(...this.#site.samples.map((sample) => {
      const button = document.createElement('button');
      const image = document.createElement('img');
      Object.assign(image, {src: sample.thumb, alt: '', width: 80, height: 60});
      Object.assign(button, {type: 'button', title: sample.title});
      button.dataset.name = sample.name;
      button.setAttribute('aria-label', sample.title);
      button.append(image);
      button.addEventListener('click', () => this.openSample(sample));
      return button;
    }));
  }

  /** Which sample is shown, if it is one, and whose it is. */
  #mark(sample) {
    for (const button of this.#at('samples').children) {
      button.setAttribute('aria-pressed',
        String(button.dataset.name === sample?.name));
    }
    this.#at('about').textContent = sample?.credit ?? '';
  }

  #listen() {
    const session = this.#session;
    this.#at('file').addEventListener('change', (event) => {
      const [file] = event.target.files;
      event.target.value = '';
      if (file) this.#act.open(file, false);
    });
    this.#at('amount').addEventListener('input', (event) => {
      if (!session.original) return;
      const amount = Number(event.target.value);
      this.#at('amount-value').textContent = label(session.model.levels, amount);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#timer = 0;
        this.#prepare({amount});
      }, 120);
    });
    this.#at('degrade-on').addEventListener('change', (event) =>
      this.#prepare({on: event.target.checked}));
    this.#at('brush').addEventListener('click', () => this.#toggle(false));
    this.#at('erase').addEventListener('click', () => this.#toggle(true));
    this.#at('clear').addEventListener('click', () => {
      this.#viewer.clearMask();
      this.#dropMask();
      this.#act.restore(false);
    });
    for (const [name, live] of [['input', true], ['change', false]]) {
      this.#at('brush-level').addEventListener(name, () => {
        if (session.brush) session.brush.level = this.#brushLevel();
        this.update();
        this.#act.restore(live);
      });
    }
    this.#at('download').addEventListener('click', () => this.#download());
  }

  async #prepare(harm) {
    const session = this.#session;
    if (!session.original) return;
    const done = this.#act.busy(() => session.prepare(harm));
    this.#harm();
    await done;
    this.#harm(); // as before, if that failed
  }

  /** Takes the brush up, or the eraser, or puts it down. */
  #toggle(erase) {
    const {brush} = this.#viewer;
    const off = brush && brush.erase === erase;
    this.#viewer.brush = off ? null : {size: BRUSH_PIXELS, erase};
    const [painting, erasing] = [!off && !erase, !off && erase];
    this.#at('brush').setAttribute('aria-pressed', String(painting));
    this.#at('erase').setAttribute('aria-pressed', String(erasing));
    this.#at('erase').disabled = off && !this.#viewer.mask;
    this.#at('brush-level').disabled = off && !this.#session.brush?.mask;
    this.#at('stage').classList.toggle('painting', !off);
    this.#viewer.redraw();
  }

  #dropMask() {
    if (this.#session.brush) this.#session.brush.mask = null;
    this.#at('clear').disabled = true;
    this.#at('erase').disabled = true;
  }

  async #download() {
    const session = this.#session;
    if (!session.input) return;
    await this.#act.busy(async () => {
      await session.finish();
      const blob = await session.result(this.#viewer.mask);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      const {levels} = session.model;
      link.download = `restored-${label(levels, session.level)}.png`
        .replace(/[^\w.-]+/g, '-');
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      const {width, height} = session.input;
      this.#at('download-note').textContent = `${width} × ${height} pixels,`
        + ` ${(blob.size / 1e6).toFixed(1)} MB, PNG`;
    }, 'Making the file…');
  }
}

