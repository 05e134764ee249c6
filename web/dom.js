// Builds and updates the document. Text enters as text nodes only, because names on the network are written by strangers.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") node.append(child);
  }
  return node;
}

/** An HTML element; attributes that are null or false are left out, children are nodes, text, or nested lists of them. */
export function el(tag, attrs, ...children) {
  return fill(document.createElement(tag), attrs, children);
}

/** The same for SVG. */
export function svg(tag, attrs, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attrs, children);
}

const keyOf = (node) => node.dataset?.key;

function patchAttributes(old, next) {
  // Whether a <details> is open belongs to the reader, not to the data.
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (name === "open" || old.getAttribute(name) === value) continue;
    old.setAttribute(name, value);
    // Once typed into, an input heeds its attribute no more.
    if (name === "value") old.value = value;
  }
}

function patchChildren(old, next) {
  const keyed = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let cursor = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    const key = keyOf(wanted);
    const found = key ? keyed.get(key) : cursor && !keyOf(cursor) ? cursor : null;
    if (!found) {
      old.insertBefore(wanted, cursor);
      continue;
    }
    if (found === cursor) cursor = cursor.nextSibling;
    else old.insertBefore(found, cursor);
    patch(found, wanted);
  }
  while (cursor) {
    const after = cursor.nextSibling;
    cursor.remove();
    cursor = after;
  }
}

/** Makes `old` look like `next` and keeps every node that can stay, so that focus, selection and scroll survive a refresh. */
export function patch(old, next) {
  if (old.nodeName !== next.nodeName) {
    old.replaceWith(next);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
  } else if (!old.hasAttribute("data-hands")) {
    // What the reader's hands draw (a brush, what lies under the pointer) is theirs until they are done.
    patchAttributes(old, next);
    patchChildren(old, next);
  }
}
