// The log of a run: it follows until one scrolls up, and holds at most 2,000 lines in the page.
(() => {
  const $ = (sel, from = document) => from.querySelector(sel), $$ = sel => [...document.querySelectorAll(sel)];
  const on = (name, act) => document.addEventListener(name, act);
  const put = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  const MOST = 2000;
  let following = true, missed = 0, cut = false, above = null, top = 0;
  const box = () => $('#log');
  const atEnd = el => el.scrollHeight - el.scrollTop - el.clientHeight < 24;
  const pill = () => {
    const el = $('#follow');
    if (el) { el.hidden = following; put($('span', el), missed ? 'Follow, ' + missed.toLocaleString('en') + ' new' : 'Follow'); }
  };
  const toEnd = () => { const el = box(); if (el) { el.scrollTop = el.scrollHeight; top = el.scrollTop; } };
  const follow = () => {
    if (cut || !box()?.dataset.tail) { location.href = $('#follow').dataset.href; return; }
    following = true; missed = 0; pill(); toEnd();
  };
  const settle = () => {
    const el = box();
    if (!el) return;
    following = !!el.dataset.tail; missed = 0; cut = false;
    el.addEventListener('scroll', () => {
      // Only a person scrolls up; the log itself always goes to its end.
      if (atEnd(el)) { if (el.dataset.tail && !cut) { following = true; missed = 0; } } else if (el.scrollTop < top) following = false;
      top = el.scrollTop;
      pill();
    }, { passive: true });
    const hit = $('.hit', el);
    if (hit) hit.scrollIntoView({ block: 'center' }); else if (following) toEnd();
    pill();
  };
  // What is above the first line that is left, wherever that is by now.
  const mend = () => {
    const a = $('#log-earlier a'), first = $('#log-lines .l[id]');
    if (!a || !first || 'end' in a.dataset) return;
    const n = first.id.slice(1);
    for (const name of ['href', 'hx-get']) {
      const url = new URL(a.getAttribute(name), location);
      url.searchParams.set('before', n);
      a.setAttribute(name, url.pathname + url.search);
    }
    a.hidden = n <= 1;
  };
  on('htmx:before:swap', e => {
    const tasks = e.detail.tasks, lines = tasks.findIndex(t => t.target?.id === 'log-lines' && t.type === 'partial');
    if (lines < 0) return;
    if (tasks[lines].swapSpec.style === 'afterbegin') { above = box().scrollHeight - box().scrollTop; return; }
    const n = tasks[lines].fragment.querySelectorAll('.l').length;
    if (!following) {
      missed += n;
      const whole = tasks[lines].swapSpec.style === 'innerHTML';
      if (cut || whole || $('#log-lines').childElementCount + n > MOST) { cut = true; tasks.splice(lines, 1); }
    }
  });
  on('htmx:after:swap', () => {
    const list = $('#log-lines');
    if (list && above !== null) {
      box().scrollTop = box().scrollHeight - above; above = null;
      while (list.childElementCount > MOST) { list.lastElementChild.remove(); cut = true; }
      if (cut) following = false;
    } else if (list && following) {
      while (list.childElementCount > MOST) list.firstElementChild.remove();
      if ($('#log-none')) $('#log-none').remove();
      if (!atEnd(box())) toEnd();
    }
    mend(); pill();
  });
  on('htmx:after:settle', e => { if (e.detail.task.target?.id === 'log-panel') settle(); });
  on('click', e => {
    const line = e.target.closest('#log .l > a');
    if (e.target.closest('#follow')) { e.preventDefault(); follow(); }
    else if (line && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      $$('.l.hit').forEach(l => l.classList.remove('hit'));
      line.parentNode.classList.add('hit');
      history.replaceState(history.state, '', line.href);
    }
  });
  on('DOMContentLoaded', settle);
})();
