// Before the first paint: a page that turns dark a moment later flashes.
(() => {
  const chosen = localStorage.getItem("parsimony.theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const theme = localStorage.getItem("parsimony.theme") || (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  };
  document.documentElement.dataset.theme = chosen || (dark.matches ? "dark" : "light");
  dark.addEventListener("change", apply);
  globalThis.setTheme = (theme) => {
    if (theme) localStorage.setItem("parsimony.theme", theme);
    else localStorage.removeItem("parsimony.theme");
    apply();
  };
})();
