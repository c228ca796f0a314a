// The keyboard: find, walk, go back. What it does is said in the help.
'use strict';
(function (W) {
  const { h } = W;
  const HELP = [
    ['/', 'find something by name, purpose, owner or field'], ['← →', 'along the edges: what leads in, what follows'],
    ['↑ ↓', 'to what stands above or below'], ['Enter', 'go to what is marked'], ['Esc', 'back to the focus; close what is open'],
    ['1 2 3', 'so many steps around the focus'], ['+ − 0', 'nearer, further, all of it'], ['t', 'the table; the same, without a picture'],
    ['g', 'the overview'], ['d', 'dark, light'], ['?', 'this help'],
  ];

  W.help = function help() {
    const dialog = h('dialog', { id: 'help', 'aria-labelledby': 'help-title' },
      h('h2', { id: 'help-title', text: 'Keys' }),
      h('dl', { class: 'keys' }, HELP.map(([key, what]) => [h('dt', {}, key.split(' ').map((one) => h('kbd', { text: one }))), h('dd', { text: what })])),
      h('p', { class: 'note', text: 'Shapes and colours say the kind of a node. A dotted line passes through what a filter hides. With live traffic: dashed, nothing was seen; red, nobody declared it.' }),
      h('form', { method: 'dialog' }, h('button', { text: 'Close' })));
    return dialog;
  };

  W.keys = function keys() {
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const dialog = document.getElementById('help');
      if (dialog.open) return;
      const on = event.target;
      const typing = on.matches('input, select, textarea');
      if (event.key === 'Escape') {
        if (typing) on.blur();
        else mark(W.canvas.move('home'));
        return;
      }
      if (typing) return;
      const ways = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };
      const canvas = on === document.body || on.id === 'canvas' || on.id === 'title';
      if (ways[event.key] && canvas && W.canvas.cy()) mark(W.canvas.move(ways[event.key]));
      else if (event.key === 'Enter' && canvas && W.canvas.cursorNode()) W.go(W.canvas.cursorNode());
      else if (event.key === '/') document.getElementById('find').focus();
      else if (event.key === '?') dialog.showModal();
      else if ('123'.includes(event.key) && W.state.node) W.goDepth(Number(event.key));
      else if (event.key === '+' || event.key === '=') W.canvas.zoom(1.3);
      else if (event.key === '-') W.canvas.zoom(1 / 1.3);
      else if (event.key === '0') W.canvas.fit();
      else if (event.key === 't') window.location.hash = '#/list' + W.query(W.state.filters);
      else if (event.key === 'g') window.location.hash = '#/';
      else if (event.key === 'd') W.turnTheme();
      else return;
      event.preventDefault();
    });
  };

  function mark(node) {
    if (!node) return;
    const seen = W.canvas.seen();
    const at = seen.places.get(node) || 0;
    const where = !seen.focus ? '' : at === 0 ? ', the focus' : ', ' + W.count(Math.abs(at), 'step', 'steps') + (at < 0 ? ' before' : ' after');
    W.say(node.kind + ' ' + node.label + where);
  }

  // The search field: a list below it, walked with the arrows.
  W.finder = function finder() {
    const list = h('ul', { id: 'found', role: 'listbox', 'aria-label': 'Found', hidden: true });
    const input = h('input', {
      id: 'find', type: 'search', placeholder: 'Find an event, an agent, a field …', 'aria-label': 'Find', autocomplete: 'off', spellcheck: 'false',
      role: 'combobox', 'aria-expanded': 'false', 'aria-controls': 'found', 'aria-autocomplete': 'list',
    });
    let found = [];
    let at = -1;
    const close = () => { list.hidden = true; input.setAttribute('aria-expanded', 'false'); input.removeAttribute('aria-activedescendant'); at = -1; };
    const choose = (index) => {
      at = index;
      [...list.children].forEach((one, number) => one.setAttribute('aria-selected', String(number === at)));
      if (at >= 0) { input.setAttribute('aria-activedescendant', 'found-' + at); list.children[at].scrollIntoView({ block: 'nearest' }); }
    };
    const draw = async () => {
      try { await W.load('search.js', () => W.data.words); } catch (_) { W.data.words = []; }
      const text = input.value.trim();
      if (!text) { close(); return; }
      found = W.search(text, 12, W.noFilters());
      const rows = found.map((node, number) => h('li', { id: 'found-' + number, role: 'option', 'aria-selected': 'false', onpointerdown: (event) => { event.preventDefault(); take(number); } },
        W.icon(node.kind), h('span', { class: 'name', text: node.label }), h('span', { class: 'where', text: [node.kind, node.domain].filter(Boolean).join(' · ') })));
      if (!rows.length) rows.push(h('li', { role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false', class: 'none', text: 'Nothing has these words.' }));
      list.replaceChildren(...rows);
      list.hidden = false;
      input.setAttribute('aria-expanded', 'true');
      choose(found.length ? 0 : -1);
      W.say(found.length ? W.count(found.length, 'result', 'results') : 'nothing found');
    };
    const take = (number) => {
      const node = found[number];
      const text = input.value.trim();
      close();
      input.blur();
      if (node) { input.value = ''; W.go(node); }
      else if (text) window.location.hash = '#/list' + W.query(W.state.filters, { q: text });
    };
    input.addEventListener('input', draw);
    input.addEventListener('focus', draw);
    input.addEventListener('blur', close);
    input.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        if (found.length) choose((at + (event.key === 'ArrowDown' ? 1 : -1) + found.length) % found.length);
        event.preventDefault();
      } else if (event.key === 'Enter') {
        if (event.shiftKey) { found = []; take(-1); } else take(at);
        event.preventDefault();
      } else if (event.key === 'Escape') input.value = '';
    });
    return h('div', { class: 'finder' }, input, h('kbd', { 'aria-hidden': 'true', text: '/' }), list);
  };
})(window.WINGMAN);
