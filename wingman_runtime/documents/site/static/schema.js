// A schema for people: its fields, and what differs between any two versions.
'use strict';
(function (W) {
  const { h } = W;

  W.changes = function changes(old, fresh) {
    const before = new Map(old.map((row) => [row.name, said(row)]));
    const after = new Map(fresh.map((row) => [row.name, said(row)]));
    const names = [...new Set([...before.keys(), ...after.keys()])].sort();
    return names.filter((name) => before.get(name) !== after.get(name)).map((name) => ({
      name, was: before.get(name) || '', now: after.get(name) || '',
      change: before.has(name) ? (after.has(name) ? 'changed' : 'removed') : 'added',
    }));
  };

  const said = (row) => row.type + (row.required ? ', required' : ', optional') + (row.default ? ', default ' + row.default : '');

  W.schema = function schema(node, data) {
    const versions = (data && data.versions) || [];
    if (!versions.length) return [];
    const shown = h('div', {});
    const history = h('div', {});
    const pick = (label, chosen, onchange) => h('label', { class: 'pick' }, label, h('select', { onchange },
      versions.map((one, at) => h('option', { value: at, selected: at === chosen, text: title(one) }))));
    const state = { shown: 0, from: Math.min(1, versions.length - 1), to: 0 };
    const draw = () => shown.replaceChildren(fields(versions[state.shown]), source(versions[state.shown]));
    const compare = () => history.replaceChildren(difference(versions[state.from], versions[state.to]));
    draw();
    compare();
    const out = [h('h2', { id: 'schema', text: 'Schema' })];
    if (versions.length > 1) out.push(h('div', { class: 'row' }, pick('Version', 0, (event) => { state.shown = Number(event.target.value); draw(); })));
    else out.push(h('p', { class: 'note', text: 'Version ' + title(versions[0]) }));
    out.push(shown);
    out.push(h('h2', { id: 'history', text: 'Version history' }));
    if (versions.length === 1) {
      out.push(h('p', { class: 'note', text: versions[0].released ? 'One version so far: nothing to compare it with.' : 'No version is released yet.' }));
      return out;
    }
    out.push(h('ol', { class: 'history' }, versions.map((one, at) => h('li', {}, h('span', { class: 'chip', text: one.version }), ' ',
      at + 1 < versions.length ? summary(W.changes(versions[at + 1].fields, one.fields)) : 'the first version', one.released ? '' : ' (not released)'))));
    out.push(h('div', { class: 'row' },
      pick('From', state.from, (event) => { state.from = Number(event.target.value); compare(); }),
      pick('to', state.to, (event) => { state.to = Number(event.target.value); compare(); })));
    out.push(history);
    return out;
  };

  const title = (one) => one.version + (one.released ? '' : ' (not released)');

  function summary(changes) {
    if (!changes.length) return 'the same fields';
    const names = (kind) => changes.filter((one) => one.change === kind).map((one) => one.name);
    return ['added', 'removed', 'changed'].map((kind) => [kind, names(kind)]).filter((pair) => pair[1].length)
      .map(([kind, list]) => kind + ' ' + list.slice(0, 4).join(', ') + (list.length > 4 ? ' and ' + (list.length - 4) + ' more' : '')).join('; ');
  }

  function fields(one) {
    const out = [one.fields.length ? W.fieldTable('Fields of version ' + one.version, one.fields) : h('p', { class: 'note', text: 'It has no fields.' })];
    if (one.reserved && one.reserved.length) out.push(h('p', { class: 'note', text: 'Names of removed fields, not to be used again: ' + one.reserved.join(', ') }));
    for (const words of one.accepted || []) out.push(h('p', { class: 'note', text: 'Accepted when it was released: ' + words }));
    return h('div', {}, out);
  }

  // A column that says nothing anywhere is left out.
  W.fieldTable = function fieldTable(caption, rows) {
    const columns = [
      ['field', (row) => h('code', {}, row.name.split('.').map((part, at) => [at ? ['.', h('wbr')] : '', part]))], ['type', (row) => h('span', { class: 'type', text: row.type + (row.default ? ' = ' + row.default : '') })],
      ['required', (row) => (row.required ? 'yes' : 'no')],
      ['since', (row) => row.since, 1], ['about', (row) => row.about, 1],
    ].filter((one) => !one[2] || rows.some((row) => one[1](row)));
    return W.table(caption, columns.map((one) => one[0]), rows.map((row) => columns.map((one) => one[1](row))), { class: 'fields' });
  };

  function source(one) {
    if (!one.text) return h('span', {});
    const pre = h('pre', { tabindex: '0', text: one.text });
    return h('details', {}, h('summary', { text: 'JSON Schema of what producers emit' }),
      h('div', { class: 'row' }, h('button', { class: 'quiet', onclick: () => W.copy(one.text, 'Schema'), text: 'Copy' })), pre);
  }

  function difference(from, to) {
    const found = W.changes(from.fields, to.fields);
    const caption = 'From ' + from.version + ' to ' + to.version;
    if (!found.length) {
      const words = from === to ? 'These are the same version.' : 'The fields are the same; what differs is in the JSON Schema, if anything.';
      return h('p', { class: 'note', text: caption + ': ' + words });
    }
    const sign = { added: '+', removed: '−', changed: '±' };
    return W.table(caption, ['', 'field', 'was', 'is'], found.map((row) => ({
      attributes: { class: 'd-' + row.change },
      cells: [h('span', { class: 'sign' }, h('span', { 'aria-hidden': 'true', text: sign[row.change] }), h('span', { class: 'sr', text: row.change })),
        h('code', { text: row.name }), row.was || '–', row.now || '–'],
    })), { class: 'diff' });
  }
})(window.WINGMAN);
