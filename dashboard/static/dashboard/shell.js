// Runs before the page is drawn. What Alpine.js does once it has started is done here in the meantime, so that nobody
// waits for that and nothing changes when it does: the colours, a navigation that was closed, and (in theme.css) all
// that opens on a click.
(() => {
  const root = document.documentElement;

  function kept(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null; // Nothing is kept for this site, by the reader's wish.
    }
  }

  const theme = kept("adminTheme") ?? "auto";
  const isDark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.classList.toggle("dark", isDark);
  root.classList.toggle("shm-navigation-closed", kept("sidebarDesktopOpen") === 0);
  root.classList.add("shm-starting");

  // Alpine.js takes back only what it has set itself. Both happen between two frames.
  document.addEventListener("alpine:init", () => root.classList.remove("dark"));
  document.addEventListener("alpine:initialized", () => root.classList.remove("shm-starting", "shm-navigation-closed"));

  // An icon is a word in a font of pictures: "dock_to_right". Whoever has the page read aloud is told what it does.
  const { home, navigation, search, more, close, theme: colours } = document.currentScript.dataset;
  const names = {
    monitoring: home,
    close,
    dock_to_right: navigation,
    search,
    more_horiz: more,
    more_vert: more,
    dark_mode: colours,
    light_mode: colours,
    computer: colours,
  };
  const icons = ".material-symbols-outlined";

  function nameIcons() {
    for (const icon of document.querySelectorAll(icons)) {
      const control = icon.closest("a, button, summary, [role=button], [x-on\\:click]");
      if (control !== icon) icon.setAttribute("aria-hidden", "true");
      if (!control || control.ariaLabel || (control !== icon && saysMore(control))) continue;
      const name = control.title || names[icon.textContent.trim()];
      if (name) control.ariaLabel = name;
    }
  }

  function saysMore(control) {
    const shown = [...control.querySelectorAll(icons)].map((icon) => icon.textContent).join("");
    return control.textContent.replace(/\s/g, "") !== shown.replace(/\s/g, "");
  }

  document.addEventListener("DOMContentLoaded", nameIcons);
  document.addEventListener("alpine:initialized", nameIcons); // What it has made of its templates.

  // The shell's own scroll bars are left out; the browser's do the same. Its script asks for them.
  window.SimpleBar = { instances: new Map() };

  addEventListener("load", () => {
    document.querySelector("#nav-sidebar-apps a.active")?.scrollIntoView({ block: "nearest" });
    // In Django's lists with a search field these say what is searched, as only a picture may. Made at this event too.
    setTimeout(() => {
      document.querySelectorAll(".help-tooltip[aria-label]").forEach((tip) => tip.setAttribute("role", "img"));
      // The icons of these stand in the style sheet, from where they are read aloud as well.
      document.querySelectorAll(".date-icon, .clock-icon").forEach((icon) => { icon.closest("a").ariaLabel = icon.title; });
      document.querySelectorAll(".selector-chooser button").forEach((button) => { button.ariaLabel = button.textContent; });
    });
  });

  // Much of the shell opens by a click on what is no button. Whatever says something is made one.
  const clickable = "[x-on\\:click]:not(a[href], button, input, select, summary)";
  document.addEventListener("alpine:initialized", () => {
    for (const element of document.querySelectorAll(clickable)) {
      if (!element.textContent.trim()) continue;
      element.setAttribute("role", "button");
      element.tabIndex = 0;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key) || !event.target.matches(clickable)) return;
    event.preventDefault();
    event.target.click();
  });

  // Paper is light. Before the charts are drawn for it, whose script comes after this one.
  let wasDark = false;
  addEventListener("beforeprint", () => {
    wasDark = root.classList.contains("dark");
    root.classList.remove("dark");
  });
  addEventListener("afterprint", () => root.classList.toggle("dark", wasDark));

  // The server writes times by the reader's clock, once it knows which that is.
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (timeZone) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `shm_time_zone=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;
  }
})();
