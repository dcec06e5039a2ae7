// What somebody chose stays chosen in this browser; and the theme: as the system has it, until then.

const THEMES = ["auto", "light", "dark"];

function remembered(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`dedup-${name}`, value);
    return localStorage.getItem(`dedup-${name}`);
  } catch {
    return value ?? null; // a browser that keeps nothing for files
  }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(h("span", { class: "wide" }, "Theme: "), theme);
  $("theme").setAttribute("aria-label", `Theme: ${theme}`);
  $("theme").dataset.theme = theme;
}

let theme = remembered("theme");
if (!THEMES.includes(theme)) theme = "auto";
setTheme(theme);
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  remembered("theme", theme);
  setTheme(theme);
});
