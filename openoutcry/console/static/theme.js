// Before the first paint: the theme that was chosen, else the system's; and who is logged in is
// asked for while the rest still loads.
window.hello = fetch("/api/hello").then((answer) => answer.json());
document.documentElement.dataset.theme = localStorage.getItem("theme") ||
  (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
