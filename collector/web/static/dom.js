/** Making elements: what stands in the page is made here, never from text that is parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. A key that begins with `on` is a listener, one with a boolean is there or not.
 * @param {string} name such as `p`, or `button.plain` with classes
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string | number | null | undefined | false | Node[])} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  return filled((tag) => document.createElement(tag), name, attributes, children);
}

/**
 * Make an element of SVG, as `element` does.
 * @returns {SVGElement}
 */
export function drawn(name, attributes = {}, ...children) {
  return filled((tag) => document.createElementNS(SVG, tag), name, attributes, children);
}

/** Put children in the place of what is there. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter(isThere));
}

/** Set a text where it differs: what stays the same costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A word with the shape of a device's or a reading's state before it; both say the same. */
export function stateMark(state, word) {
  return element("span.state", { "data-state": state }, element("i", { "aria-hidden": "true" }), word);
}

/**
 * Call something at most once a frame of the screen, however often it is asked for.
 * @param {() => void} act
 * @returns {(() => void) & {cancel: () => void}}
 */
export function onceAFrame(act) {
  let frame = 0;
  const ask = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      act();
    });
  };
  ask.cancel = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  return ask;
}

function filled(make, name, attributes, children) {
  const [tag, ...classes] = name.split(".");
  const node = make(tag);
  if (classes.length) node.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") node.toggleAttribute(key, value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter(isThere));
  return node;
}

function isThere(child) {
  return child !== null && child !== undefined && child !== false;
}
