// The page as a whole: the frame, the address, and which view it asks for.
'use strict';
(function (W) {
  const { h } = W;
  const MOST_WHOLE = 5000; // past it a browser stands still for a minute, and nobody reads what it draws
  let turn = 0;

  W.start = function start() {
    if (W.broken) return;
    W.read(W.data.graph);
    const app = document.getElementById('app');
    app.replaceChildren(top(), h('div', { id: 'banner', class: 'banner', role: 'alert', hidden: true }), h('div', { class: 'body' }, W.rail(),
      h('main', { id: 'main' }, h('div', { id: 'strip', class: 'strip', hidden: true }), h('div', { id: 'view' }))), W.help(),
      h('div', { id: 'live', class: 'sr', 'aria-live': 'polite' }), h('div', { id: 'toast', role: 'status', hidden: true }));
    window.addEventListener('hashchange', () => route(false));
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => W.canvas.restyle());
    W.keys();
    app.hidden = false;
    document.getElementById('boot').hidden = true;
    route(true);
    W.live();
  };

  function top() {
    const nav = h('nav', { class: 'views', 'aria-label': 'Views' }, [['#/', 'Overview', 'overview'], ['#/list', 'Table', 'list'], ['#/all', 'Whole graph', 'all']]
      .map(([href, text, view]) => h('a', { href, text, 'data-view': view })));
    const project = W.model.project;
    return h('header', { class: 'top' },
      h('a', { class: 'brand', href: '#/' }, W.icon('flow'), h('span', { class: 'name', text: project.name || 'project' }), project.version ? h('span', { class: 'number', text: project.version }) : null),
      W.finder(), nav, h('span', { id: 'pulse', class: 'pulse', 'data-state': 'waiting', hidden: true }, h('span', { class: 'dot', 'aria-hidden': 'true' }), 'waiting'),
      h('button', { class: 'quiet', id: 'theme', onclick: () => W.turnTheme(), 'aria-label': 'Dark or light', title: 'Dark or light (d)', text: '◐' }),
      h('button', { class: 'quiet', onclick: () => document.getElementById('help').showModal(), 'aria-label': 'Help: keys', title: 'Help (?)', text: '?' }));
  }

  W.turnTheme = function turnTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme === 'dark' || (root.dataset.theme === 'auto' && window.matchMedia('(prefers-color-scheme: dark)').matches);
    root.dataset.theme = dark ? 'light' : 'dark';
    W.stored('theme', root.dataset.theme);
    W.canvas.restyle();
  };

  // #/event/OrderPlaced?depth=2&domain=orders; #/list, #/all, #/
  function read() {
    const [path, search] = window.location.hash.replace(/^#\/?/, '').split('?');
    const params = new URLSearchParams(search || '');
    const depth = Math.min(3, Math.max(1, Math.round(Number(params.get('depth'))) || 1));
    const state = { depth, filters: W.filtersOf(params), q: params.get('q') || '', view: 'overview', node: null, missing: '' };
    const slash = path.indexOf('/');
    if (path === 'list' || path === 'all') state.view = path;
    else if (slash > 0) {
      let name = path.slice(slash + 1);
      try { name = decodeURIComponent(name); } catch (_) { /* as it stands, then */ }
      state.view = 'node';
      state.node = W.model.byId.get(path.slice(0, slash) + ':' + name) || null;
      state.missing = state.node ? '' : path.slice(0, slash) + ' ' + name;
    } else if (path) { state.view = 'node'; state.missing = path; }
    return state;
  }

  W.go = (node) => { window.location.hash = W.address(node); };
  W.goDepth = (depth) => { window.location.hash = W.address(W.state.node, W.query(W.state.filters, { depth: depth !== 1 ? depth : '' })); };
  W.goFilters = (filters) => {
    const state = W.state;
    const place = state.view === 'node' && state.node ? '#/' + state.node.kind + '/' + encodeURIComponent(state.node.name) : '#/' + (state.view === 'overview' ? 'list' : state.view);
    window.location.hash = place + W.query(filters, { depth: state.view === 'node' && state.depth !== 1 ? state.depth : '', q: state.view === 'list' ? state.q : '' });
    if (!window.location.hash) route(false);
  };
  W.redraw = () => {
    if (!W.state || !W.state.node) return;
    draw(W.state);
    fill(W.state, turn);
  };

  async function route(first) {
    const state = read();
    const before = W.state;
    W.state = state;
    const own = (turn += 1);
    W.showFilters(state.filters);
    for (const link of document.querySelectorAll('.views a')) {
      if (link.dataset.view === state.view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    const view = document.getElementById('view');
    const name = W.model.project.name || 'project';
    document.title = (state.node ? state.node.label + ' · ' : '') + name + ' · event map';
    document.body.dataset.view = state.view;
    if (state.view === 'node' && state.node) {
      await nodeView(view, state, before, own);
      if (own !== turn) return;
    } else {
      W.canvas.clear();
      if (state.view === 'list') {
        if (state.q) await W.load('search.js', () => W.data.words).catch(() => { W.data.words = []; });
        if (own !== turn) return;
        view.replaceChildren(W.list(state));
      } else if (state.view === 'all') allView(view, state);
      else if (state.missing) view.replaceChildren(missing(state.missing));
      else view.replaceChildren(W.overview());
    }
    if (!first && !(before && before.node === state.node && state.node)) {
      const head = view.querySelector('h1');
      if (head) head.focus({ preventScroll: true });
      document.getElementById('main').scrollTop = 0;
      window.scrollTo(0, 0);
    }
    W.ready = true;
    document.documentElement.dataset.ready = String(turn);
  }

  async function nodeView(view, state, before, own) {
    const stays = before && before.node === state.node && document.getElementById('canvas') && view.querySelector('.page');
    if (!stays) {
      view.replaceChildren(h('div', { class: 'split' }, h('section', { class: 'picture', 'aria-label': 'Neighbourhood' }, tools(state), canvas(state)), h('div', { class: 'beside' })));
    }
    draw(state);
    if (!stays) { await fill(state, own); return; }
    for (const link of view.querySelectorAll('a[data-at]')) link.href = W.address(W.model.nodes[Number(link.dataset.at)]);
  }

  async function fill(state, own) {
    let page;
    try {
      const data = await W.page(state.node);
      if (own !== turn) return;
      page = W.nodePage(state.node, data);
    } catch (error) {
      page = h('article', { class: 'page' }, h('h1', { tabindex: '-1', text: state.node.label }),
        h('p', { class: 'alarm', role: 'alert', text: 'A part of the site is missing: data/' + error.message + '. Keep the folder together, or build it again with `wingman docs build`.' }));
    }
    const beside = document.querySelector('.beside');
    if (beside) beside.replaceChildren(page);
    W.liveBox();
  }

  function draw(state) {
    const found = W.neighbourhood(state.node, state.depth, state.filters);
    W.canvas.show(found);
    for (const button of document.querySelectorAll('[data-depth]')) button.setAttribute('aria-pressed', String(Number(button.dataset.depth) === state.depth));
    const left = found.left ? ', the nearest ' + found.nodes.length + ' drawn' : '';
    document.getElementById('drawn').textContent = W.count(found.nodes.length + found.left - 1, 'neighbour', 'neighbours') + left;
  }

  function tools(state) {
    const depth = h('div', { class: 'group', role: 'group', 'aria-label': 'Steps around it' }, h('span', { class: 'note', text: 'steps' }),
      [1, 2, 3].map((steps) => h('button', { 'data-depth': steps, 'aria-pressed': 'false', onclick: () => W.goDepth(steps), text: steps })));
    return h('div', { class: 'tools' }, depth, h('span', { class: 'note', id: 'drawn', role: 'status' }), zooming(),
      h('button', { class: 'quiet', onclick: () => W.copy(W.mermaid(W.neighbourhood(state.node, W.state.depth, W.state.filters)), 'Mermaid text'), title: 'Copy this neighbourhood as Mermaid text', text: 'Mermaid' }),
      h('button', { class: 'quiet', onclick: () => W.copy(window.location.href, 'Link'), title: 'Copy a link to this view', text: 'Link' }));
  }

  const zooming = () => h('div', { class: 'group push' }, [['−', 'Further away', () => W.canvas.zoom(1 / 1.3)], ['+', 'Nearer', () => W.canvas.zoom(1.3)], ['Fit', 'All of it', () => W.canvas.fit()]]
    .map(([text, label, onclick]) => h('button', { 'aria-label': label, title: label, onclick, text })));

  const canvas = (state) => h('div', { class: 'stage' }, h('span', { class: 'side left', 'aria-hidden': 'true', text: 'leads in' }), h('span', { class: 'side right', 'aria-hidden': 'true', text: 'follows' }),
    h('div', { id: 'canvas', tabindex: '0', role: 'application', 'aria-roledescription': 'map',
      'aria-label': (state.node ? 'Neighbourhood of ' + state.node.label : 'The whole graph') + '. Arrow keys walk, Enter goes there. The tables on this page say the same.' }));

  function allView(view, state) {
    const nodes = W.model.nodes.filter((node) => W.passes(node, state.filters));
    const paint = () => {
      view.replaceChildren(h('div', { class: 'split wide' }, h('section', { class: 'picture', 'aria-label': 'The whole graph' },
        h('div', { class: 'tools' }, h('h1', { tabindex: '-1', text: 'Whole graph' }), h('span', { class: 'note', text: W.count(nodes.length, 'node', 'nodes') }), zooming()), canvas({}))));
      view.querySelector('.side.left').remove();
      view.querySelector('.side.right').remove();
      W.canvas.whole(nodes);
      W.canvas.overlay();
    };
    if (nodes.length <= 400) { paint(); return; }
    view.replaceChildren(h('div', { class: 'overview' }, h('div', { class: 'empty' }, h('h1', { tabindex: '-1', text: W.count(nodes.length, 'node', 'nodes') + ' at once' }),
      h('p', { text: 'A picture of so many is hard to read, and takes a while to draw. A filter on the left makes it smaller; the neighbourhood of one node says more.' }),
      nodes.length > MOST_WHOLE ? h('p', { text: 'More than ' + MOST_WHOLE.toLocaleString('en') + ' are not drawn: choose a domain, an owner or a flow first.' }) : null,
      h('p', {}, nodes.length > MOST_WHOLE ? null : h('button', { id: 'draw-all', onclick: paint, text: 'Draw it anyway' }), ' ', h('a', { href: '#/list' + W.query(state.filters), text: 'See them as a table' })))));
  }

  const missing = (what) => h('div', { class: 'overview' }, h('div', { class: 'empty' }, h('h1', { tabindex: '-1', text: 'There is no ' + what }),
    h('p', { text: 'It may have been renamed, or the link is of another version of the map.' }), h('p', {}, h('a', { href: '#/list', text: 'Everything there is' }))));

  W.start();
})(window.WINGMAN);
