/**
 * Begins: the frame of the page is shown first, and then what fills it is loaded. Reading so much code would otherwise
 * come before the first thing that a person sees.
 */
const start = (): void => void import("./start.tsx").then(({ begin }) => begin())

// A page that nobody sees gets no frame.
if (document.hidden) start()
else requestAnimationFrame(() => setTimeout(start))
