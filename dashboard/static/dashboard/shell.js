// Runs right after the shell's htmx. Neither of these is used here, and the Content-Security-Policy refuses the style element.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
