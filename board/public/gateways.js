// The gateways: what Gateway::status() says about each, next to what the development gateway says
// itself.

import { request } from './api.js';
import { say, sayIn, t, translate } from './texts.js';

// The counters that are shown large; all others are in the list below.
const FIGURES = ['accepted', 'written', 'queued', 'dropped'];
// A chart has at most this many samples, and covers this many milliseconds.
const SAMPLES = 120;
const SPAN = 60000;
// A rate is an average over at least this many milliseconds: one frame between two quick looks is
// no burst.
const WINDOW = 1000;

const list = document.getElementById('gateways');
const gateways = [];

export function allGateways() {
  return gateways;
}

// Takes in a reply to `status`: `gateways`, and `status` with clusters that are found by address.
// `order` is what a button does.
export function showGateways({ status, gateways: known }, order) {
  for (const [index, entry] of (known ?? []).entries()) {
    gateways[index] ??= new Gateway(index, order);
    Object.assign(gateways[index], entry);
  }
  const links = new Map();
  for (const cluster of status?.clusters ?? []) {
    for (const gateway of cluster.gateways ?? []) links.set(gateway.address, gateway);
  }
  gateways.forEach((gateway) => gateway.show(links.get(gateway.address)));
}

export function sendOrder(gateway, order) {
  return request('gateway', { gateway: gateway.index, order });
}

// How many frames were written in each of the last seconds, on average.
export function perSecond(samples, now, written) {
  const since = samples.findLast((sample) => sample.at <= now - WINDOW) ?? samples[0];
  if (!since) return 0;
  // Counters start again when a gateway has left the list and come back.
  return Math.max(0, written - since.written) / (Math.max(WINDOW, now - since.at) / 1000);
}

class Gateway {
  constructor(index, order) {
    this.index = index;
    this.number = index + 1;
    this.samples = [];
    this.element = document.getElementById('gateway').content.cloneNode(true).firstElementChild;
    translate(this.element);
    this.find = (selector) => this.element.querySelector(selector);
    this.element.dataset.gateway = this.number;
    say(this.find('h3'), 'gateway.name', { number: this.number });
    for (const name of FIGURES) {
      const group = this.find('.figures').appendChild(document.createElement('div'));
      sayIn(group, 'title', `${name}.title`);
      say(group.appendChild(document.createElement('dt')), name);
      const figure = group.appendChild(document.createElement('dd'));
      figure.dataset.figure = name;
    }
    this.element.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) order(this, button.dataset.order ?? 'open');
    });
    list.append(this.element);
  }

  // `link` is what status() says; undefined where it says nothing.
  show(link) {
    const state = this.stateOf(link);
    this.element.dataset.state = state;
    say(this.find('.badge'), `link.${state}`);
    this.find('.address').textContent = this.address;
    say(this.find('.clients'), 'gateway.clients', { count: this.clients });
    for (const name of FIGURES) {
      const figure = this.find(`[data-figure=${name}]`);
      const text = String(link?.[name] ?? 0);
      if (figure.textContent !== text) figure.textContent = text;
      figure.dataset.zero = text === '0';
    }
    this.showError(link);
    for (const button of this.element.querySelectorAll('[data-order]')) {
      const { order } = button.dataset;
      button.hidden = order === 'start' ? this.alive
        : !this.alive || (order === 'pause' ? this.paused : order === 'resume' && !this.paused);
    }
    this.find('.open-here').hidden = !this.alive;
    this.showChart(link);
    this.showAll(link);
  }

  stateOf(link) {
    if (!this.alive) return ['failed', 'connecting'].includes(link?.link?.state) ? 'failed' : 'stopped';
    if (this.paused) return 'paused';
    const state = link?.link?.state ?? 'none';
    return ['unused', 'connecting', 'online', 'failed', 'retired'].includes(state) ? state : 'none';
  }

  showError(link) {
    const error = link?.link?.error ?? link?.last_error ?? null;
    this.find('.error-text').hidden = !error || link?.link?.state !== 'failed';
    this.find('.error-text').textContent = error ?? '';
  }

  showChart(link) {
    const now = performance.now();
    const written = link?.written ?? 0;
    const rate = perSecond(this.samples, now, written);
    this.samples.push({ at: now, written, queued: link?.queued ?? 0, rate });
    this.samples = this.samples.filter((sample) => sample.at > now - SPAN).slice(-SAMPLES);
    const x = (sample) => 240 - (now - sample.at) / SPAN * 240;
    const line = (name) => {
      const top = Math.max(1, ...this.samples.map((sample) => sample[name]));
      return this.samples.map((sample) => `${x(sample).toFixed(1)} ${(34 - sample[name] / top * 31).toFixed(1)}`);
    };
    this.find('.rate').setAttribute('d', `M${line('rate').join('L')}`);
    this.find('.queue').setAttribute('d', `M${x(this.samples[0]).toFixed(1)} 36L${line('queued').join('L')}L240 36Z`);
    const most = (name) => Math.round(Math.max(...this.samples.map((sample) => sample[name])));
    say(this.find('figcaption'), 'chart.text', { rate: most('rate'), queued: most('queued') });
  }

  // Whatever there is, known by name here or not.
  showAll(link) {
    const rows = [];
    const add = (name, value) => {
      if (value !== null && typeof value === 'object') {
        for (const [key, inner] of Object.entries(value)) add(name === '' ? key : `${name}.${key}`, inner);
        return;
      }
      const term = document.createElement('dt');
      term.textContent = name;
      const description = document.createElement('dd');
      description.textContent = typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(3) : String(value);
      rows.push(term, description);
    };
    if (link) {
      add('', link);
    } else {
      const none = document.createElement('dd');
      say(none, 'more.none');
      rows.push(none);
    }
    this.find('.all').replaceChildren(...rows);
  }
}

// The facts about the process and its register.
export function showProcess(status) {
  const cluster = status.clusters?.[0];
  const register = cluster?.register;
  const facts = [
    ['fact.version', status.version],
    ['fact.pid', status.pid],
    ['fact.threads', status.threads],
    ['fact.register', register ? register.connected ?? t('fact.lost') : t('fact.none')],
    ['fact.list', typeof register?.list_age === 'number'
      ? t('fact.age', { seconds: Math.round(register.list_age) }) : t('fact.none')],
  ];
  const children = facts.map(([key, value]) => {
    const group = document.createElement('div');
    say(group.appendChild(document.createElement('dt')), key);
    group.appendChild(document.createElement('dd')).textContent = value;
    return group;
  });
  document.getElementById('process').replaceChildren(...children);
}
