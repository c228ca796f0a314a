// Elements from plain words. Text is only ever set as text: nothing of a project is read as markup.
'use strict';
(function (W) {
  const SVG = 'http://www.w3.org/2000/svg';

  W.h = function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (name === 'text') element.textContent = value;
      else if (value === true) element.setAttribute(name, '');
      else element.setAttribute(name, value);
    }
    W.add(element, children);
    return element;
  };

  W.add = function add(element, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child instanceof Node ? child : String(child));
    }
    return element;
  };

  // Shape and colour tell kinds apart, so that neither alone has to. Colours: Okabe and Ito, darkened for text.
  W.KINDS = {
    event: { one: 'event', many: 'events', shape: 'round-rectangle', path: 'M3 5h10a3 3 0 0 1 0 6H3a3 3 0 0 1 0-6z' },
    agent: { one: 'agent', many: 'agents', shape: 'rectangle', path: 'M2 3h12v10H2z' },
    flow: { one: 'flow', many: 'flows', shape: 'tag', path: 'M1 4h10l4 4-4 4H1z' },
    policy: { one: 'policy', many: 'policies', shape: 'cut-rectangle', path: 'M4 3h8l3 3v4l-3 3H4l-3-3V6z' },
    tool: { one: 'tool', many: 'tools', shape: 'hexagon', path: 'M4 3h8l3 5-3 5H4L1 8z' },
    client: { one: 'client', many: 'clients', shape: 'ellipse', path: 'M8 3c4 0 7 2 7 5s-3 5-7 5-7-2-7-5 3-5 7-5z' },
    runtime: { one: 'runtime', many: 'runtime', shape: 'barrel', path: 'M3 3q5 2 10 0 2 5 0 10-5-2-10 0-2-5 0-10z' },
    consumer: { one: 'consumer', many: 'consumers', shape: 'rhomboid', path: 'M1 3h11l3 10H4z' },
  };

  W.icon = function icon(kind) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 16 16');
    svg.setAttribute('class', 'icon k-' + kind);
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', (W.KINDS[kind] || W.KINDS.consumer).path);
    svg.append(path);
    return svg;
  };

  W.link = function link(node, attributes) {
    return W.h('a', { class: 'node-link', href: W.address(node), 'data-at': node.at, ...attributes },
      W.icon(node.kind), W.h('span', { class: 'sr', text: node.kind + ' ' }), W.h('span', { class: 'name', text: node.label }));
  };

  W.table = function table(caption, heads, rows, attributes) {
    const head = W.h('tr', {}, heads.map((text) => W.h('th', { scope: 'col', text })));
    const body = rows.map((cells) => W.h('tr', cells.attributes || {}, (cells.cells || cells).map((cell) => W.h('td', {}, cell))));
    const made = W.h('table', attributes || {}, W.h('caption', { text: caption }), W.h('thead', {}, head), W.h('tbody', {}, body));
    return W.h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, made);
  };

  W.count = (number, one, many) => number.toLocaleString('en') + ' ' + (number === 1 ? one : many);

  W.say = function say(text) {
    const live = document.getElementById('live');
    if (live && live.textContent !== text) live.textContent = text;
  };

  W.copy = async function copy(text, what) {
    const area = W.h('textarea', { class: 'sr', 'aria-hidden': 'true', tabindex: '-1' });
    let done = false;
    try {
      // From a file there is often no clipboard interface; the old way works there.
      if (navigator.clipboard && window.isSecureContext) { await navigator.clipboard.writeText(text); done = true; }
    } catch (_) { /* the old way, then */ }
    if (!done) {
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
    }
    W.toast(done ? what + ' copied' : 'This browser does not let a page copy');
    return done;
  };

  W.toast = function toast(text) {
    const box = document.getElementById('toast');
    box.textContent = text;
    box.hidden = false;
    clearTimeout(W.toast.timer);
    W.toast.timer = setTimeout(() => { box.hidden = true; }, 2400);
  };
})(window.WINGMAN);
