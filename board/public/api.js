// Requests to PHP. What comes back is what PHP says; `error` in it has a class and a message.

export async function request(what, body = {}) {
  let response;
  try {
    response = await fetch(`/api/${what}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20000),
    });
  } catch {
    throw new Unreachable();
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    // An error of PHP itself: the page's server says in the terminal what it was.
    return { error: { class: `HTTP ${response.status}`, message: text.slice(0, 300) || response.statusText } };
  }
}

// The server of the page does not respond.
export class Unreachable extends Error {}
