// Sets the theme before anything is drawn; settings.js changes it later.
try {
  const theme = JSON.parse(localStorage.getItem("telegauge") ?? "{}").theme;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing shows the theme of its system.
}
