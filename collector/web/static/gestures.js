/** Moving and zooming by mouse, touch and keyboard. */

const WHEEL_ZOOM = 0.0016;
const KEY_STEP = 0.15;
const KEY_ZOOM = 1.5;

/**
 * What gestures do.
 * @typedef {{move: (share: number) => void, zoom: (factor: number, at: number) => void, follow: () => void,
 *   point: (direction: -1 | 1) => void, leave: () => void}} Acts
 */

/**
 * Let the wheel zoom, shift and the mouse move, one finger move and two zoom.
 * @param {HTMLElement} over
 * @param {Acts} acts
 */
export function byPointer(over, acts) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  const at = (x) => (x - over.getBoundingClientRect().left) / over.clientWidth;
  over.addEventListener("wheel", (event) => {
    event.preventDefault();
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    const far = isSideways ? event.deltaX || event.deltaY : event.deltaY;
    const pixels = far * (event.deltaMode === 1 ? 24 : 1);
    if (isSideways) acts.move(pixels / over.clientWidth);
    else acts.zoom(Math.exp(Math.max(-300, Math.min(300, pixels)) * WHEEL_ZOOM), at(event.clientX));
  }, { passive: false });
  over.addEventListener("pointerdown", (event) => {
    const isOurs = event.pointerType === "touch" || (event.shiftKey && event.button === 0);
    if (!isOurs) return;
    over.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  over.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    down.set(event.pointerId, now);
    if (down.size === 1) {
      acts.move((before.x - now.x) / over.clientWidth);
      return;
    }
    const other = [...down].find(([id]) => id !== event.pointerId)[1];
    const [was, is] = [Math.abs(before.x - other.x), Math.abs(now.x - other.x)];
    acts.move((before.x - now.x) / 2 / over.clientWidth);
    if (was > 8 && is > 8) acts.zoom(was / is, at((now.x + other.x) / 2));
  });
  for (const type of ["pointerup", "pointercancel"]) {
    over.addEventListener(type, (event) => down.delete(event.pointerId));
  }
}

/**
 * Let keys do the same.
 * @param {HTMLElement} node which has the focus
 * @param {Acts} acts
 */
export function byKeys(node, acts) {
  const keys = {
    ArrowLeft: (event) => (event.shiftKey ? acts.point(-1) : acts.move(-KEY_STEP)),
    ArrowRight: (event) => (event.shiftKey ? acts.point(1) : acts.move(KEY_STEP)),
    PageUp: () => acts.move(-0.9),
    PageDown: () => acts.move(0.9),
    "+": () => acts.zoom(1 / KEY_ZOOM, 0.5),
    "=": () => acts.zoom(1 / KEY_ZOOM, 0.5),
    "-": () => acts.zoom(KEY_ZOOM, 0.5),
    ArrowUp: () => acts.zoom(1 / KEY_ZOOM, 0.5),
    ArrowDown: () => acts.zoom(KEY_ZOOM, 0.5),
    End: () => acts.follow(),
    Escape: () => acts.leave(),
  };
  node.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target !== node) return;
    event.preventDefault();
    act(event);
  });
}
