// What ESLint expects of the page's modules, of LuCI's views, read as openwrt/luci's own configuration reads them, and of LuCI's stand-in.

import { readdirSync, readFileSync } from "node:fs";
import js from "@eslint/js";
import globals from "globals";

const VIEWS = "openwrt/luci-app-pathwarden/htdocs";
const STAND_IN = "tests/luci/stand_in.js";
const REQUIRE = /^'require ([\w.]+)(?: as (\w+))?';$/gm; // LuCI's loader hands these to the script, under that name
const LUCI = ["E", "L", "_"]; // what every script of LuCI finds

// A name of a stranger written into the document as markup brings a script of theirs.
const MARKUP = ["innerHTML", "outerHTML", "insertAdjacentHTML", "write", "writeln"];

const readonly = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

const required = (text) => [...text.matchAll(REQUIRE)].map(([, path, as]) => as ?? path.replaceAll(/[^a-zA-Z0-9]/g, "_"));

/** What LuCI fetches for nothing: a module that is required and not used. */
const unusedRequire = {
  create: (context) => ({
    "Program:exit": (program) => {
      const { text, scopeManager } = context.sourceCode;
      for (const name of required(text)) {
        if (!scopeManager.globalScope.set.get(name)?.references.length) context.report({ node: program, message: `'${name}' is required and never used` });
      }
    },
  }),
};

const rules = {
  ...js.configs.recommended.rules,
  "array-callback-return": "error",
  "block-scoped-var": "error",
  "default-case-last": "error",
  eqeqeq: ["error", "always", { null: "ignore" }],
  "guard-for-in": "error",
  "no-alert": "error",
  "no-console": "error",
  "no-constructor-return": "error",
  "no-eval": "error",
  "no-extend-native": "error",
  "no-implied-eval": "error",
  "no-loop-func": "error",
  "no-new-func": "error",
  "no-new-wrappers": "error",
  "no-restricted-properties": ["error", ...MARKUP.map((property) => ({ property, message: "Texts become nodes, never markup." }))],
  "no-script-url": "error",
  "no-self-compare": "error",
  "no-template-curly-in-string": "error",
  "no-throw-literal": "error",
  "no-unmodified-loop-condition": "error",
  "no-unreachable-loop": "error",
  "no-unused-expressions": "error",
  "no-use-before-define": ["error", { functions: false, variables: false }],
  "no-useless-rename": "error",
  "no-useless-return": "error",
  "no-var": "error",
  "object-shorthand": ["error", "properties"],
  "prefer-const": "error",
  radix: "error",
  strict: "error",
};

const script = { sourceType: "script", ecmaVersion: 2022, parserOptions: { ecmaFeatures: { globalReturn: true } } };

/** One for each view: its globals are the modules that it requires itself. */
const views = readdirSync(VIEWS, { recursive: true })
  .filter((name) => name.endsWith(".js"))
  .map((name) => ({
    files: [`${VIEWS}/${name}`],
    languageOptions: { ...script, globals: { ...globals.browser, ...readonly([...LUCI, ...required(readFileSync(`${VIEWS}/${name}`, "utf-8"))]) } },
  }));

export default [
  { files: ["**/*.js"], linterOptions: { reportUnusedDisableDirectives: "error" }, rules },
  { files: ["web/**/*.js"], languageOptions: { sourceType: "module", ecmaVersion: 2022, globals: globals.browser } },
  { files: [`${VIEWS}/**/*.js`], plugins: { luci: { rules: { "unused-require": unusedRequire } } }, rules: { "luci/unused-require": "error", strict: ["error", "global"], "object-shorthand": "off" } },
  ...views,
  // It does what LuCI does: evaluates scripts, takes a lone text as markup, gives texts a format().
  { files: [STAND_IN], languageOptions: { ...script, globals: { ...globals.browser, ...readonly(LUCI) } }, rules: { "no-eval": "off", "no-extend-native": "off", "no-restricted-properties": "off", "object-shorthand": "off", strict: ["error", "global"] } },
];
