// The graph as it was built: nodes, who leads to whom, what a filter leaves, what a search finds.
'use strict';
(function (W) {
  W.MOST_DRAWN = 600;
  // Where what comes in and what goes out have nothing to do with each other.
  const DEAD_ENDS = new Set(['client', 'runtime', 'policy']);

  W.read = function read(data) {
    const nodes = data.nodes.map((row, at) => ({
      at, kind: data.kinds[row[0]], name: row[1], label: row[2] || row[1], domain: data.domains[row[3]], owner: data.owners[row[4]],
      version: row[5], purpose: row[6], x: row[7], y: row[8], before: [], after: [], flows: new Set(), live: null,
    }));
    const byId = new Map();
    for (const node of nodes) {
      node.id = node.kind + ':' + node.name;
      byId.set(node.id, node);
      if (node.kind === 'flow') node.flows.add(node.name);
    }
    const edges = data.edges.map((row, at) => {
      const edge = { at, from: nodes[row[0]], to: nodes[row[1]], kind: data.edgeKinds[row[2]].replace(/_/g, ' '), note: data.notes[row[5]], flow: data.flows[row[3]], declared: row[4] === 1, live: null };
      W.join(edge);
      return edge;
    });
    W.model = { project: data.project, nodes, edges, byId, shard: data.shard, flows: data.flows.filter(Boolean), domains: data.domains, owners: data.owners };
    return W.model;
  };

  W.join = function join(edge) {
    edge.from.after.push(edge);
    edge.to.before.push(edge);
    if (edge.flow) { edge.from.flows.add(edge.flow); edge.to.flows.add(edge.flow); }
  };

  W.address = (node, more) => '#/' + node.kind + '/' + encodeURIComponent(node.name) + (more || W.kept());

  // Filters: an empty choice lets everything through.
  W.passes = function passes(node, filters) {
    return (!filters.kinds.size || filters.kinds.has(node.kind)) && (!filters.domain || node.domain === filters.domain)
      && (!filters.owner || node.owner === filters.owner) && (!filters.flow || node.flows.has(filters.flow));
  };

  // What leads to the focus and what follows, up to a depth. What a filter hides is passed through: it costs no
  // step, and the edge across it says so.
  W.neighbourhood = function neighbourhood(focus, depth, filters) {
    const places = new Map([[focus, 0]]);
    const links = new Map();
    const walk = (side) => {
      let reach = [focus];
      for (let step = 1; step <= depth && reach.length; step += 1) {
        const next = [];
        for (const here of reach) {
          for (const [there, edge, hidden] of W.visible(here, side, filters)) {
            const [from, to] = side > 0 ? [here, there] : [there, here];
            keep(links, from, to, edge, hidden);
            if (!places.has(there)) { places.set(there, side * step); next.push(there); }
          }
        }
        reach = next;
      }
    };
    walk(-1);
    walk(1);
    const nodes = [...places.keys()].sort((a, b) => Math.abs(places.get(a)) - Math.abs(places.get(b)) || a.at - b.at);
    const shown = new Set(nodes.slice(0, W.MOST_DRAWN));
    // Edges among those who are there, though nobody walked them: at the rim, or on one side.
    for (const node of shown) {
      for (const edge of node.after) if (shown.has(edge.to)) keep(links, node, edge.to, edge, 0);
    }
    return { focus, places, nodes: [...shown], left: nodes.length - shown.size, links: [...links.values()].filter((one) => shown.has(one.from) && shown.has(one.to)) };
  };

  function keep(links, from, to, edge, hidden) {
    const key = from.at + '>' + to.at;
    const known = links.get(key);
    if (!known) links.set(key, { key, from, to, edges: [edge], hidden });
    else if (!hidden || known.hidden) {
      if (known.hidden && !hidden) { known.edges = []; known.hidden = 0; }
      if (!known.edges.includes(edge)) known.edges.push(edge);
    }
  }

  // The nearest nodes a filter leaves on one side, with the first edge towards them.
  W.visible = function visible(here, side, filters) {
    const found = [];
    const seen = new Set([here]);
    const pending = [[here, null, 0]];
    for (let at = 0; at < pending.length && at < 5000; at += 1) {
      const [node, first, hidden] = pending[at];
      for (const edge of side > 0 ? node.after : node.before) {
        const there = side > 0 ? edge.to : edge.from;
        if (seen.has(there)) continue;
        seen.add(there);
        if (W.passes(there, filters)) found.push([there, first || edge, hidden]);
        else if (!DEAD_ENDS.has(there.kind)) pending.push([there, first || edge, hidden + 1]);
      }
    }
    return found;
  };

  // A search is a walk over one line of words per node, written when the site was built.
  W.search = function search(text, limit, filters) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const lines = W.data.words || [];
    if (!words.length) return [];
    const found = [];
    for (const node of W.model.nodes) {
      const label = node.label.toLowerCase();
      const line = lines[node.at] || label;
      let score = 0;
      for (const word of words) {
        const at = line.indexOf(word);
        if (at < 0) { score = 0; break; }
        if (label === word) score += 100;
        else if (label.startsWith(word)) score += 60;
        else if (label.includes(word)) score += 40;
        else score += line[at - 1] === ' ' ? 12 : 4;
      }
      if (score && W.passes(node, filters)) found.push([score + (node.kind === 'event' ? 2 : 0), node]);
    }
    found.sort((a, b) => b[0] - a[0] || a[1].label.length - b[1].label.length || (a[1].label < b[1].label ? -1 : 1));
    return found.slice(0, limit).map((one) => one[1]);
  };

  // A script of data, loaded once. A page opened from a file may load scripts and nothing else.
  W.load = function load(name, there) {
    if (there()) return Promise.resolve();
    if (!W.waiting[name]) {
      W.waiting[name] = new Promise((resolve, reject) => {
        const script = document.createElement('script');
        script.src = 'data/' + name;
        script.onload = () => (there() ? resolve() : reject(new Error(name)));
        script.onerror = () => { delete W.waiting[name]; reject(new Error(name)); };
        document.head.append(script);
      });
    }
    return W.waiting[name];
  };

  W.page = async function page(node) {
    const number = Math.floor(node.at / W.model.shard);
    await W.load('p' + number + '.js', () => W.shards[number]);
    return W.shards[number][node.at % W.model.shard];
  };

  W.mermaid = function mermaid(seen) {
    const names = new Map(seen.nodes.map((node, at) => [node, 'n' + at]));
    const text = (words) => '"' + words.replace(/[&<>"#;\n\r]/g, (sign) => '#' + sign.codePointAt(0) + ';') + '"';
    const box = { event: ['([', '])'], agent: ['[', ']'], flow: ['>', ']'], policy: ['[/', '/]'], tool: ['{{', '}}'], client: ['((', '))'] };
    const rows = ['flowchart LR'];
    for (const node of seen.nodes) {
      const [open, close] = box[node.kind] || ['[', ']'];
      rows.push('  ' + names.get(node) + open + text(node.label) + close);
    }
    for (const one of seen.links) {
      const kinds = [...new Set(one.edges.map((edge) => edge.kind))].join(', ');
      rows.push('  ' + names.get(one.from) + (one.hidden ? ' -.->|' : ' -->|') + text(one.hidden ? 'through ' + one.hidden : kinds) + '| ' + names.get(one.to));
    }
    rows.push('  style ' + names.get(seen.focus) + ' stroke-width:3px');
    return rows.join('\n') + '\n';
  };
})(window.WINGMAN);
