/* The widgets' words in the page's language, from locales/<language>/main.json; English where it has none. */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

let words = {};

async function load() {
  try {
    const language = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
    if (language === "en") return;
    const all = await (await api.fetchApi("/i18n")).json();
    words = all[language]?.chrominance ?? {};
  } catch (error) {
    // The widgets work in English all the same.
    console.warn("Chrominance: no words in this language", error);
  }
}

/** The words are there once this is done: extensions wait for it in `init`, before nodes are made. */
export const loaded = load();

/** The text in the page's language; {name} in it is replaced by what `values` holds under that name. */
export function say(text, values = {}) {
  return (words[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
