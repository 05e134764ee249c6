// The page as a part of another one: its style holds for #page alone; header, language and colours are the host's.

import { start } from "./app.js";

const POLL_MS = 5000;
const FRAMES = /^@keyframes .*$/gm; // no rule may hold them

async function dress() {
  const sheet = await (await fetch(new URL("style.css", import.meta.url))).text();
  // A host that does not say whether it is dark is light.
  const inside = sheet.replace(FRAMES, "").replace(":root:not([data-darkmode])", ":not(*)").replace(/:root(\S*) \{/g, ":root$1 & {").replace(/^body \{/m, "& {");
  const style = document.createElement("style");
  style.textContent = `${sheet.match(FRAMES).join("\n")}\n#page {\n${inside}}`;
  document.head.append(style);
}

/** Shows the page in #page of a host that speaks these languages, fed by `source`. */
export async function embed(source, languages) {
  await dress();
  await start(source, POLL_MS, { languages });
}
