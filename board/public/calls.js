// Calls of Gateway:: that PHP makes for this page, and the list of them.

import { request, Unreachable } from './api.js';

const LISTED = 60;

const list = document.getElementById('calls');
const watchers = [];

// Is told after each call; the argument is the method's name.
export function afterCall(watcher) {
  watchers.push(watcher);
}

// Has PHP call a method; returns the reply, or null if PHP cannot be reached.
export async function call(method, args = {}, more = {}) {
  let reply;
  try {
    reply = await request('call', { method, arguments: args, ...more });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    watchers.forEach((watcher) => watcher(method));
    return null;
  }
  add(reply, method);
  watchers.forEach((watcher) => watcher(method));
  return reply;
}

function add(reply, method) {
  document.getElementById('no-calls').hidden = true;
  const item = document.createElement('li');
  const code = item.appendChild(document.createElement('code'));
  code.className = 'call';
  // What was refused has no code: it was not called.
  code.textContent = reply.code ?? `Gateway::${method}()`;
  const outcome = item.appendChild(document.createElement('code'));
  if (reply.error) {
    item.className = 'failed';
    outcome.textContent = `${reply.error.class.replace('GatewayWorker\\Lib\\', '')}: ${reply.error.message}`;
  } else {
    outcome.textContent = `→ ${reply.result}`;
  }
  if (reply.ms !== undefined) {
    const time = item.appendChild(document.createElement('span'));
    time.className = 'soft';
    time.textContent = `${reply.ms.toFixed(reply.ms < 10 ? 2 : 0)} ms`;
  }
  list.prepend(item);
  while (list.children.length > LISTED) list.lastElementChild.remove();
}

// Whether a call may tell the gateways something new about a client.
export function changesPresence(method) {
  return /^(bind|unbind|join|leave|ungroup|set|update|close|destroy)/.test(method);
}

// A value as PHP code, for the preview.
export function php(text) {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
