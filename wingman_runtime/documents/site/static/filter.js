// What is shown: kinds, domain, owner, flow. The address says it, so that a link shows the same to somebody else.
'use strict';
(function (W) {
  const { h } = W;

  W.noFilters = () => ({ kinds: new Set(), domain: '', owner: '', flow: '' });

  W.filtersOf = function filtersOf(params) {
    const kinds = (params.get('kind') || '').split(',').filter((kind) => kind in W.KINDS);
    return { kinds: new Set(kinds), domain: params.get('domain') || '', owner: params.get('owner') || '', flow: params.get('flow') || '' };
  };

  W.query = function query(filters, more) {
    const params = new URLSearchParams();
    if (filters.kinds.size) params.set('kind', [...filters.kinds].join(','));
    for (const name of ['domain', 'owner', 'flow']) if (filters[name]) params.set(name, filters[name]);
    for (const [name, value] of Object.entries(more || {})) if (value) params.set(name, value);
    const text = params.toString();
    return text ? '?' + text : '';
  };

  // What a link to another node keeps of the address: depth and filters.
  W.kept = function kept() {
    const state = W.state;
    return state ? W.query(state.filters, { depth: state.depth !== 1 ? state.depth : '' }) : '';
  };

  W.active = (filters) => filters.kinds.size + ['domain', 'owner', 'flow'].filter((name) => filters[name]).length;

  W.rail = function rail() {
    const { model } = W;
    const count = {};
    for (const node of model.nodes) count[node.kind] = (count[node.kind] || 0) + 1;
    const boxes = Object.keys(W.KINDS).filter((kind) => count[kind]).map((kind) => {
      const input = h('input', { type: 'checkbox', value: kind, onchange: changed });
      return h('label', { class: 'check' }, input, W.icon(kind), h('span', { text: W.KINDS[kind].many }), h('span', { class: 'number', text: count[kind].toLocaleString('en') }));
    });
    const choice = (name, words) => {
      const values = words.filter(Boolean).slice().sort();
      if (!values.length) return null;
      const select = h('select', { name, onchange: changed }, h('option', { value: '', text: 'all' }), values.map((value) => h('option', { value, text: value })));
      return h('label', { class: 'choice' }, h('span', { text: name }), select);
    };
    const box = h('nav', { class: 'rail', 'aria-label': 'Filters' }, h('h2', { text: 'Show' }),
      h('fieldset', {}, h('legend', { class: 'sr', text: 'Kinds' }), boxes),
      choice('domain', model.domains), choice('owner', model.owners), choice('flow', model.flows.concat(model.nodes.filter((one) => one.kind === 'flow').map((one) => one.name)).filter((one, at, all) => all.indexOf(one) === at)),
      h('button', { class: 'quiet', id: 'clear', hidden: true, onclick: () => W.resetFilters(), text: 'Clear the filters' }),
      h('p', { class: 'note', id: 'rail-note', text: '' }));

    function changed() {
      const filters = { kinds: new Set([...box.querySelectorAll('input:checked')].map((one) => one.value)), domain: '', owner: '', flow: '' };
      for (const select of box.querySelectorAll('select')) filters[select.name] = select.value;
      W.goFilters(filters);
    }

    W.showFilters = (filters) => {
      for (const input of box.querySelectorAll('input')) input.checked = filters.kinds.has(input.value);
      for (const select of box.querySelectorAll('select')) select.value = filters[select.name];
      document.getElementById('clear').hidden = !W.active(filters);
      document.getElementById('rail-note').textContent = filters.kinds.size || filters.domain || filters.owner || filters.flow
        ? 'What is hidden is walked through: dotted lines.' : 'Nothing chosen shows everything.';
    };
    return box;
  };

  W.resetFilters = () => W.goFilters(W.noFilters());
})(window.WINGMAN);
