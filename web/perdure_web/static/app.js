// What htmx cannot say in attributes: trusted HTML, ticking times, dialogs, focus, keys. One listener a kind of event, on the document; everything is found by data-* attributes.
(() => {
  const root = document.documentElement, $ = (sel, from = document) => from.querySelector(sel);
  const $$ = (sel, from = document) => [...from.querySelectorAll(sel)];
  const on = (name, act) => document.addEventListener(name, act);
  root.classList.remove('no-js');

  // HTML of our own server is the only HTML; nothing is ever evaluated. A fragment with a script
  // in it makes the whole swap fail.
  htmx.registerExtension('perdure', { init(api) {
    const refuse = what => () => { throw new Error(what + ' refused'); };
    const policy = window.trustedTypes
      ? trustedTypes.createPolicy('perdure', { createHTML: s => s }) : { createHTML: s => s };
    api.initSecurity({ createHTML: s => policy.createHTML(s), createScript: refuse('script') },
      refuse('eval'), refuse('eval'));
  } });

  // --- times --------------------
  const ahead = Date.parse(root.dataset.now) - Date.now(), now = () => Date.now() + ahead;
  const two = n => String(n).padStart(2, '0');
  const span = s => s < 60 ? Math.floor(s) + ' s' : s < 3600 ? Math.floor(s / 60) + ' min'
    : s < 86400 ? Math.floor(s / 3600) + ' h' : Math.floor(s / 86400) + ' days';
  const pair = (a, one, b, other) => Math.floor(a) + ' ' + one + (Math.floor(b) ? ' ' + Math.floor(b) + ' ' + other : '');
  const span2 = s => s < 60 ? Math.floor(s) + ' s' : s < 3600 ? pair(s / 60, 'min', s % 60, 's')
    : s < 86400 ? pair(s / 3600, 'h', s / 60 % 60, 'min') : pair(s / 86400, 'd', s / 3600 % 24, 'h');
  const zone = d => {
    const ahead = -d.getTimezoneOffset(), size = Math.abs(ahead);
    return (ahead < 0 ? '-' : '+') + two(Math.floor(size / 60)) + ':' + two(size % 60);
  };
  const absolute = (at, part) => {
    const d = new Date(at), utc = root.dataset.zone !== 'local', g = n => utc ? d['getUTC' + n]() : d['get' + n]();
    const day = g('FullYear') + '-' + two(g('Month') + 1) + '-' + two(g('Date'));
    const clock = two(g('Hours')) + ':' + two(g('Minutes')) + ':' + two(g('Seconds'));
    return part === 'clock' ? clock : part === 'hm' ? clock.slice(0, 5) : part === 'day' ? day.slice(5) : day + ' ' + clock + ' ' + (utc ? 'UTC' : zone(d));
  };
  const put = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  const say = el => {
    const at = Date.parse(el.dateTime), kind = el.dataset.t, s = (now() - at) / 1000;
    if (kind === 'rel') put(el, s >= 0 ? (s < 1 ? 'now' : span(s) + ' ago') : 'in ' + span(1 - s));
    else if (kind === 'left') put(el, s < 0 ? span(1 - s) : 'now');
    else if (kind === 'since') put(el, span2(Math.max(0, s)));
    else put(el, absolute(at, kind));
    if (kind === 'rel' || kind === 'left' || kind === 'since') el.title = absolute(at);
  };
  const tell = (from = document) => $$('time[data-t]', from).forEach(say);
  setInterval(() => { if (!document.hidden) $$('time:is([data-t=rel],[data-t=left],[data-t=since])').forEach(say); }, 1000);

  // --- toasts, announcements, dialogs --------------------
  const toast = (text, bad) => {
    const el = document.createElement('div');
    el.className = bad ? 'toast bad' : 'toast';
    el.textContent = text;
    if (bad) el.role = 'alert';
    $('#toasts').append(el);
    setTimeout(() => el.remove(), bad ? 9000 : 5000);
  };
  let said = 0;
  const announce = text => { if (Date.now() - said > 5000) { said = Date.now(); $('#announce').textContent = text; } };
  on('perdure:toast', e => toast(e.detail.text, e.detail.bad));
  on('perdure:done', () => $('#dialog').close());
  on('perdure:say', e => announce(JSON.parse(e.detail.data)));
  let opener = null;
  const open = () => { const d = $('#dialog'); if (!d.open) { opener = document.activeElement; d.showModal(); } };
  const closed = () => (opener?.isConnected ? opener : $('#main')).focus();

  // --- focus: what had it may be swapped away; then it goes to the next thing to press there --------------------
  let had = null, around = [];
  on('focusin', e => {
    had = e.target.matches(':focus-visible') ? e.target : null; around = [];
    for (let el = e.target.parentElement; el; el = el.parentElement) if (el.id) around.push(el.id);
  });
  on('pointerdown', () => { had = null; });
  const refocus = () => {
    if (!had || document.activeElement !== document.body) return;
    const place = around.map(id => document.getElementById(id)).find(Boolean);
    (had.isConnected ? had : place && $('.acts .b, .row .b', place) || $('#main')).focus();
  };

  // --- the one stream --------------------
  const live = (state, words) => { const el = $('#live-state'); if (el) { el.dataset.live = state; put($('span', el), words); } };
  on('htmx:sse:after:connection', () => live('on', 'Live'));
  on('htmx:sse:before:connection', e => { if (e.detail.connection.attempt > 0) live('wait', 'Reconnecting'); });
  on('htmx:sse:close', () => live('off', 'Paused'));
  on('htmx:sse:error', e => {
    live('wait', 'Reconnecting');
    const status = e.detail.status ?? e.detail.connection?.status;
    if (status === 401) location.href = '/login?next=' + encodeURIComponent(location.pathname + location.search);
    else if ([403, 404, 410].includes(status)) { live('off', 'Paused'); $('#live')?.remove(); }
  });
  on('perdure:reset', () => location.reload());
  on('visibilitychange', () => { if (document.hidden) live('off', 'Paused'); });

  // Who has scrolled away from the top of a list keeps its rows.
  on('htmx:config:request', e => {
    const { sourceElement: el, request } = e.detail.ctx;
    if (el.dataset.held && el.getBoundingClientRect().top < 0) request.action = el.dataset.held;
  });

  // --- after every swap --------------------
  on('htmx:after:settle', e => {
    const target = e.detail.task.target;
    if (target?.id === 'dialog-body') open();
    tell(target?.parentNode ?? document); ticks(); refocus();
  });
  on('htmx:response:error', e => {
    const { status, headers } = e.detail.ctx.response;
    if (status >= 500 && !headers.get('HX-Trigger')) toast('The server could not answer (' + status + '). Try again in a moment.', true);
  });
  on('htmx:error', e => { if (e.detail.ctx) toast('No answer from the server. Is it running?', true); });

  // --- clicks and changes --------------------
  on('click', e => {
    const at = sel => e.target.closest(sel);
    let el;
    if ((el = at('[data-copy]'))) navigator.clipboard.writeText(el.dataset.copy).then(() => toast('Copied'));
    else if ((el = at('[data-close]'))) { e.preventDefault(); el.closest('dialog').close(); }
    else if ((el = at('[data-open]'))) $(el.dataset.open).showModal();
    $$('details.menu[open]').forEach(d => { if (!d.contains(e.target)) d.open = false; });
  });
  on('submit', e => {
    const pref = e.submitter?.closest('[data-pref]');
    if (!pref) return;
    e.preventDefault();
    const { name, value } = e.submitter, body = new URLSearchParams(new FormData(e.target));
    body.set(name, value);
    fetch(e.target.action, { method: 'POST', body, headers: { 'HX-Request': 'true' } });
    root.dataset[name] = value;
    $$('button', e.submitter.parentNode).forEach(b => b.setAttribute('aria-pressed', b === e.submitter));
    tell();
  });
  on('change', e => { if (e.target.matches('[data-submit]')) e.target.form.requestSubmit(); });
  const modes = () => $$('[data-when]').forEach(el => {
    const [name, value] = el.dataset.when.split('=');
    el.hidden = !$(`[name="${name}"][value="${value}"]`)?.checked;
  });
  on('change', modes);
  const ticks = () => { const el = $('#ticked'); if (el) put(el, $$('td .tick:checked').length + ' selected'); };
  on('change', e => {
    if (e.target.id === 'tick-all') $$('td .tick').forEach(box => { box.checked = e.target.checked; });
    ticks();
  });

  // --- keys --------------------
  let g = 0, row = -1;
  const step = by => {
    const links = $$('.rows .name a');
    if (!links.length) return;
    row = links.indexOf(document.activeElement) >= 0 ? links.indexOf(document.activeElement) : row;
    row = Math.max(0, Math.min(links.length - 1, row + by));
    links[row].focus();
  };
  const press = sel => { const el = $(sel); el?.click(); return !!el; };
  on('keydown', e => {
    if (e.key === 'k' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); $('#find')?.focus(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || root.dataset.keys === 'off') return;
    if (e.target.matches('input:not([type=range]), textarea, select') || $('dialog[open]')) return;
    const page = { o: '/', r: '/runs', j: '/jobs', b: '/backups', s: '/schedules', t: '/timeline', q: '/queues', e: '/executors', n: '/runs/new' }[e.key];
    if (Date.now() - g < 1200 && page) { location.href = page; return; }
    g = e.key === 'g' ? Date.now() : 0;
    const done = { '/': () => { $('#find')?.focus(); return true; }, '?': () => press('#keys-button'), j: () => { step(1); return true; },
      k: () => { step(-1); return true; }, c: () => press('[data-key=c]'), n: () => press('[data-key=n]'), f: () => press('#follow'),
      '[': () => press('[data-key="["]'), ']': () => press('[data-key="]"]') }[e.key]?.();
    if (done) e.preventDefault();
  });

  on('DOMContentLoaded', () => {
    $('#dialog')?.addEventListener('close', closed);
    tell(); modes(); ticks();
    $('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  });
})();
