// Before the first paint, so that nothing flashes: the colours that were chosen last.
try {
  const chosen = localStorage.getItem("novacron-theme")
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen
} catch {
  // No storage, no choice: the colours of the system.
}
