// The picture: one Cytoscape canvas, for the neighbourhood of a node or for the whole graph.
'use strict';
(function (W) {
  const LIVE_LAYOUT = 150;
  const GAP = 100;
  const ROW = 52;
  let cy = null;
  let seen = null;
  let cursor = null;

  W.canvas = { show, whole, clear, fit, zoom, move, restyle, overlay, cursorNode: () => cursor, seen: () => seen, cy: () => cy };

  const width = (node) => Math.max(72, 34 + cut(node.label).length * 7.4);
  const cut = (text) => (text.length > 30 ? text.slice(0, 14) + '…' + text.slice(-14) : text);

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue('--' + name).trim();
    const kinds = {};
    for (const kind of Object.keys(W.KINDS)) kinds[kind] = { line: read('k-' + kind), fill: read('f-' + kind) };
    return { kinds, ink: read('ink'), soft: read('soft'), line: read('edge'), paper: read('paper'), accent: read('accent'), alarm: read('alarm'), font: read('font') };
  }

  function sheet() {
    const c = colours();
    const rules = [
      { selector: 'node', style: {
        width: 'data(width)', height: 34, label: 'data(label)', 'font-family': c.font, 'font-size': 13, color: c.ink, 'text-valign': 'center',
        'text-halign': 'center', 'border-width': 1.5, 'background-color': c.paper, 'border-color': c.line, 'min-zoomed-font-size': 5, 'overlay-opacity': 0,
      } },
      { selector: 'edge', style: {
        width: 1.4, 'line-color': c.line, 'target-arrow-color': c.line, 'target-arrow-shape': 'triangle', 'arrow-scale': 0.8, 'curve-style': 'unbundled-bezier',
        'edge-distances': 'node-position', 'control-point-distances': 'data(bends)', 'control-point-weights': 'data(weights)', 'overlay-opacity': 0,
        'source-endpoint': '50% 0%', 'target-endpoint': '-50% 0%', 'font-size': 10.5, 'font-family': c.font, color: c.soft, 'text-background-color': c.paper,
        'text-background-opacity': 1, 'text-background-padding': 2, 'min-zoomed-font-size': 7,
      } },
      { selector: 'edge.far', style: { 'curve-style': 'haystack', 'target-arrow-shape': 'none', width: 1, opacity: 0.5 } },
      { selector: 'edge.cross', style: { opacity: 0.3 } },
      { selector: 'edge.hidden', style: { 'line-style': 'dotted' } },
      { selector: 'edge.quiet', style: { 'line-style': 'dashed', 'line-dash-pattern': [5, 4] } },
      { selector: 'edge.lit, edge.words', style: { label: 'data(words)' } },
      { selector: 'edge.lit', style: { width: 2.2, opacity: 1, 'line-color': c.accent, 'target-arrow-color': c.accent, 'z-index': 9 } },
      { selector: 'edge.undeclared', style: { width: 2.4, opacity: 1, 'line-color': c.alarm, 'target-arrow-color': c.alarm, color: c.alarm, 'line-style': 'solid', 'z-index': 8, label: 'data(words)' } },
    ];
    for (const [kind, own] of Object.entries(c.kinds)) {
      rules.push({ selector: 'node.' + kind, style: { shape: W.KINDS[kind].shape, 'background-color': own.fill, 'border-color': own.line } });
    }
    rules.push({ selector: 'node.small', style: { 'border-width': 5 } });
    rules.push({ selector: 'node.event', style: { 'corner-radius': 17 } });
    rules.push({ selector: 'node.focus', style: { 'border-width': 3, 'font-weight': 600, height: 40 } });
    rules.push({ selector: 'node.trouble', style: { 'border-color': c.alarm, 'border-width': 2.5 } });
    rules.push({ selector: 'node.held', style: { 'border-style': 'double', 'border-width': 4 } });
    rules.push({ selector: 'node.cursor', style: { 'outline-width': 3, 'outline-color': c.accent, 'outline-offset': 3, 'outline-opacity': 1 } });
    return rules;
  }

  function fresh() {
    clear();
    cy = window.cytoscape({
      container: document.getElementById('canvas'), style: sheet(), minZoom: 0.02, maxZoom: 2.5, autoungrabify: true,
      boxSelectionEnabled: false, autounselectify: true, pixelRatio: 'auto', hideEdgesOnViewport: false, layout: { name: 'null' },
    });
    cy.on('tap', 'node', (event) => W.go(W.model.nodes[Number(event.target.id())]));
    cy.on('mouseover', 'node', (event) => point(W.model.nodes[Number(event.target.id())], false));
    cy.on('mouseout', 'node', () => point(cursor, false));
    return cy;
  }

  function clear() {
    if (cy) cy.destroy();
    cy = seen = cursor = null;
  }

  const element = (node, more) => ({ group: 'nodes', data: { id: String(node.at), label: cut(node.label), width: width(node) }, classes: node.kind + (more || '') });

  const words = (one) => (one.hidden ? 'through ' + one.hidden + ' hidden' : [...new Set(one.edges.map(said))].join(', '));

  function said(edge) {
    return edge.live && edge.live.rate ? edge.kind + ' ' + W.rate(edge.live.rate) : edge.kind;
  }

  // The neighbourhood: what leads in on the left, what follows on the right, a column for each step.
  function show(found) {
    fresh();
    seen = found;
    const nodes = found.nodes.map((node) => element(node, node === found.focus ? ' focus' : ''));
    const step = (node) => found.places.get(node);
    const across = (one) => step(one.to) !== step(one.from) + 1;
    const few = found.links.filter((one) => !across(one)).length <= 16;
    const edges = found.links.map((one) => ({
      group: 'edges', data: { id: 'e' + one.key, source: String(one.from.at), target: String(one.to.at), words: words(one), bends: [0], weights: [0.5] },
      classes: classes(one) + (across(one) ? ' cross' : few ? ' words' : ''),
    }));
    cy.add(nodes.concat(edges));
    place(found);
    bend();
    fit();
    cursor = found.focus;
    point(cursor, true);
  }

  function classes(one) {
    if (one.edges.some((edge) => !edge.declared)) return 'undeclared';
    if (one.hidden) return 'hidden';
    return quiet(one) ? 'quiet' : '';
  }

  // Declared and not seen; of what no record tells (who gates, how it ends) nothing is said.
  const quiet = (one) => Boolean(W.observed) && !one.hidden && !one.edges.some((edge) => edge.live) && one.edges.some((edge) => W.SEEN.has(edge.kind));

  function place(found) {
    const step = (node) => found.places.get(node) || 0;
    const columns = new Map();
    for (const node of found.nodes) {
      if (!columns.has(step(node))) columns.set(step(node), []);
      columns.get(step(node)).push(node);
    }
    if (found.nodes.length <= LIVE_LAYOUT) {
      // Dagre orders the columns and sets the heights; it is given only what runs from one column to the next.
      const straight = found.links.filter((one) => step(one.to) === step(one.from) + 1).map((one) => '#e' + escapeId(one.key));
      const part = cy.nodes().union(straight.length ? cy.edges(straight.join(',')) : cy.collection());
      part.layout({ name: 'dagre', rankDir: 'LR', nodeSep: 16, rankSep: 90, ranker: 'network-simplex', fit: false, animate: false }).run();
    } else {
      for (const column of columns.values()) {
        column.sort((a, b) => a.y - b.y || a.x - b.x || a.at - b.at);
        column.forEach((node, at) => at_(node).position({ x: 0, y: (at - (column.length - 1) / 2) * ROW }));
      }
    }
    // Columns are as wide as they need to be, from the focus outwards.
    const half = (at) => Math.max(...(columns.get(at) || []).map((node) => at_(node).width()), 0) / 2;
    for (const side of [-1, 1]) {
      for (let at = side, x = 0; columns.has(at); at += side) {
        x += side * (half(at - side) + GAP + half(at));
        for (const node of columns.get(at)) at_(node).position('x', x);
      }
    }
    at_(found.focus).position('x', 0);
  }

  const escapeId = (text) => text.replace('>', '\\>');
  const at_ = (node) => cy.getElementById(String(node.at));

  // Each edge leaves to the right and arrives from the left, in one soft bow.
  function bend() {
    cy.edges().not('.far').forEach((edge) => {
      const a = edge.source().position();
      const b = edge.target().position();
      const from = { x: a.x + edge.source().width() / 2, y: a.y };
      const to = { x: b.x - edge.target().width() / 2, y: b.y };
      const reach = to.x > from.x ? Math.min(160, Math.max(40, (to.x - from.x) / 2)) : 60;
      const line = { x: b.x - a.x, y: b.y - a.y };
      const long = Math.hypot(line.x, line.y) || 1;
      const bends = [];
      const weights = [];
      for (const point of [{ x: from.x + reach, y: from.y }, { x: to.x - reach, y: to.y }]) {
        const p = { x: point.x - a.x, y: point.y - a.y };
        weights.push((p.x * line.x + p.y * line.y) / (long * long));
        bends.push((p.x * -line.y + p.y * line.x) / long);
      }
      edge.data({ bends, weights });
    });
  }

  // The whole graph, where it was placed when the site was built; a small part of it is laid out for itself.
  function whole(nodes) {
    fresh();
    const shown = new Set(nodes);
    const links = new Map();
    for (const node of nodes) {
      for (const edge of node.after) {
        if (!shown.has(edge.to)) continue;
        const key = node.at + '>' + edge.to.at;
        if (links.has(key)) links.get(key).edges.push(edge);
        else links.set(key, { key, from: node, to: edge.to, edges: [edge], hidden: 0 });
      }
    }
    seen = { focus: null, places: new Map(), nodes, left: 0, links: [...links.values()] };
    const far = nodes.length > 400 ? ' far' : '';
    cy.startBatch();
    cy.add(nodes.map((node) => ({ ...element(node, nodes.length > 60 ? ' small' : ''), position: { x: node.x, y: node.y } })).concat(seen.links.map((one) => ({
      group: 'edges', data: { id: 'e' + one.key, source: String(one.from.at), target: String(one.to.at), words: words(one), bends: [0], weights: [0.5] },
      classes: classes(one) + far,
    }))));
    cy.endBatch();
    if (nodes.length <= LIVE_LAYOUT) {
      const onward = seen.links.filter((one) => one.edges.some((edge) => edge.kind !== 'ends')).map((one) => '#e' + escapeId(one.key));
      const part = cy.nodes().union(onward.length ? cy.edges(onward.join(',')) : cy.collection());
      part.layout({ name: 'dagre', rankDir: 'LR', nodeSep: 14, rankSep: 70, ranker: 'network-simplex', fit: false, animate: false }).run();
    }
    bend();
    fit();
  }

  function fit() {
    if (!cy) return;
    cy.resize();
    cy.fit(cy.elements(), 26);
    if (cy.zoom() > 1.1) { cy.zoom(1.1); cy.center(); }
    if (seen && seen.focus && cy.zoom() < 0.6) {
      // Too much for one look: readable, around what it is about; the rest is a drag away.
      cy.zoom(0.6);
      cy.center(at_(seen.focus));
    }
  }

  function zoom(factor) {
    if (cy) cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  }

  function point(node, spoken) {
    if (!cy) return;
    cy.elements('.cursor, .lit').removeClass('cursor lit');
    if (!node) return;
    const here = at_(node);
    if (!(node === (seen && seen.focus) && !spoken)) here.connectedEdges().addClass(seen && seen.focus === node ? '' : 'lit');
    if (spoken && seen.focus !== node) here.addClass('cursor');
  }

  // The arrow keys: left and right along the edges, up and down within a column.
  function move(way) {
    if (!cy || !seen) return null;
    if (way === 'home') cursor = seen.focus;
    else {
      const from = cursor ? at_(cursor).position() : { x: 0, y: 0 };
      const sideways = way === 'left' || way === 'right';
      const linked = new Set();
      if (sideways && cursor) {
        for (const one of seen.links) {
          if (one.from === cursor) linked.add(one.to);
          if (one.to === cursor) linked.add(one.from);
        }
      }
      let best = null;
      let least = Infinity;
      for (const node of seen.nodes) {
        if (node === cursor) continue;
        const to = at_(node).position();
        const [dx, dy] = [to.x - from.x, to.y - from.y];
        const ahead = { left: -dx, right: dx, up: -dy, down: dy }[way];
        const beside = Math.abs(sideways ? dy : dx);
        if (ahead <= (sideways ? 60 : 4) || (!sideways && beside > 120)) continue;
        const far = ahead + beside * 2 + (sideways && !linked.has(node) ? 100000 : 0);
        if (far < least) { least = far; best = node; }
      }
      if (!best) return null;
      cursor = best;
    }
    point(cursor, true);
    if (cursor) {
      const box = cy.extent();
      const at = at_(cursor).position();
      if (at.x < box.x1 + 60 || at.x > box.x2 - 60 || at.y < box.y1 + 20 || at.y > box.y2 - 20) cy.center(at_(cursor));
    }
    return cursor;
  }

  function restyle() {
    if (cy) cy.style(sheet());
  }

  // What the server said last, over the picture that is there; nothing moves.
  function overlay() {
    if (!cy || !seen) return;
    cy.startBatch();
    for (const one of seen.links) {
      const edge = cy.getElementById('e' + one.key);
      edge.data('words', words(one));
      edge.toggleClass('undeclared', one.edges.some((each) => !each.declared));
      edge.toggleClass('quiet', quiet(one));
    }
    for (const node of seen.nodes) {
      const live = node.live || {};
      at_(node).toggleClass('trouble', Boolean(live.dead)).toggleClass('held', Boolean(live.held));
    }
    cy.endBatch();
  }
})(window.WINGMAN);
