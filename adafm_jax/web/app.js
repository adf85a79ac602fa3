// The page: wires what is seen to what is computed.

import {chooseEngine} from './engine/choose.js';
import {Instrument} from './instrument.js';
import {Panel} from './panel.js';
import {PictureError} from './pictures.js';
import {Session} from './session.js';
import {Viewer} from './viewer.js';

const SLOW_MS = 500; // from here on progress is shown
const at = (id) => document.getElementById(id);

/** @typedef {{server: boolean, models: object[], samples: object[],
 *     preview?: object, open?: string}} Site  what site.json says */

async function start() {
  const site = await (await fetch('site.json')).json();
  const engine = await chooseEngine(site);
  if (!engine) {
    document.body.classList.add('dead');
    at('engine').textContent = 'no WebGPU';
    sorry('This browser has no WebGPU, which the page computes with: open it in'
      + ' a current Chrome, Edge, Safari or Firefox, or run “adafm demo” on this'
      + ' computer, which needs none.');
    return;
  }
  new Page(site, engine);
}

class Page {
  #site;
  #session;
  #viewer;
  #instrument;
  #panel;
  #slow = 0;
  #live = false;

  constructor(site, engine) {
    this.#site = site;
    this.#session = new Session(engine);
    this.#viewer = new Viewer(at('stage'), {
      moved: () => this.#restore(false),
      painted: () => this.#panel.painted(),
    });
    this.#instrument = new Instrument(this.#session, at,
      (level, live) => this.#setLevel(level, live));
    this.#panel = new Panel(site, this.#session, this.#viewer, at, {
      open: (file, harm, sample) => this.#open(file, harm, sample),
      restore: (live) => this.#restore(live),
      busy: (work) => this.#busy(work),
    });
    this.#describeEngine();
    this.#listModels();
    this.#listen();
    this.#begin();
  }

  async #begin() {
    const {models, open, samples} = this.#site;
    await this.#use(models[0].file);
    // What was opened or dropped meanwhile stays.
    if (!this.#session.empty) return;
    if (open) {
      await this.#open(fetch(open).then((answer) => answer.blob()), false);
    } else if (samples.length) {
      await this.#panel.openSample(samples[0]);
    }
  }

  #use(file) {
    return this.#busy(async () => {
      try {
        await this.#session.useModel(file);
      } catch (error) {
        const shown = this.#session.model?.name;
        for (const radio of at('models').querySelectorAll('input')) {
          radio.checked = radio.value === shown;
        }
        throw error;
      }
      this.#panel.input();
    });
  }

  #describeEngine() {
    const {kind, software} = this.#session.engine;
    at('engine').textContent = kind === 'server'
      ? 'Computed by the server on this address'
      : software ? 'Computed here in software: right, but slow'
        : 'Live on this device; the picture stays here';
    document.body.dataset.engine = kind;
    this.#session.engine.lost?.then(() => sorry('The graphics device was lost;'
      + ' reload the page to go on.'));
  }

  /** How long the last part took, where there is a figure. */
  #showSpeed() {
    const {spent} = this.#session.engine;
    if (!spent) return;
    const {width, height, milliseconds, device} = spent;
    const time = milliseconds < 100 ? `${milliseconds.toFixed(1)} ms`
      : `${(milliseconds / 1000).toFixed(2)} s`;
    at('speed').textContent = `${width} × ${height} in ${time}`;
    at('speed').title = device ? 'The network, by the graphics device’s clock'
      : 'From asking to having the pixels';
  }

  #listModels() {
    this.#site.models.forEach(({name, title, file}, i) => {
      const label = document.createElement('label');
      const input = document.createElement('input');
      Object.assign(input, {type: 'radio', name: 'model', value: name,
        checked: !i});
      const text = document.createElement('span');
      text.textContent = title;
      label.append(input, text);
      input.addEventListener('change', () => this.#use(file));
      at('models').append(label);
    });
    at('models').hidden = this.#site.models.length < 2;
  }

  #listen() {
    const session = this.#session;
    const on = (name, act) => session.addEventListener(name,
      (event) => act(event.detail));
    on('input', ({another}) => this.#showInput(another));
    on('tile', () => {
      if (this.#live) this.#idle();
      this.#viewer.redraw();
      this.#showSpeed();
      this.#endIfQuick();
    });
    on('progress', ({share, live}) => this.#progress(share, live));
    on('done', () => this.#done());
    on('sweep', () => this.#instrument.sweep());
    on('failed', ({error}) => {
      this.#idle();
      if (error.name !== 'AbortError') sorry(error.message);
    });
    this.#hold(at('hold'));
    const click = (id, act) => at(id).addEventListener('click', act);
    click('zoom-in', () => this.#viewer.zoomBy(1.5));
    click('zoom-out', () => this.#viewer.zoomBy(1 / 1.5));
    click('zoom-100', () => this.#viewer.zoomTo(1));
    click('fit', () => this.#viewer.fit());
    at('sorry').querySelector('button').addEventListener('click', () => {
      at('sorry').hidden = true;
    });
    at('stage').addEventListener('keydown', (event) => this.#key(event));
    at('stage').addEventListener('keyup', (event) => {
      if (event.key === ' ') this.#compare(false);
    });
    this.#drops();
  }

  #showInput(another) {
    const {before, after} = this.#session;
    this.#viewer.show(before, after, !another);
    this.#instrument.reset();
    this.#instrument.score(null);
    this.#panel.input();
    this.#restore(false);
  }

  #setLevel(level, live) {
    if (!this.#session.input) return;
    this.#session.level = level;
    this.#instrument.update();
    this.#panel.update();
    this.#restore(live);
  }

  #restore(live) {
    if (!this.#session.input) return;
    this.#session.restore(this.#viewer.view, live);
  }

  #done() {
    this.#idle();
    const scores = this.#session.scores();
    this.#instrument.score(scores);
    at('status').textContent = `Restored, ${at('value').textContent}`
      + (scores ? `, ${scores.output.toFixed(1)} dB` : '') + '.';
    document.body.dataset.done = String(
      Number(document.body.dataset.done ?? 0) + 1);
  }

  #progress(share, live) {
    this.#live = live;
    this.#slow ||= setTimeout(() => {
      at('progress').hidden = false;
    }, SLOW_MS);
    const percent = Math.round(100 * share);
    at('progress').firstElementChild.style.width = `${Math.max(4, percent)}%`;
    at('progress').setAttribute('aria-valuenow', String(percent));
  }

  #endIfQuick() {
    const {clean, engine} = this.#session;
    // While dragging: the figure follows, if that costs no frame.
    if (clean && engine.kind && clean.width * clean.height <= 512 * 512) {
      this.#instrument.score(this.#session.scores());
    }
  }

  #idle() {
    clearTimeout(this.#slow);
    this.#slow = 0;
    at('progress').hidden = true;
  }

  /** Runs what may take long: says so after a while, and shows mistakes. */
  async #busy(work, text = 'Preparing…') {
    const timer = setTimeout(() => {
      at('busy').textContent = text;
      at('busy').hidden = false;
    }, SLOW_MS);
    try {
      await work();
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof PictureError)) console.warn(error);
      sorry(error.message);
    } finally {
      clearTimeout(timer);
      at('busy').hidden = true;
    }
  }

  async #open(file, harm, sample) {
    at('sorry').hidden = true;
    await this.#busy(() => this.#session.open(file, harm, sample), 'Opening…');
  }

  #compare(held) {
    this.#viewer.held = held;
    at('hold').setAttribute('aria-pressed', String(held));
  }

  #hold(button) {
    button.addEventListener('pointerdown', (event) => {
      button.setPointerCapture(event.pointerId);
      this.#compare(true);
    });
    for (const name of ['pointerup', 'pointercancel', 'blur']) {
      button.addEventListener(name, () => this.#compare(false));
    }
    button.addEventListener('keydown', (event) => {
      if (event.key === ' ' || event.key === 'Enter') {
        event.preventDefault();
        this.#compare(true);
      }
    });
    button.addEventListener('keyup', () => this.#compare(false));
  }

  #key(event) {
    if (event.target !== at('stage') || event.ctrlKey || event.metaKey) return;
    const step = 60;
    const acts = {
      ArrowLeft: () => this.#viewer.panBy(step, 0),
      ArrowRight: () => this.#viewer.panBy(-step, 0),
      ArrowUp: () => this.#viewer.panBy(0, step),
      ArrowDown: () => this.#viewer.panBy(0, -step),
      '+': () => this.#viewer.zoomBy(1.25),
      '=': () => this.#viewer.zoomBy(1.25),
      '-': () => this.#viewer.zoomBy(0.8),
      0: () => this.#viewer.fit(),
      1: () => this.#viewer.zoomTo(1),
      ' ': () => this.#compare(true),
    };
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }

  #drops() {
    let depth = 0;
    const over = (change) => {
      depth = Math.max(0, depth + change);
      document.body.classList.toggle('dropping', depth > 0);
    };
    addEventListener('dragenter', () => over(1));
    addEventListener('dragleave', () => over(-1));
    addEventListener('dragover', (event) => event.preventDefault());
    addEventListener('drop', (event) => {
      event.preventDefault();
      over(-depth);
      const [file] = event.dataTransfer.files;
      if (file) this.#open(file, false);
    });
    addEventListener('paste', (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (file) this.#open(file, false);
    });
  }
}

/** Tells what went wrong, in a sentence. */
function sorry(text) {
  at('sorry').firstElementChild.textContent = text;
  at('sorry').hidden = false;
}

start().catch((error) => sorry(error.message));
