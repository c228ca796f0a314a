// The page of one node: what it is for, what leads to it and follows from it, and everything that is declared.
'use strict';
(function (W) {
  const { h } = W;
  const MOST = 50;
  let retold = [];

  W.nodePage = function nodePage(node, data) {
    const model = W.model;
    retold = [];
    const box = h('article', { class: 'page', 'aria-labelledby': 'title' });
    const kind = W.KINDS[node.kind] ? W.KINDS[node.kind].one : node.kind;
    const marks = (data.marks || []).map((text) => h('span', { class: 'chip faint', text }));
    const chips = [
      node.version && h('span', { class: 'chip', text: node.version }),
      node.domain && h('a', { class: 'chip', href: '#/list?domain=' + encodeURIComponent(node.domain), text: node.domain, title: 'domain' }),
      node.owner && h('a', { class: 'chip', href: '#/list?owner=' + encodeURIComponent(node.owner), text: 'owned by ' + node.owner }),
      !node.owner && h('span', { class: 'chip faint', text: 'no owner named' }),
    ];
    W.add(box, [
      h('p', { class: 'eyebrow' }, W.icon(node.kind), kind),
      h('h1', { id: 'title', tabindex: '-1', text: node.label }),
      h('p', { class: 'chips' }, chips, marks),
      h('p', { class: 'purpose', text: data.purpose || node.purpose || 'No purpose is written down.' }),
      h('div', { id: 'live-box', 'aria-live': 'off' }),
    ]);
    const flows = [...node.flows].filter((name) => !(node.kind === 'flow' && name === node.name)).sort();
    if (flows.length) {
      W.add(box, [h('p', { class: 'in-flows' }, 'In ', flows.length === 1 ? 'flow ' : 'flows ', flows.slice(0, 12).map((name, at) => {
        const flow = model.byId.get('flow:' + name);
        return [at ? ', ' : '', flow ? h('a', { href: W.address(flow), text: name }) : name];
      }), flows.length > 12 ? ' and ' + (flows.length - 12) + ' more' : '')]);
    }
    if (node.kind === 'flow') W.add(box, [h('p', {}, h('a', { href: '#/all?flow=' + encodeURIComponent(node.name), text: 'Draw the whole flow' }))]);
    W.add(box, [neighbours(node, node.before, 'from', 'What leads in', 'Nothing leads here.'), neighbours(node, node.after, 'to', 'What follows', 'Nothing follows from here.')]);
    if (data.contract) W.add(box, [h('h2', { text: 'Contract' }), defined(data.contract)]);
    if (data.manifest) W.add(box, [h('h2', { text: 'Manifest' }), defined(data.manifest)]);
    if (data.reads) {
      W.add(box, [h('h2', { text: 'What it reads' }), W.table('What it reads', ['event', 'majors', 'fields', 'of the envelope'], data.reads.map((one) => [
        told(one.event), one.majors.join(', ') || '–', one.fields.join(', ') || 'none', one.envelope.join(', ') || '–']))]);
    }
    if (data.arguments) W.add(box, [h('h2', { text: 'Arguments' }), W.fieldTable('Arguments', data.arguments)]);
    W.add(box, W.schema(node, data.schema));
    if (data.facts && Object.keys(data.facts).length) W.add(box, [h('h2', { text: 'Facts' }), defined(data.facts)]);
    if (data.rules && data.rules.length) {
      W.add(box, [h('h2', { text: 'Rules' }), W.table('Rules of this policy file', ['rule', 'effect', 'reason'], data.rules.map((one) => [h('code', { text: one.id }), one.effect, one.reason || '–']))]);
    }
    if (data.text) W.add(box, [h('h2', { text: 'Text' }), h('pre', { tabindex: '0', text: data.text })]);
    return box;
  };

  function neighbours(node, edges, end, title, empty) {
    const rows = new Map();
    for (const edge of edges) {
      const key = edge[end].at + edge.kind + (edge.declared ? '' : '!');
      if (!rows.has(key)) rows.set(key, { node: edge[end], kind: edge.kind, flows: new Set(), notes: new Set(), edges: [], declared: edge.declared });
      rows.get(key).edges.push(edge);
      if (edge.flow) rows.get(key).flows.add(edge.flow);
      if (edge.note) rows.get(key).notes.add(edge.note);
    }
    const all = [...rows.values()].sort((a, b) => (a.kind === b.kind ? (a.node.label < b.node.label ? -1 : 1) : a.kind < b.kind ? -1 : 1));
    const section = h('section', { class: 'neighbours n-' + end });
    let shown = MOST;
    let seen = [];
    const draw = (most) => {
      shown = most;
      seen = [];
      const heads = ['', 'how', 'in flow'].concat(W.observed ? ['seen'] : []);
      const cells = all.slice(0, most).map((row) => ({
        attributes: row.declared ? {} : { class: 'alarm' },
        cells: [W.link(row.node), [row.declared ? row.kind : row.kind + ', undeclared', row.notes.size ? h('span', { class: 'note', text: ' ' + [...row.notes].join('; ') }) : null], [...row.flows].sort().join(', ') || '–']
          .concat(W.observed ? [seenCell(row)] : []),
      }));
      const more = all.length > most
        ? h('button', { class: 'quiet', onclick: () => draw(Infinity), text: 'Show all ' + all.length }) : null;
      section.replaceChildren(h('h2', {}, title, ' ', h('span', { class: 'number', text: all.length })),
        all.length ? W.table(title, heads, cells, { class: 'links' }) : h('p', { class: 'note', text: empty }));
      if (more) section.append(more);
    };
    const seenCell = (row) => {
      const cell = h('span', { text: W.seenWords(row.edges) });
      seen.push([row, cell]);
      return cell;
    };
    // What is seen changes every other second; the rows stay, so that nobody loses their place.
    retold.push(() => {
      if (!seen.length) draw(shown);
      else for (const [row, cell] of seen) cell.textContent = W.seenWords(row.edges);
    });
    draw(MOST);
    return section;
  }

  W.retell = () => { for (const one of retold) one(); };

  function defined(values) {
    const list = h('dl', {});
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '' || (Array.isArray(value) && !value.length)) continue;
      list.append(h('dt', { text: name.replace(/_/g, ' ') }), h('dd', {}, told(value)));
    }
    return list;
  }

  function within(values) {
    const pairs = Object.entries(values).filter((pair) => pair[1] !== null && pair[1] !== '' && !(Array.isArray(pair[1]) && !pair[1].length));
    if (pairs.every((pair) => typeof pair[1] !== 'object' && String(pair[1]).length < 30)) return pairs.map(([name, value]) => name.replace(/_/g, ' ') + ' ' + value).join(' · ');
    return h('ul', {}, pairs.map(([name, value]) => h('li', {}, name.replace(/_/g, ' '), ': ', told(value))));
  }

  function told(value) {
    if (Array.isArray(value)) {
      return value.every((one) => typeof one !== 'object') && value.join('').length < 400 && value.every((one) => W.model.byId.has(String(one)) || String(one).length < 40)
        ? value.map((one, at) => [at ? ', ' : '', told(one)])
        : h('ul', {}, value.map((one) => h('li', {}, told(one))));
    }
    if (value && typeof value === 'object') return within(value);
    if (value === true || value === false) return value ? 'yes' : 'no';
    const node = W.model.byId.get(String(value));
    return node ? W.link(node) : String(value);
  }
})(window.WINGMAN);
