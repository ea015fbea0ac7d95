// The page's texts: a table for each language, chosen before anything is drawn.
import en from "./texts-en.js";

let table = en;
export const LANGUAGES = [["en", "EN"], ["de", "DE"]];

export async function chooseLanguage(name) {
  table = name === "de" ? (await import("./texts-de.js")).default : en;
  document.documentElement.lang = name;
}

// A text with what it names; texts that a server may invent have a default.
export function t(key, given = {}) {
  const text = table[key] ?? en[key] ?? (key.startsWith("error.") ? table["error.unknown"] : key);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ""));
}

// Why something was refused: by its code in the page's language, or as the server says it.
export function reason(code, text) {
  const said = word("why", code);
  if (said !== code) return said;
  return `error.${code}` in en ? t(`error.${code}`) : text;
}

// A word of the server's in the page's language, or as it is where the page does not know it.
export const word = (group, name) => `${group}.${name}` in en ? t(`${group}.${name}`) : String(name);
