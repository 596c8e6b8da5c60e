// Runs right after the shell's htmx. Neither of these is used here, and the Content-Security-Policy refuses the style element.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// The server writes times by the reader's clock, once it knows which that is.
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (timeZone) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `shm_time_zone=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;
}
