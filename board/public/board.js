// The page: what the parts have to do with each other.

import { request, Unreachable } from './api.js';
import { afterCall, call, changesPresence, php } from './calls.js';
import { allClients, onChange, openClient, openClients } from './clients.js';
import { allGateways, sendOrder, showGateways, showProcess } from './gateways.js';
import { currentLanguage, say, setLanguage, sayIn, t } from './texts.js';

// Milliseconds from one look at the status to the next.
const INTERVAL = 500;

const get = (id) => document.getElementById(id);
const composer = get('composer');

// --- language and colours

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing: the choice holds for this visit.
  }
}

const darkWished = matchMedia('(prefers-color-scheme: dark)');

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? darkWished.matches : chosen === 'dark';
}

function showTheme() {
  say(get('theme'), isDark() ? 'theme.light' : 'theme.dark');
}

const theme = remembered('board.theme');
if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
darkWished.addEventListener('change', showTheme);
get('theme').addEventListener('click', () => {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  remember('board.theme', document.documentElement.dataset.theme);
  showTheme();
});

setLanguage(remembered('board.language') ?? (navigator.language.startsWith('zh') ? 'zh' : 'en'));
showTheme();
get('language').addEventListener('click', () => {
  setLanguage(currentLanguage() === 'en' ? 'zh' : 'en');
  remember('board.language', currentLanguage());
  showClients();
});

// --- what does not work

const alerts = new Map();

// Shows what is wrong in one respect, or that nothing is.
function setAlert(about, text) {
  if (text === null) alerts.delete(about);
  else alerts.set(about, text);
  const all = [...alerts.values()].join('\n');
  if (get('alert').textContent !== all) get('alert').textContent = all;
  get('alert').hidden = all === '';
}

function inWords(error) {
  return `${error.class.replace('GatewayWorker\\Lib\\', '')}: ${error.message}`;
}

// --- the status

let looking = null;

// Reads the status once. A caller in the meantime gets the reading after that.
function look() {
  looking ??= lookNow().finally(() => {
    looking = null;
  });
  return looking;
}

async function lookNow() {
  let reply;
  try {
    reply = await request('status');
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    setAlert('page', t('alert.page'));
    get('pulse').dataset.state = 'off';
    say(get('pulse-text'), 'live.off');
    return;
  }
  setAlert('page', null);
  setAlert('status', reply.error ? inWords(reply.error) : null);
  get('pulse').dataset.state = 'on';
  say(get('pulse-text'), 'live.on');
  if (reply.status) showProcess(reply.status);
  showGateways(reply, order);
}

async function watch() {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

async function order(gateway, what) {
  if (what === 'open') {
    await openAndShow(gateway);
    return;
  }
  let reply = {};
  try {
    reply = await sendOrder(gateway, what);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  }
  setAlert('order', reply.error ? inWords(reply.error) : null);
  await look();
  await learnPresence();
}

// --- the clients

function nextGateway() {
  const alive = allGateways().filter((gateway) => gateway.alive);
  const load = (gateway) => allClients().filter((client) => client.gateway === gateway).length;
  return alive.reduce((best, gateway) => (best === null || load(gateway) < load(best) ? gateway : best), null);
}

async function openAndShow(gateway = nextGateway()) {
  if (gateway === null) return null;
  const client = await openClient(gateway);
  client.element.scrollIntoView({ block: 'nearest' });
  await learnPresence();
  return client;
}

async function example() {
  get('example').disabled = true;
  const [first, second, third] = [await openAndShow(), await openAndShow(), await openAndShow()];
  if (third?.state === 'open') {
    await call('bindUid', { client_id: first.id, uid: 'alice' });
    await call('bindUid', { client_id: second.id, uid: 'alice' });
    await call('bindUid', { client_id: third.id, uid: 'bob' });
    await call('joinGroup', { client_id: first.id, group: 'team' });
    await call('joinGroup', { client_id: third.id, group: 'team' });
    await call('sendToAll', { message: t('to.all') });
    await call('sendToUid', { uid: 'alice', message: 'alice' });
    await call('sendToGroup', { group: 'team', message: 'team' });
  }
  get('example').disabled = false;
}

let learning = false;
let learnAgain = false;

// Asks PHP for uids, groups and sessions. One request at a time: a change in the meantime causes
// one more.
async function learnPresence() {
  if (learning) {
    learnAgain = true;
    return;
  }
  learning = true;
  do {
    learnAgain = false;
    let reply = {};
    try {
      reply = await request('presence');
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
    setAlert('presence', reply.error ? inWords(reply.error) : null);
    for (const client of reply.clients ? allClients() : []) {
      client.setPresence(reply.clients[client.id] ?? { uid: null, groups: [], session: {} });
    }
  } while (learnAgain);
  learning = false;
  showNames();
}

function showClients() {
  const clients = allClients();
  get('no-clients').hidden = clients.length > 0;
  get('client-count').textContent = openClients().length;
  get('open').hidden = clients.length === 0;
  const chosen = get('client').value;
  get('client').replaceChildren(...openClients().map((client) => {
    const option = document.createElement('option');
    option.value = client.id;
    option.textContent = t('client', { number: client.number });
    return option;
  }));
  if (openClients().some((client) => client.id === chosen)) get('client').value = chosen;
  showComposer();
}

onChange(showClients);
get('open').addEventListener('click', () => openAndShow());
get('open-first').addEventListener('click', () => openAndShow());
get('example').addEventListener('click', example);
get('panes').addEventListener('send-here', (event) => {
  composer.elements.to.value = 'client';
  get('client').value = event.detail.id;
  showComposer();
  get('message').focus();
});

// --- sending and asking

function destination() {
  return composer.elements.to.value;
}

// The call that the form stands for: its method and arguments by name, in order.
function composed() {
  const message = get('message').value;
  switch (destination()) {
    case 'group': return ['sendToGroup', { group: get('name').value, message }];
    case 'uid': return ['sendToUid', { uid: get('name').value, message }];
    case 'client': return ['sendToClient', { client_id: get('client').value, message }];
    default: return ['sendToAll', { message }];
  }
}

function showComposer() {
  const to = destination();
  const named = to === 'group' || to === 'uid';
  get('name-field').hidden = !named;
  get('name').required = named;
  if (named) {
    say(get('name-label'), `to.${to}`);
    sayIn(get('name'), 'placeholder', to);
  }
  get('client-field').hidden = to !== 'client';
  const [method, args] = composed();
  const times = get('times').value;
  get('preview').textContent = `${times === '1' ? '' : `${times} × `}Gateway::${method}(${Object.values(args).map(php).join(', ')})`;
  const hint = openClients().length === 0 ? 'hint.no.clients' : named && get('name').value === '' ? `hint.name.${to}` : null;
  get('composer-hint').hidden = hint === null;
  if (hint !== null) say(get('composer-hint'), hint);
  get('send').disabled = to === 'client' && get('client').value === '';
}

// The names that clients have, to choose from.
function showNames() {
  const names = new Set();
  for (const { presence } of openClients()) {
    if (destination() === 'group') presence.groups.forEach((group) => names.add(group));
    else if (presence.uid !== null) names.add(presence.uid);
  }
  get('names').replaceChildren(...[...names].map((name) => {
    const option = document.createElement('option');
    option.value = name;
    return option;
  }));
}

composer.addEventListener('input', showComposer);
composer.addEventListener('change', (event) => {
  if (event.target.name === 'to') {
    get('name').value = '';
    showNames();
    // The only name that there is needs not be typed.
    if (get('names').options.length === 1) get('name').value = get('names').options[0].value;
    showComposer();
  }
});
composer.addEventListener('submit', (event) => {
  event.preventDefault();
  const [method, args] = composed();
  call(method, args, { times: Number(get('times').value), size: Number(get('size').value) });
});
get('asker').addEventListener('submit', (event) => {
  event.preventDefault();
  call(get('query').value);
});
afterCall((method) => {
  look();
  if (changesPresence(method)) learnPresence();
});

showClients();
watch();
