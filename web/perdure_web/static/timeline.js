// The timeline by keyboard: one mark is a tab stop, arrows go on to others, Enter opens, and what the
// focused one says is written above. While one has the focus the picture holds still.
(() => {
  const marks = from => [...from.querySelectorAll('.m')];
  const place = mark => parseFloat(mark.querySelector('.at').getAttribute('x'));
  const near = (mark, lane, side) => {
    while (lane && !marks(lane).length) lane = lane[side];
    return lane && marks(lane).reduce((a, b) =>
      Math.abs(place(b) - place(mark)) < Math.abs(place(a) - place(mark)) ? b : a);
  };
  document.addEventListener('keydown', e => {
    const mark = e.target.closest('.m');
    if (!mark || e.ctrlKey || e.metaKey || e.altKey) return;
    const lane = mark.closest('li'), all = marks(lane), at = all.indexOf(mark);
    const to = {
      ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], Home: () => all[0], End: () => all.at(-1),
      ArrowDown: () => near(mark, lane.nextElementSibling, 'nextElementSibling'),
      ArrowUp: () => near(mark, lane.previousElementSibling, 'previousElementSibling'),
    }[e.key];
    if (!to) return;
    e.preventDefault();
    to()?.focus();
  });
  document.addEventListener('focusin', e => {
    // Not for the mouse: what moves under a press is not pressed.
    const words = document.querySelector('#mark-words'), mark = e.target.closest('.m:focus-visible');
    if (!words) return;
    words.textContent = mark ? mark.closest('li').dataset.name + ': ' + mark.querySelector('title').textContent : '';
    if (mark) marks(document).forEach(m => m.setAttribute('tabindex', m === mark ? '0' : '-1'));
  });
  document.addEventListener('htmx:config:request', e => {
    if (e.detail.ctx.sourceElement.id === 'timeline' && document.querySelector('.m:focus')) e.preventDefault();
  });
})();
