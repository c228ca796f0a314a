// The live view: what the server says is laid over what is declared. Only when the site is served, never from a file.
'use strict';
(function (W) {
  const { h } = W;
  const EVERY = 2000;
  const extra = new Map();
  let byKey = null;
  let lit = [];
  let timer = null;

  W.rate = (perMinute) => (perMinute >= 60 ? (perMinute / 60).toFixed(1) + '/s' : (perMinute >= 10 ? Math.round(perMinute) : perMinute.toFixed(1)) + '/min');

  W.live = function live() {
    const place = document.querySelector('meta[name="wingman-live"]');
    if (!place) return;
    document.getElementById('pulse').hidden = false;
    const ask = async () => {
      try {
        const answer = await fetch(place.content, { cache: 'no-store' });
        if (!answer.ok) throw new Error(String(answer.status));
        W.take(await answer.json());
      } catch (_) {
        state('away', '`wingman docs serve` does not answer; the map is as it was last seen');
      }
      timer = setTimeout(ask, document.hidden ? EVERY * 5 : EVERY);
    };
    document.addEventListener('visibilitychange', () => { if (!document.hidden) { clearTimeout(timer); ask(); } });
    ask();
  };

  function state(name, text) {
    const pulse = document.getElementById('pulse');
    if (pulse.dataset.state !== name) W.say(text);
    pulse.dataset.state = name;
    pulse.replaceChildren(h('span', { class: 'dot', 'aria-hidden': 'true' }), name === 'live' ? 'live' : name === 'waiting' ? 'waiting' : 'server away');
    pulse.title = text;
    const banner = document.getElementById('banner');
    banner.hidden = name !== 'away';
    banner.textContent = name === 'away' ? text : '';
  }

  W.take = function take(told) {
    const { model } = W;
    if (!told.up) {
      state('away', told.error || 'the server does not answer');
      return;
    }
    W.observed = told;
    for (const node of model.nodes) node.live = told.nodes[node.id] || null;
    const rows = new Map(told.edges.map((one) => [one.from + '>' + one.to + '>' + one.kind, one]));
    const changed = undeclared(model, rows);
    for (const edge of lit) edge.live = null;
    lit = [];
    for (const [name, row] of rows) {
      for (const edge of byKey.get(name) || []) { edge.live = row; lit.push(edge); }
    }
    state('live', 'live: ' + W.count(told.seen, 'record', 'records') + ' of the last ' + Math.round(told.window_s / 60) + ' min');
    if (changed && W.state && W.state.node) W.redraw(); // its page is made anew, too
    else W.canvas.overlay();
    W.liveBox();
    W.retell();
    strip(told);
  };

  // Edges that were seen and nobody declared come with the traffic, and go with it.
  function undeclared(model, rows) {
    if (!byKey) {
      byKey = new Map();
      for (const edge of model.edges) byKey.set(key(edge), (byKey.get(key(edge)) || []).concat(edge));
    }
    let changed = false;
    for (const [name, edge] of extra) {
      if (rows.has(name)) continue;
      edge.from.after = edge.from.after.filter((one) => one !== edge);
      edge.to.before = edge.to.before.filter((one) => one !== edge);
      extra.delete(name);
      byKey.delete(name);
      changed = true;
    }
    for (const [name, row] of rows) {
      const [from, to] = [model.byId.get(row.from), model.byId.get(row.to)];
      if (byKey.has(name) || !from || !to) continue;
      const edge = { at: -1, from, to, kind: row.kind, flow: '', declared: false, live: row };
      extra.set(name, edge);
      byKey.set(name, [edge]);
      from.after.push(edge);
      to.before.push(edge);
      changed = true;
    }
    return changed;
  }

  const key = (edge) => edge.from.id + '>' + edge.to.id + '>' + edge.kind;

  // The kinds of edges that records of the trail tell of.
  W.SEEN = new Set(['emits', 'consumes', 'joins', 'forwards', 'calls', 'starts']);

  W.seenWords = function seenWords(edges) {
    if (!edges.some((edge) => W.SEEN.has(edge.kind))) return '–';
    const live = edges.map((edge) => edge.live).filter(Boolean);
    if (!live.length) return 'not seen';
    return W.rate(live.reduce((sum, one) => sum + one.rate, 0));
  };

  // What is known now of the node whose page is open.
  W.liveBox = function liveBox() {
    const box = document.getElementById('live-box');
    if (!box || !W.observed || !W.state.node) return;
    const live = W.state.node.live || {};
    const cells = [];
    const put = (name, value, bad) => cells.push(h('div', { class: bad ? 'bad' : '' }, h('dt', { text: name }), h('dd', { text: value })));
    if (W.state.node.kind === 'event' || W.state.node.kind === 'agent') put('rate', live.rate ? W.rate(live.rate) : 'nothing seen');
    if ('waiting' in live) {
      put('waiting', live.waiting.toLocaleString('en'));
      put('in hand', live.pending.toLocaleString('en'));
      if (live.parked) put('parked', live.parked.toLocaleString('en'), true);
      put('dead letters', live.dead.toLocaleString('en'), live.dead > 0);
    }
    if (live.held) put('held', live.held, true);
    for (const [version, seen] of Object.entries(live.versions || {})) put('version ' + version, seen === true ? 'in use' : W.count(seen, 'time', 'times'));
    for (const words of live.notes || []) put('note', words, true);
    box.replaceChildren(cells.length ? h('dl', { class: 'figures' }, cells) : '');
  };

  function strip(told) {
    const box = document.getElementById('strip');
    const wrong = told.edges.filter((one) => !one.declared);
    const link = (id) => { const node = W.model.byId.get(id); return node ? W.link(node) : id; };
    const parts = [];
    if (wrong.length) parts.push(h('div', { class: 'alarm' }, h('strong', { text: W.count(wrong.length, 'undeclared edge', 'undeclared edges') + ': ' }),
      wrong.slice(0, 5).map((one, at) => [at ? '; ' : '', link(one.from), ' ' + one.kind + ' ', link(one.to)])));
    for (const rule of told.held) parts.push(h('div', {}, h('strong', { text: 'Held: ' }), rule));
    for (const words of told.notes || []) parts.push(h('div', { class: 'note', text: words }));
    box.hidden = !parts.length;
    box.replaceChildren(...parts);
  }
})(window.WINGMAN);
