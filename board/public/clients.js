// The clients: WebSocket connections of this page to the gateways, each with a pane.

import { call } from './calls.js';
import { say, sayIn, t, translate } from './texts.js';

// So many messages are kept in a pane, and so many characters of each.
const KEPT = 100;
const SHOWN = 160;

const panes = document.getElementById('panes');
const clients = [];
let opened = 0;
let changed = () => {};

export function onChange(watcher) {
  changed = watcher;
}

export function allClients() {
  return clients;
}

export function openClients() {
  return clients.filter((client) => client.state === 'open');
}

// Opens a client at a gateway; it is there when the promise is resolved, with its client_id.
export function openClient(gateway) {
  const client = new Client(gateway);
  clients.push(client);
  changed();
  return client.connect();
}

class Client {
  constructor(gateway) {
    this.number = ++opened;
    this.gateway = gateway;
    this.state = 'connecting';
    this.id = null;
    this.received = 0;
    this.waiting = [];
    this.presence = { uid: null, groups: [], session: {} };
    this.element = document.getElementById('pane').content.cloneNode(true).firstElementChild;
    translate(this.element);
    this.find = (selector) => this.element.querySelector(selector);
    this.element.style.setProperty('--hue', (this.number * 137 + 110) % 360);
    this.element.dataset.client = this.number;
    this.find('.avatar').textContent = this.number;
    say(this.find('h3'), 'client', { number: this.number });
    say(this.find('.pane-where'), 'gateway.name', { number: gateway.number });
    this.wire();
    this.show();
    panes.append(this.element);
  }

  wire() {
    const submit = (form, action) => this.find(form).addEventListener('submit', (event) => {
      event.preventDefault();
      action(event);
    });
    const name = (form, method, argument) => submit(form, async () => {
      const input = this.find(`${form} input`);
      const reply = await call(method, { client_id: this.id, [argument]: input.value });
      if (reply && !reply.error) input.value = '';
    });
    name('.bind', 'bindUid', 'uid');
    name('.join', 'joinGroup', 'group');
    submit('.session form', (event) => this.setSession(event.submitter.value));
    this.find('.kick').addEventListener('click', () =>
      call('closeClient', { client_id: this.id, message: t('kick.message') }));
    this.find('.close').addEventListener('click', () => this.remove());
    this.find('.reopen').addEventListener('click', () => this.connect());
    this.find('.to-this').addEventListener('click', () =>
      this.element.dispatchEvent(new CustomEvent('send-here', { bubbles: true, detail: this })));
  }

  connect() {
    this.socket?.close();
    this.id = null;
    this.presence = { uid: null, groups: [], session: {} };
    this.setState('connecting');
    const socket = this.socket = new WebSocket(`ws://${this.gateway.websocket}`);
    socket.binaryType = 'arraybuffer';
    return new Promise((resolve) => {
      socket.addEventListener('message', (event) => {
        const text = typeof event.data === 'string' ? event.data : `(${event.data.byteLength} bytes)`;
        if (this.id === null) {
          // The gateway greets with the id.
          this.id = JSON.parse(text).client_id;
          this.setState('open');
          resolve(this);
        } else {
          this.receive(text);
        }
      });
      socket.addEventListener('close', () => {
        if (this.socket === socket) this.closed();
        resolve(this);
      });
    });
  }

  // A client that is gone has no uid, no group and no session any more.
  closed() {
    this.presence = { uid: null, groups: [], session: {} };
    this.setState('closed');
  }

  setState(state) {
    this.state = state;
    this.show();
    changed();
  }

  show() {
    const open = this.state === 'open';
    this.element.dataset.state = this.state;
    say(this.find('.pane-state'), `state.${this.state}`);
    this.find('.pane-id').textContent = this.find('.pane-id').title = this.id ?? '';
    for (const control of this.element.querySelectorAll('form :is(input, button, textarea), .kick, .to-this')) {
      control.disabled = !open;
    }
    this.find('.kick').hidden = this.find('.to-this').hidden = !open;
    this.find('.reopen').hidden = this.state !== 'closed';
    this.showPresence();
    this.showCount();
  }

  // What PHP says about it.
  setPresence(presence) {
    if (JSON.stringify(presence) === JSON.stringify(this.presence)) return;
    this.presence = presence;
    this.showPresence();
  }

  showPresence() {
    const { uid, groups, session } = this.presence;
    const chips = [];
    if (uid !== null) {
      chips.push(this.chip('uid', uid, 'unbind', () => call('unbindUid', { client_id: this.id, uid })));
    }
    for (const group of groups) {
      chips.push(this.chip('group', group, 'leave.group', () => call('leaveGroup', { client_id: this.id, group })));
    }
    if (chips.length === 0) {
      const none = document.createElement('span');
      none.className = 'soft';
      say(none, 'chips.none');
      chips.push(none);
    }
    this.find('.chips').replaceChildren(...chips);
    this.find('.session-now').textContent = JSON.stringify(session);
  }

  chip(kind, name, undo, action) {
    const chip = document.createElement('span');
    chip.className = `chip ${kind}`;
    const label = chip.appendChild(document.createElement('span'));
    say(label, kind);
    label.className = 'chip-kind';
    chip.append(` ${name}`);
    if (this.state === 'open') {
      const button = chip.appendChild(document.createElement('button'));
      button.type = 'button';
      button.textContent = '×';
      sayIn(button, 'label', undo, { name });
      button.addEventListener('click', action);
    }
    return chip;
  }

  async setSession(method) {
    const error = this.find('.session .error-text');
    let session = null;
    try {
      session = JSON.parse(this.find('textarea').value);
    } catch {
      // It is null then, which is no object either.
    }
    error.hidden = session !== null && typeof session === 'object' && !Array.isArray(session);
    if (!error.hidden) return say(error, 'session.bad');
    return call(method, { client_id: this.id, session });
  }

  // Messages may come by the thousand: they are shown with the next picture.
  receive(text) {
    this.received++;
    this.waiting.push({ text, at: new Date() });
    if (this.waiting.length === 1) requestAnimationFrame(() => this.showMessages());
  }

  showMessages() {
    const list = this.find('.messages');
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    for (const { text, at } of this.waiting.splice(0).slice(-KEPT)) {
      const item = document.createElement('li');
      const words = item.appendChild(document.createElement('span'));
      // Dots at the end are what PHP has filled it up with.
      const start = text.slice(0, SHOWN).replace(/\.{9,}$/, '');
      words.textContent = text.length > SHOWN ? `${start}… (${text.length})` : text;
      const time = item.appendChild(document.createElement('time'));
      time.dateTime = at.toISOString();
      time.textContent = at.toTimeString().slice(0, 8);
      list.append(item);
    }
    while (list.children.length > KEPT) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
    this.showCount();
    this.element.classList.remove('flash');
    void this.element.offsetWidth;
    this.element.classList.add('flash');
  }

  showCount() {
    say(this.find('.received'), 'received', { count: this.received });
    this.element.dataset.received = this.received;
  }

  remove() {
    clients.splice(clients.indexOf(this), 1);
    this.element.remove();
    const { socket } = this;
    this.socket = null;
    socket.close();
    this.state = 'closed';
    changed();
  }
}
