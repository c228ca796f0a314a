// First of all scripts: the theme before anything is painted, and plain words when a file does not load.
'use strict';
(function () {
  const W = (window.WINGMAN = { data: {}, shards: {}, waiting: {} });

  W.graph = (data) => { W.data.graph = data; };
  W.words = (list) => { W.data.words = list; };
  W.shard = (number, pages) => { W.shards[number] = pages; };

  W.stored = (key, value) => {
    // A browser may refuse storage to a page opened from a file; then nothing is remembered, and that is all.
    try {
      if (value === undefined) return window.localStorage.getItem('wingman.' + key);
      window.localStorage.setItem('wingman.' + key, value);
    } catch (_) { /* not remembered */ }
    return null;
  };

  const theme = W.stored('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;

  W.failed = (title, detail) => {
    const boot = document.getElementById('boot');
    if (!boot || W.broken) return; // the first cause is the one to tell
    W.broken = true;
    const box = document.createElement('div');
    box.className = 'boot-box';
    box.setAttribute('role', 'alert');
    const head = document.createElement('h1');
    head.textContent = title;
    const text = document.createElement('p');
    text.textContent = detail;
    box.append(head, text);
    boot.replaceChildren(box);
    boot.hidden = false;
  };

  const incomplete = 'The folder has to stay together: index.html, assets and data. Build it again with `wingman docs build`.';
  window.addEventListener('error', (event) => {
    if (W.ready) return;
    const from = event.target && event.target.src;
    if (from) W.failed('A part of the map is missing', 'Could not load ' + from.split('/').slice(-2).join('/') + '. ' + incomplete);
    else W.failed('The map could not be drawn', (event.message || 'unknown error') + '. A newer browser may help.');
  }, true);
  document.addEventListener('DOMContentLoaded', () => {
    if (!W.start) W.failed('A part of the map is missing', incomplete);
  });
})();
