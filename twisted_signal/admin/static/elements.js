/** Elements, made with their text as text: what a client calls itself is never read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** Return a new element. `properties`: of the DOM's; `dataset` and `role` too. `children`: nodes or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  const { dataset = {}, role, ...rest } = properties;
  Object.assign(made.dataset, dataset);
  if (role !== undefined) made.setAttribute("role", role);
  Object.assign(made, rest);
  made.append(...children);
  return made;
}

/** Return a new element of a picture. `attributes`: by name. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Write a text where it is not there already, so that nothing is drawn, nor read out, without need. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Say how things stand: `tone` is "good", "busy", "bad" or "". */
export function say(node, text, tone = "") {
  node.dataset.tone = tone;
  write(node, text);
}

/**
 * Have a place show rows, in their order, each by an element of its own that lives as long as its row.
 *
 * `rows`: a Map by key. `make(row)`: an element with a function `show(row)` that writes what changes.
 */
export function showRows(place, rows, make) {
  const old = new Map([...place.children].map((child) => [child.rowKey, child]));
  for (const [key, child] of old) if (!rows.has(key)) child.remove();
  let before = place.firstElementChild;
  for (const [key, row] of rows) {
    let child = old.get(key);
    if (child === undefined) {
      child = make(row);
      child.rowKey = key;
    }
    if (child === before) before = before.nextElementSibling;
    else place.insertBefore(child, before);
    child.show(row);
  }
}
