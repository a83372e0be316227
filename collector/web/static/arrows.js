/** Moving by the arrow keys between what stands in a grid, so that nobody has to tab through hundreds. */

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Let the arrow keys move the focus to the nearest in that direction.
 * @param {HTMLElement} grid
 * @param {string} selector of what can have the focus
 * @returns {() => void} what ends it
 */
export function moveByArrows(grid, selector) {
  const move = (event) => {
    const step = STEPS[event.key];
    const from = event.target.closest(selector);
    if (!step || !from || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = nearest(from, [...grid.querySelectorAll(selector)], step);
    if (!found) return;
    event.preventDefault();
    found.focus();
  };
  grid.addEventListener("keydown", move);
  return () => grid.removeEventListener("keydown", move);
}

function nearest(from, all, [dx, dy]) {
  if (dx) return all[all.indexOf(from) + dx];
  const start = middle(from);
  let best = null;
  let least = Infinity;
  for (const each of all) {
    const { x, y } = middle(each);
    const far = (y - start.y) * dy;
    if (far < 4) continue;
    const distance = far * 4 + Math.abs(x - start.x);
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}

function middle(node) {
  const { left, top, width, height } = node.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}
