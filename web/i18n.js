// Chooses the language. A further language is one file of each room in i18n/ and one line here.

export const LANGUAGES = [
  { id: "en", tag: "en", name: "English" },
  { id: "zh_Hant", tag: "zh-Hant", name: "繁體中文" },
  { id: "zh_Hans", tag: "zh-Hans", name: "简体中文" },
  { id: "ja", tag: "ja", name: "日本語" },
];

/** The first language of the reader's list that we speak; English if none. */
export function chooseLanguage(preferences) {
  for (const preference of preferences) {
    const locale = new Intl.Locale(preference);
    const id = locale.language === "zh" ? `zh_${locale.maximize().script}` : locale.language;
    const found = LANGUAGES.find((entry) => entry.id === id);
    if (found) return found;
  }
  return LANGUAGES[0];
}

/** What only the settings say. */
export const SETTINGS = ["settings"];

/** A language's texts: the page's own, the words for what the agent says, and `more` rooms of texts. */
export async function catalogue(id, more = []) {
  const rooms = await Promise.all([import(`./i18n/${id}.js`), ...["said", ...more].map((room) => import(`./i18n/${room}.${id}.js`))]);
  return Object.assign({}, ...rooms.map((room) => room.default));
}

/** Loads a language's texts. `t(id, values)` fills `{name}`; `word(group, value)` falls back to the value itself. */
export async function loadTexts(id, more) {
  const texts = await catalogue(id, more);
  const t = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const word = (group, value) => texts[`${group}.${value}`] ?? value ?? "";
  return { t, word };
}
