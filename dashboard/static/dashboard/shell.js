// Runs right after the shell's htmx. Neither of these is used here, and the Content-Security-Policy refuses the style element.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
// A page that somebody goes back to is loaded again: what htmx would keep of it, in the browser's storage at that, has
// lost its charts, and shows what only who is signed in may see.
htmx.config.historyCacheSize = 0;
htmx.config.refreshOnHistoryMiss = true;

// The server writes times by the reader's clock, once it knows which that is.
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (timeZone) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `shm_time_zone=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;
}
