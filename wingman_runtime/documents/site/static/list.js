// Views without a picture: the overview one begins with, and the table that says all the graph says.
'use strict';
(function (W) {
  const { h } = W;
  const PAGE = 100;

  W.overview = function overview() {
    const { model } = W;
    const kinds = Object.keys(W.KINDS).map((kind) => [kind, model.nodes.filter((node) => node.kind === kind).length]).filter((pair) => pair[1]);
    const box = h('div', { class: 'overview' },
      h('p', { class: 'eyebrow', text: 'Event map' }),
      h('h1', { tabindex: '-1', text: model.project.name || 'This project' }),
      h('p', { class: 'lead' }, 'What happens in ', model.project.name || 'this project', ', who makes it happen and who listens. Pick where to begin; then walk: ',
        'what leads in is on the left, what follows is on the right.'));
    if (!model.nodes.length) {
      box.append(h('div', { class: 'empty' }, h('h2', { text: 'There is nothing here yet' }),
        h('p', { text: 'The project declares no events, agents or flows. `wingman event new` and `wingman agent new` make the first; then build the map again.' })));
      return box;
    }
    box.append(h('ul', { class: 'tiles' }, kinds.map(([kind, count]) => h('li', {}, h('a', { href: '#/list?kind=' + kind },
      W.icon(kind), h('strong', { text: count.toLocaleString('en') }), h('span', { text: count === 1 ? W.KINDS[kind].one : W.KINDS[kind].many }))))));
    W.add(box, [flows(model), groups(model, 'domain', 'Domains'), groups(model, 'owner', 'Owners')]);
    return box;
  };

  function flows(model) {
    const found = new Map(model.nodes.filter((node) => node.kind === 'flow').map((node) => [node.name, { node, event: 0, agent: 0 }]));
    if (!found.size) return null;
    for (const node of model.nodes) for (const name of node.flows) if (found.has(name)) found.get(name)[node.kind] += 1;
    const all = [...found.values()].sort((a, b) => b.event - a.event || (a.node.label < b.node.label ? -1 : 1));
    const most = 12;
    const card = ({ node, event, agent }) => {
      const start = node.after.find((edge) => edge.kind === 'starts');
      return h('li', { class: 'card' }, h('h3', {}, h('a', { href: W.address(node) }, W.icon('flow'), node.label)),
        h('p', { text: node.purpose || 'No purpose is written down.' }),
        h('p', { class: 'note' }, W.count(event, 'event', 'events'), ' · ', W.count(agent, 'agent', 'agents'),
          start ? [' · starts with ', h('a', { href: W.address(start.to), text: start.to.label })] : ''));
    };
    return h('section', {}, h('h2', { text: 'Flows' }), h('ul', { class: 'cards' }, all.slice(0, most).map(card)),
      all.length > most ? h('p', {}, h('a', { href: '#/list?kind=flow', text: 'All ' + all.length + ' flows' })) : null);
  }

  function groups(model, field, title) {
    const found = new Map();
    for (const node of model.nodes) {
      const name = node[field];
      if (!name) continue;
      if (!found.has(name)) found.set(name, { events: 0, agents: 0, all: 0 });
      const one = found.get(name);
      one.all += 1;
      if (node.kind === 'event') one.events += 1;
      if (node.kind === 'agent') one.agents += 1;
    }
    if (!found.size) return null;
    const rows = [...found].sort((a, b) => b[1].all - a[1].all || (a[0] < b[0] ? -1 : 1)).map(([name, one]) => [
      h('a', { href: '#/list?' + field + '=' + encodeURIComponent(name), text: name }), one.events, one.agents, one.all]);
    return h('section', {}, h('h2', { text: title }), W.table(title, [field, 'events', 'agents', 'in all'], rows, { class: 'numbers' }));
  }

  const COLUMNS = [
    ['name', (node) => node.label.toLowerCase()], ['kind', (node) => node.kind], ['domain', (node) => node.domain], ['owner', (node) => node.owner],
    ['version', (node) => node.version], ['leads in', (node) => node.before.length], ['follows', (node) => node.after.length],
  ];

  W.list = function list(state) {
    const text = state.q || '';
    let nodes = text ? W.search(text, Infinity, state.filters) : W.model.nodes.filter((node) => W.passes(node, state.filters));
    const box = h('div', { class: 'overview' }, h('h1', { tabindex: '-1', text: text ? 'Found for “' + text + '”' : 'Everything, as a table' }));
    const holder = h('div', {});
    let sorted = text ? null : ['name', 1];
    let shown = PAGE;
    const draw = () => {
      if (sorted) {
        const by = COLUMNS.find((one) => one[0] === sorted[0])[1];
        nodes = nodes.slice().sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : a.at - b.at) * sorted[1]);
      }
      const heads = COLUMNS.map(([name]) => {
        const on = sorted && sorted[0] === name;
        return h('th', { scope: 'col', 'aria-sort': on ? (sorted[1] > 0 ? 'ascending' : 'descending') : null },
          h('button', { class: 'sort', onclick: () => { sorted = [name, on ? -sorted[1] : 1]; draw(); } }, name, h('span', { 'aria-hidden': 'true', text: on ? (sorted[1] > 0 ? ' ↑' : ' ↓') : '' })));
      });
      const rows = nodes.slice(0, shown).map((node) => h('tr', {}, h('td', {}, W.link(node)), h('td', { text: node.kind }), h('td', { text: node.domain || '–' }),
        h('td', { text: node.owner || '–' }), h('td', { text: node.version || '–' }), h('td', { text: node.before.length }), h('td', { text: node.after.length })));
      holder.replaceChildren(h('p', { class: 'note', role: 'status', text: W.count(nodes.length, 'node', 'nodes') + (nodes.length > shown ? ', the first ' + shown + ' shown' : '') }));
      if (!nodes.length) {
        holder.append(h('div', { class: 'empty' }, h('h2', { text: 'Nothing fits' }), h('p', { text: text ? 'No name, purpose, owner or field has these words among what the filters let through.' : 'The filters let nothing through.' }),
          h('button', { onclick: () => W.resetFilters() , text: 'Clear the filters' })));
        return;
      }
      holder.append(h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Nodes' },
        h('table', { class: 'nodes' }, h('caption', { class: 'sr', text: 'Nodes' }), h('thead', {}, h('tr', {}, heads)), h('tbody', {}, rows))));
      if (nodes.length > shown) holder.append(h('button', { onclick: () => { shown += PAGE * 5; draw(); }, text: 'Show more' }));
    };
    draw();
    box.append(holder);
    return box;
  };
})(window.WINGMAN);
