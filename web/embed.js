// The page as a part of another one: its style holds for #page alone; header, language and colours are the host's.

import { start } from "./app.js";

const POLL_MS = 5000;
const FRAMES = /^@keyframes .*$/gm; // no rule may hold them
const REM_PX = 14; // the sheet's own; the host's may be another
// What the host's theme says of elements and classes is undone, but in drawings, whose attributes would go with it.
const UNDO = "#page :where(:not(svg, svg *)), #page :where(*)::before, #page :where(*)::after { all: revert; }";

async function dress() {
  const sheet = await (await fetch(new URL("style.css", import.meta.url))).text();
  // A host that does not say whether it is dark is light.
  const inside = sheet.replace(FRAMES, "").replace(":root:not([data-darkmode])", ":not(*)").replace(/:root(\S*) \{/g, ":root$1 & {").replace(/^(html|body) \{/gm, "& {");
  const style = document.createElement("style");
  style.textContent = `${sheet.match(FRAMES).join("\n")}\n${UNDO}\n#page {\n${inside.replace(/([\d.]+)rem/g, (_, rem) => `${rem * REM_PX}px`)}}`;
  document.head.append(style);
}

/** Shows the page in #page of a host that speaks these languages, fed by `source`. */
export async function embed(source, languages) {
  await dress();
  await start(source, POLL_MS, { languages });
}
