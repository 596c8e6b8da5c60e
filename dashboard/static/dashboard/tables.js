// What htmx leaves open once it has swapped the instance table for another.

const title = () => document.getElementById("instances-title");

// What an address says of the table, as dashboard/asking.py reads it; the rest is about the page around it.
const isAboutTable = (name) => ["q", "state", "c", "sort"].includes(name) || /^(f|min|max)\./.test(name);

// The links of the chart and the cards keep what the table is asked for: by now that may be something else.
const follow = () => {
  const asked = [...new URLSearchParams(location.search)].filter(([name]) => isAboutTable(name));
  for (const link of document.querySelectorAll('main a[href^="?"]')) {
    if (link.closest("#instances, #breakdowns")) continue;
    const [query, ...anchor] = link.getAttribute("href").split("#");
    if (anchor[0] === "instances") continue;  // It asks the table for something of its own.
    const own = [...new URLSearchParams(query)].filter(([name]) => !isAboutTable(name));
    link.setAttribute("href", ["?" + new URLSearchParams([...asked, ...own]), ...anchor].join("#"));
  }
};

document.addEventListener("htmx:afterSettle", () => {
  if (!title()) return;
  follow();
  // Those who do not see the table are told how many instances it lists now.
  document.getElementById("instances-status").textContent = title().textContent;
  // Where the link that was followed is gone, as that of a condition taken away is, the keyboard goes on from the table.
  if (document.activeElement === document.body) title().focus({ preventScroll: true });
});

// A panel lies over the table: Escape and a click beside it close it.
const close = (panel) => {
  panel.open = false;
  return panel;
};
const open = () => [...document.querySelectorAll(".shm-panels details[open]")];

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") open().forEach((panel) => close(panel).querySelector("summary").focus());
});
document.addEventListener("click", (event) => {
  open().forEach((panel) => panel.contains(event.target) || close(panel));
});
