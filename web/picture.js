// A picture that the agent drew, made a part of the page, and what becomes of it: moved by hand, larger, smaller, kept as a file.

import { svg } from "./dom.js";

const ELEMENTS = ["svg", "g", "title", "path", "rect", "circle", "text"];
const ATTRIBUTES = ["transform", "d", "fill", "stroke", "stroke-width", "stroke-dasharray", "x", "y", "width", "height", "rx", "cx", "cy", "r", "font-weight", "font-size", "text-anchor", "paint-order", "stroke-linejoin", "fill-rule", "overflow"];
const FACE = ["font-family", "font-size"];
const ZOOM = { least: 0.1, most: 4, step: 1.25, legible: 0.8 };
const CANVAS = { side: 16384, area: 2 ** 24, scale: 2 }; // what every browser's canvas can hold; twice the size is sharp on paper

/** A copy of an element with shapes and texts alone; throws where there is anything else. */
function copy(node, names = ELEMENTS, extra = []) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  const attributes = [...(node.attributes ?? [])].filter(({ name }) => name !== "xmlns");
  const strange = node.namespaceURI !== "http://www.w3.org/2000/svg" || !names.includes(node.localName) || attributes.some(({ name, value }) => ![...ATTRIBUTES, ...extra].includes(name) || value.includes("url("));
  if (strange) throw new TypeError(`no shape: ${node.nodeName}`);
  return svg(node.localName, Object.fromEntries(attributes.map(({ name, value }) => [name, value])), [...node.childNodes].map((child) => copy(child)));
}

/** { text, drawing, width, height, places } of a picture, `drawing` one group with all that is in it, `places` how many a map has; null if there is more in it than shapes and texts. */
export function readPicture(text) {
  try {
    const whole = copy(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, ["svg"], ["viewBox", "role", "data-places", ...FACE]);
    const face = Object.fromEntries(FACE.map((name) => [name, whole.getAttribute(name)]));
    const drawing = svg("g", face, [...whole.children].filter(({ localName }) => localName !== "title"));
    return { text, drawing, width: Number(whole.getAttribute("width")), height: Number(whole.getAttribute("height")), places: whole.getAttribute("data-places") };
  } catch {
    return null;
  }
}

/** How large a picture is shown at first: as wide as the room, but not larger than it was drawn nor too small to read. */
export const firstZoom = (width, room) => Math.min(1, Math.max(room / width, ZOOM.legible));

const keep = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
};

/** Offers a picture as an SVG file. */
export const keepSvg = ({ text }, name) => keep(new Blob([text], { type: "image/svg+xml" }), `${name}.svg`);

/** The same as PNG, through a canvas, in twice its size where a canvas can be that large. */
export async function keepPng({ text, width, height }, name) {
  const scale = Math.min(CANVAS.scale, CANVAS.side / Math.max(width, height), Math.sqrt(CANVAS.area / (width * height)));
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.floor(width * scale), height: Math.floor(height * scale) });
  const image = new Image();
  // The page's policy lets in pictures that are data, not those that are blobs.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  keep(await new Promise((done) => canvas.toBlob(done)), `${name}.png`);
}

/**
 * Listens below `root` to what hands do to a [data-picture], a box that scrolls and tells its zoom in data-zoom: a drag moves it, two
 * fingers, the wheel (with Ctrl, or once it has the focus), + and - zoom; arrow keys scroll as everywhere. `zoom` draws it anew.
 * Gives what zooms by "in", "out" or "fit" around the middle.
 */
export function listenToPictures(root, zoom) {
  const down = new Map(); // pointer -> { x, y }
  const boxOf = (event) => event.target.closest?.("[data-picture]");

  function zoomTo(box, wanted, clientX, clientY) {
    const old = Number(box.dataset.zoom);
    const frame = box.getBoundingClientRect();
    const [x, y] = [clientX - frame.left, clientY - frame.top];
    const [left, top] = [box.scrollLeft + x, box.scrollTop + y];
    zoom(Math.min(Math.max(wanted, ZOOM.least), ZOOM.most));
    const ratio = Number(box.dataset.zoom) / old;
    box.scrollTo(left * ratio - x, top * ratio - y);
  }

  const middle = (box) => {
    const { left, top, width, height } = box.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };
  const wishes = { in: (now) => now * ZOOM.step, out: (now) => now / ZOOM.step, fit: (now, box) => Math.min((now * box.clientWidth) / box.querySelector("svg").clientWidth, 1) };
  const step = (box, wish) => zoomTo(box, wishes[wish](Number(box.dataset.zoom), box), ...middle(box));

  root.addEventListener("pointerdown", (event) => {
    const box = boxOf(event);
    if (!box || event.button > 0) return;
    box.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });

  root.addEventListener("pointermove", (event) => {
    const held = down.get(event.pointerId);
    const box = held && boxOf(event);
    if (!box) return;
    const now = { x: event.clientX, y: event.clientY };
    const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    down.set(event.pointerId, now);
    if (!other) box.scrollBy(held.x - now.x, held.y - now.y);
    else {
      const [was, is] = [held, now].map((place) => Math.max(Math.hypot(place.x - other.x, place.y - other.y), 1));
      zoomTo(box, (Number(box.dataset.zoom) * is) / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
    }
  });

  for (const kind of ["pointerup", "pointercancel"]) root.addEventListener(kind, (event) => down.delete(event.pointerId));

  root.addEventListener(
    "wheel",
    (event) => {
      const box = boxOf(event);
      if (!box || !(event.ctrlKey || document.activeElement === box)) return;
      event.preventDefault();
      zoomTo(box, Number(box.dataset.zoom) * 2 ** (-event.deltaY / 400), event.clientX, event.clientY);
    },
    { passive: false },
  );

  root.addEventListener("keydown", (event) => {
    const wish = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
    if (!wish || !boxOf(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step(boxOf(event), wish);
  });

  return step;
}
