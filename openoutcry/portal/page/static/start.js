// Before the first paint: theme and language that were chosen, else those of the system.
const root = document.documentElement;
let kept = {};
try { kept = JSON.parse(localStorage.getItem("outcry") || "{}"); } catch { /* the defaults */ }
const light = matchMedia("(prefers-color-scheme: light)").matches;
root.dataset.theme = ["dark", "light"].includes(kept.theme) ? kept.theme : light ? "light" : "dark";
root.lang = ["en", "de"].includes(kept.language) ? kept.language : navigator.language.startsWith("de") ? "de" : "en";
