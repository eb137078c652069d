// The form of a schedule: the reader's own zone, fields marked as wrong, and a word before typed values are lost.
"use strict";

(() => {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let typed = false;

  const form = () => document.getElementById("form");

  // A new schedule is mostly meant for the clock on the writer's own wall.
  function introduce() {
    const here = form();
    if (!here || !own || here.elements.viewer_zone.value === own) return;
    const known = [...document.querySelectorAll("#zones option")].some((option) => option.value === own);
    const fresh = !here.elements.schedule_id && here.elements.viewer_zone.value === "" && here.elements.timezone.value === "UTC";
    here.elements.viewer_zone.value = own;
    if (known && fresh && !location.search) here.elements.timezone.value = own;
    htmx.trigger("#outlook", "refresh");
  }

  // What the server wrote beside a field also marks the field itself.
  function mark() {
    for (const told of document.querySelectorAll("#form .problem[id$='-error']")) {
      const field = document.getElementById(told.id.slice(0, -"-error".length));
      if (!field) continue;
      if (told.textContent.trim()) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  // A link to a field leads to it, though it stands in a part that is closed.
  function open(id) {
    const field = document.getElementById(id);
    field?.closest("details:not([open])")?.setAttribute("open", "");
    field?.focus();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link && form()?.contains(link)) {
      event.preventDefault();
      open(link.hash.slice(1));
    }
  });

  document.addEventListener("input", (event) => { if (event.target.form === form()) typed = true; });
  document.addEventListener("submit", (event) => { if (event.target === form()) typed = false; });
  document.addEventListener("htmx:afterSettle", (event) => {
    introduce();
    mark();
    if (event.target.id === "form") event.target.querySelector("[data-focus]")?.focus();
    if (event.target.closest?.("#test-run")) event.target.closest("#test-run").scrollIntoView({ block: "nearest" });
  });
  window.addEventListener("beforeunload", (event) => { if (typed) event.preventDefault(); });

  // Deferred, so htmx has not looked at the page yet: it does when the page is there, before this.
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("[data-focus]")?.focus();
    introduce();
  });
})();
