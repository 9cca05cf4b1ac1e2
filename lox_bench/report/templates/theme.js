// Light or dark: the system's choice until the reader makes one.

const THEME = "lox-bench-theme";

function remembered() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null; // storage may be forbidden for pages opened from disk
  }
}

function remember(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // then the choice lasts as long as the page
  }
}

function setUpTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    document.documentElement.classList.toggle("dark", theme === "dark"); // what DataTables reads
    button.textContent = theme === "dark" ? "☀ Light" : "☾ Dark";
    button.setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
  };
  const ofSystem = () => (system.matches ? "dark" : "light");
  show(remembered() ?? ofSystem());
  system.addEventListener("change", () => remembered() ?? show(ofSystem()));
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    remember(theme);
    show(theme);
  });
}
