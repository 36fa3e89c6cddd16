// The words of the page in both languages, and how they get into it.
//
// An element says which words it wants: data-t for its content, data-t-label, data-t-title and
// data-t-placeholder for these attributes. So everything on the page changes its language at once,
// whenever it came.

export const texts = {
  en: {
    title: 'Gateway board',
    subtitle: 'From PHP through the extension and the gateways to the clients in this page, all of it live',
    language: 'Language',
    'other.language': '中文',
    theme: 'Colours: light or dark',
    'theme.dark': 'Dark',
    'theme.light': 'Light',
    'live.waiting': 'waiting for PHP',
    'live.on': 'live',
    'live.off': 'PHP does not respond',
    'alert.page': 'The server of this page does not respond. Is `make board` still running?',
    send: 'Send a message',
    'send.to': 'To',
    'send.do': 'Send',
    'send.this': 'Send to it',
    'to.all': 'Everyone',
    'to.group': 'Group',
    'to.uid': 'Uid',
    'to.client': 'One client',
    message: 'Message',
    times: 'Times',
    size: 'Size',
    'size.typed': 'as typed',
    preview: 'PHP calls',
    'hint.no.clients': 'Nobody can receive it yet: open a client first.',
    'hint.name.group': 'Name a group; clients join one in their pane.',
    'hint.name.uid': 'Name a uid; clients get one in their pane.',
    clients: 'Clients',
    open: 'Open a client',
    'open.here': '+ Client',
    'empty.title': 'No client is open yet',
    'empty.text': 'A client is a real WebSocket connection from this page to one of the gateways. Open two or three, give '
      + 'them uids and groups, then send: each message shows up in the panes of those who got it.',
    example: 'Load an example',
    'open.here.title': 'Open a client at this gateway',
    client: 'Client {number}',
    chips: 'Uid and groups',
    'chips.none': 'no uid, no group',
    bind: 'Bind',
    'bind.label': 'Uid for this client',
    uid: 'uid',
    unbind: 'Unbind the uid {name}',
    join: 'Join',
    'join.label': 'Group for this client to join',
    group: 'group',
    'leave.group': 'Leave the group {name}',
    messages: 'Messages',
    'messages.empty': 'No message yet',
    received: '{count} received',
    session: 'Session',
    'session.label': 'Session as a JSON object',
    'session.set': 'Set',
    'session.update': 'Merge',
    'session.bad': 'That is no JSON object, such as {"name": "Ann"}.',
    kick: 'Kick',
    'kick.message': 'You have been kicked',
    leave: 'Remove',
    reopen: 'Connect again',
    'state.connecting': 'connecting',
    'state.open': 'connected',
    'state.closed': 'disconnected',
    calls: 'Call log',
    'calls.empty': 'Every call that PHP makes for this page is listed here, with its return value or exception.',
    query: 'Query',
    'query.do': 'Run',
    gateways: 'Gateways',
    'gateways.hint': 'Pause a gateway, or let it crash, then send: its queue fills, and empties when it is back. The others '
      + 'are not held up.',
    'gateway.name': 'Gateway {number}',
    'gateway.clients': '· clients: {count}',
    'order.pause': 'Pause',
    'order.pause.title': 'It stops reading: what PHP sends waits, first in the network buffers, then in the queue',
    'order.resume': 'Resume',
    'order.resume.title': 'It reads again',
    'order.crash': 'Crash',
    'order.crash.title': 'It closes everything but stays on the list of the register: messages wait for its return',
    'order.stop': 'Stop',
    'order.stop.title': 'It shuts down cleanly and leaves the list of the register',
    'order.start': 'Start',
    'order.start.title': 'It comes back, without its clients',
    'link.none': 'not used yet',
    'link.unused': 'not used yet',
    'link.connecting': 'connecting',
    'link.online': 'online',
    'link.failed': 'reconnecting',
    'link.retired': 'retired',
    'link.paused': 'paused',
    'link.stopped': 'stopped',
    'chart.text': 'Last minute: up to {rate} written per second, up to {queued} queued',
    more: 'All that status() says',
    'more.none': 'Nothing yet: PHP has not used this gateway.',
    accepted: 'accepted',
    written: 'written',
    queued: 'queued',
    dropped: 'dropped',
    'accepted.title': 'Frames that the extension has accepted from PHP code',
    'written.title': 'Frames written to the gateway',
    'queued.title': 'Frames waiting to be written',
    'dropped.title': 'Frames that could not be delivered',
    'fact.version': 'version',
    'fact.pid': 'pid',
    'fact.threads': 'threads',
    'fact.register': 'register',
    'fact.list': 'list age',
    'fact.none': 'not queried yet',
    'fact.lost': 'not connected',
    'fact.age': '{seconds} s',
  },
  zh: {
    title: 'Gateway 看板',
    subtitle: '从 PHP 经扩展和 Gateway 到本页的客户端，全程实时可见',
    language: '语言',
    'other.language': 'English',
    theme: '配色：浅色或深色',
    'theme.dark': '深色',
    'theme.light': '浅色',
    'live.waiting': '等待 PHP',
    'live.on': '实时',
    'live.off': 'PHP 没有响应',
    'alert.page': '本页的服务器没有响应。`make board` 还在运行吗？',
    send: '发送消息',
    'send.to': '发给',
    'send.do': '发送',
    'send.this': '发给它',
    'to.all': '所有人',
    'to.group': '分组',
    'to.uid': 'uid',
    'to.client': '单个客户端',
    message: '消息',
    times: '次数',
    size: '大小',
    'size.typed': '原样',
    preview: 'PHP 调用',
    'hint.no.clients': '还没有接收者：请先打开一个客户端。',
    'hint.name.group': '请填写分组名；客户端在自己的面板里加入分组。',
    'hint.name.uid': '请填写 uid；客户端在自己的面板里绑定 uid。',
    clients: '客户端',
    open: '打开客户端',
    'open.here': '+ 客户端',
    'empty.title': '还没有打开客户端',
    'empty.text': '客户端是本页到某个 Gateway 的真实 WebSocket 连接。打开两三个，绑定 uid、加入分组，然后发送：消息会出现在每个收到它的面板里。',
    example: '加载示例',
    'open.here.title': '在此 Gateway 打开一个客户端',
    client: '客户端 {number}',
    chips: 'uid 和分组',
    'chips.none': '没有 uid，没有分组',
    bind: '绑定',
    'bind.label': '此客户端的 uid',
    uid: 'uid',
    unbind: '解绑 uid {name}',
    join: '加入',
    'join.label': '此客户端要加入的分组',
    group: '分组',
    'leave.group': '离开分组 {name}',
    messages: '消息',
    'messages.empty': '还没有消息',
    received: '收到 {count} 条',
    session: 'session',
    'session.label': 'JSON 对象形式的 session',
    'session.set': '设置',
    'session.update': '合并',
    'session.bad': '这不是 JSON 对象，例如 {"name": "Ann"}。',
    kick: '踢出',
    'kick.message': '你被踢出了',
    leave: '移除',
    reopen: '重新连接',
    'state.connecting': '连接中',
    'state.open': '已连接',
    'state.closed': '已断开',
    calls: '调用记录',
    'calls.empty': '本页让 PHP 执行的每次调用都列在这里，附返回值或异常。',
    query: '查询',
    'query.do': '查询',
    gateways: 'Gateway',
    'gateways.hint': '暂停一个 Gateway 或让它崩溃，然后发送：它的队列会积压，恢复后清空。其他 Gateway 不受影响。',
    'gateway.name': 'Gateway {number}',
    'gateway.clients': '· 客户端：{count}',
    'order.pause': '暂停',
    'order.pause.title': '它停止读取：PHP 发送的内容先停在网络缓冲区，再进入队列',
    'order.resume': '恢复',
    'order.resume.title': '它重新开始读取',
    'order.crash': '崩溃',
    'order.crash.title': '它关闭所有连接，但仍在Register 的列表里：消息等它回来',
    'order.stop': '停止',
    'order.stop.title': '它正常结束，并从Register 的列表里移除',
    'order.start': '启动',
    'order.start.title': '它恢复运行，但原来的客户端已断开',
    'link.none': '尚未使用',
    'link.unused': '尚未使用',
    'link.connecting': '连接中',
    'link.online': '在线',
    'link.failed': '重连中',
    'link.retired': '已退出',
    'link.paused': '已暂停',
    'link.stopped': '已停止',
    'chart.text': '最近一分钟：每秒最多写出 {rate} 条，最多排队 {queued} 条',
    more: 'status() 的全部内容',
    'more.none': '暂无：PHP 还没有用过这个 Gateway。',
    accepted: '已受理',
    written: '已写出',
    queued: '排队',
    dropped: '已丢弃',
    'accepted.title': '扩展从 PHP 代码受理的帧',
    'written.title': '已发往 Gateway 的帧',
    'queued.title': '等待中的帧',
    'dropped.title': '无法送达的帧',
    'fact.version': '版本',
    'fact.pid': '进程号',
    'fact.threads': '线程',
    'fact.register': 'Register',
    'fact.list': '列表更新于',
    'fact.none': '尚未查询',
    'fact.lost': '未连接',
    'fact.age': '{seconds} 秒前',
  },
};

const attributes = { label: 'aria-label', title: 'title', placeholder: 'placeholder' };
let language = 'en';

export function currentLanguage() {
  return language;
}

// The words for a key; {name} in them stands for a value.
export function t(key, values = {}) {
  const text = texts[language][key];
  if (text === undefined) throw new Error(`no text for ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Has an element show these words from now on, in whatever language.
export function say(element, key, values = {}) {
  element.dataset.t = key;
  element.dataset.tValues = JSON.stringify(values);
  write(element, t(key, values));
}

// The same for an attribute: label, title or placeholder.
export function sayIn(element, attribute, key, values = {}) {
  element.setAttribute(`data-t-${attribute}`, key);
  element.dataset.tValues = JSON.stringify(values);
  element.setAttribute(attributes[attribute], t(key, values));
}

// Puts the words into a part of the page.
export function translate(root) {
  for (const element of root.querySelectorAll('[data-t]')) {
    write(element, t(element.dataset.t, valuesOf(element)));
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    for (const element of root.querySelectorAll(`[data-t-${name}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${name}`), valuesOf(element)));
    }
  }
}

export function setLanguage(wanted) {
  language = wanted in texts ? wanted : 'en';
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = t('title');
  translate(document);
}

function valuesOf(element) {
  return JSON.parse(element.dataset.tValues ?? '{}');
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
