// Signing in to the agent's own page: the form, the code of a single sign-on, and the line that says who is signed in.
// Inside LuCI nobody needs this: there LuCI has asked already.

import { createApi, SIGN_IN, useSession } from "../api.js";
import { el } from "../dom.js";
import { chooseLanguage, LANGUAGES, loadTexts } from "../i18n.js";
import { message } from "../parts.js";

const api = createApi();
const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
let texts = null;
let spoken = ""; // a language's tag
let session = null;

function stored(name) {
  // Reading throws where the browser keeps nothing for this page.
  try {
    return localStorage.getItem(`pathwarden.${name}`) ?? "auto";
  } catch {
    return "auto";
  }
}

async function speak() {
  const language = LANGUAGES.find(({ id }) => id === stored("language")) ?? chooseLanguage(navigator.languages);
  texts = await loadTexts(language.id);
  spoken = language.tag;
  document.documentElement.lang = spoken;
}

function colour() {
  const scheme = stored("scheme");
  document.documentElement.dataset.darkmode = scheme === "auto" ? darkScheme.matches : scheme === "dark";
}

function keep(given) {
  session = given;
  useSession(given);
}

/** What the agent said against it, in the reader's language if it is known. */
function said(error) {
  if (!error.code) return texts.t("unreachable.agent");
  const words = texts.word("signin.refused", error.code);
  return words === error.code ? error.message : words;
}

function field(name, label, attrs) {
  return el("div", { class: "cbi-value" }, el("label", { class: "cbi-value-title", for: name }, label), el("input", { id: name, name, class: "cbi-input-text", maxlength: 1024, ...attrs }));
}

/** The form, in the place of the page. Resolves when somebody has signed in. */
function ask(failure) {
  const { t } = texts;
  const alert = el("div", { role: "alert" }, failure && message("error", failure));
  const button = el("button", { class: "btn cbi-button cbi-button-action", type: "submit" }, t("signin"));
  const name = { autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, value: session.suggested };
  const form = el(
    "form",
    { id: "signin", class: "cbi-section", method: "post" },
    field("signin-name", t("signin.name"), name),
    // Not required: a router may have no password yet.
    field("signin-password", t("signin.password"), { type: "password", autocomplete: "current-password" }),
    button,
  );
  const help = el("p", {}, t(session.suggested === "root" ? "signin.router" : "signin.help"));
  const page = el(
    "div",
    { id: "page" },
    el("header", {}, el("div", { class: "container" }, el("span", { class: "brand" }, "Pathwarden"))),
    el("div", { class: "container" }, el("main", { id: "maincontent" }, el("h2", { id: "content", tabindex: -1 }, t("signin")), alert, help, form)),
  );
  document.title = `${t("signin")} – Pathwarden`;
  document.getElementById("page").replaceWith(page);
  document.getElementById(session.suggested ? "signin-password" : "signin-name").focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        keep(await api.signIn({ name: form.elements["signin-name"].value, password: form.elements["signin-password"].value }));
        document.getElementById("maincontent").replaceChildren();
        resolve();
      } catch (error) {
        alert.replaceChildren(message("error", said(error)));
        button.disabled = false;
        form.elements["signin-password"].select();
      }
    });
  });
}

/** Who is signed in, and the way out; nothing where nobody signs in. */
function account() {
  const { t } = texts;
  if (!session.can_sign_in || (!session.signed_in && session.right === "write")) return;
  const who = session.signed_in && t(session.right === "write" ? "signin.as" : "signin.reads", { name: session.name || "LuCI" });
  const leave = el("button", { id: "sign-out", type: "button", class: "btn cbi-button" }, t("signin.leave"));
  const enter = el("a", { class: "btn cbi-button", href: SIGN_IN }, t("signin"));
  const warning = session.no_password && message("warning", t("signin.unguarded"));
  document.getElementById("account").replaceChildren(el("div", { class: "container" }, warning, el("p", { class: "small" }, who, " ", session.signed_in ? leave : enter)));
  enter.addEventListener("click", () => setTimeout(() => location.reload()));
  leave.addEventListener("click", async () => {
    await api.signOut().catch(() => null); // without an answer the next question tells
    location.hash = SIGN_IN;
    location.reload();
  });
}

/** Let the reader in: at once, with the code in the address, or when they have signed in. */
export async function admit() {
  const speaking = speak();
  speaking.catch(() => null); // what fails is said where it is waited for
  try {
    keep(await api.session());
  } catch {
    return; // the page itself says that nobody answers, and tries again
  }
  await speaking;
  colour();
  darkScheme.addEventListener("change", colour);
  const [path, query] = location.hash.split("?");
  const asked = new URLSearchParams(path === SIGN_IN ? query : "");
  // Neither the code nor the form shall come back with the browser's buttons.
  if (path === SIGN_IN) history.replaceState(null, "", `#${asked.get("to") ?? "/"}`);
  let failure = "";
  if (asked.has("code")) {
    try {
      keep(await api.signIn({ code: asked.get("code") }));
    } catch (error) {
      failure = said(error);
    }
  }
  const wanted = path === SIGN_IN && !session.signed_in;
  if (session.can_sign_in && (session.right === "none" || wanted)) await ask(failure);
  account();
  const follow = () => document.documentElement.lang !== spoken && speak().then(account);
  new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["lang"] });
}
