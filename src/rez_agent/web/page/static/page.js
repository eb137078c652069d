// What the page does in the browser besides htmx: the reader's own time, keys, toasts, ticked rows. No state.
"use strict";

(() => {
  const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);
  const own = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  let going = false;

  // --- instants: in the reader's own zone too ---

  function localize(root) {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const said = own.format(new Date(time.dateTime));
      time.title = `${time.title}\n${said} (your time)`;
      time.removeAttribute("data-local");
    }
  }

  // --- toasts ---

  function dismiss(toast) {
    if (toast) toast.remove();
  }

  // --- rows that can be ticked ---

  function boxes(form) {
    return [...document.querySelectorAll(`input[type=checkbox][data-pick="${form}"]`)];
  }

  function count(form) {
    const all = boxes(form);
    const ticked = all.filter((box) => box.checked);
    for (const box of all) box.closest("tr")?.setAttribute("aria-selected", String(box.checked));
    const master = document.querySelector(`input[data-pick-all="${form}"]`);
    if (master) {
      master.checked = all.length > 0 && ticked.length === all.length;
      master.indeterminate = ticked.length > 0 && ticked.length < all.length;
    }
    const bar = document.querySelector(`[data-picked="${form}"]`);
    if (bar) bar.hidden = ticked.length === 0;
    for (const told of document.querySelectorAll(`[data-picked-count="${form}"]`)) told.textContent = ticked.length;
    for (const one of document.querySelectorAll(`[data-needs-picked="${form}"]`)) one.disabled = ticked.length === 0;
  }

  function recount() {
    const counted = [...document.querySelectorAll("[data-picked-count]")];
    for (const form of new Set(counted.map((one) => one.dataset.pickedCount))) count(form);
  }

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches?.("input[data-pick-all]")) {
      for (const one of boxes(box.dataset.pickAll)) one.checked = box.checked;
      count(box.dataset.pickAll);
    } else if (box.matches?.("input[data-pick]")) {
      count(box.dataset.pick);
    } else if (box.matches?.("[data-send-on-change]")) {
      box.form.requestSubmit();
    }
  });

  // --- clicks ---

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest?.(selector);
    if (on("[data-dismiss]")) dismiss(on("[data-toast]"));
    if (on("[data-help]")) document.getElementById("help").showModal();
    const opener = on("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
    const closer = on("[data-close]");
    if (closer) closer.closest("dialog")?.close();
    const copier = on("[data-copy]");
    if (copier) copy(copier);
    const clear = on("[data-pick-none]");
    if (clear) {
      for (const box of boxes(clear.dataset.pickNone)) box.checked = false;
      count(clear.dataset.pickNone);
    }
  });

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent);
    const said = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = said; }, 1500);
  }

  // --- keys ---

  function rows() {
    return [...document.querySelectorAll("[data-row] a[data-main]")];
  }

  function step(by) {
    const all = rows();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement?.closest?.("[data-row]")?.querySelector("a[data-main]"));
    const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by));
    all[next].focus();
  }

  const KEYS = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    n: () => document.querySelector("[data-new]")?.click(),
    j: () => step(1),
    k: () => step(-1),
    x: () => document.activeElement?.closest?.("[data-row]")?.querySelector("input[data-pick]")?.click(),
    g: () => { going = true; setTimeout(() => { going = false; }, 1200); },
    "?": () => document.getElementById("help")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Fields of a form that has several buttons: Enter means the one of the dialog, not the form's first.
    const meant = event.key === "Enter" && event.target.matches("dialog input") && event.target.closest("dialog").querySelector("[data-enter]");
    if (meant) { event.preventDefault(); meant.click(); return; }
    const typing = TYPING.has(event.target.tagName) && !["checkbox", "radio"].includes(event.target.type);
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      else dismiss(document.querySelector("#toasts [data-toast]:last-child"));
      return;
    }
    if (typing || event.target.isContentEditable || document.querySelector("dialog[open]")) return;
    if (going && event.key === "s") {
      location.assign("/schedules");
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // --- what htmx brings ---

  document.addEventListener("htmx:afterSettle", (event) => {
    localize(event.target);
    recount();
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => localize(event.target));

  // Rows that refresh themselves keep still while something is ticked, a dialog is open, or nobody looks.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (!element.matches?.("[data-refresh]") || event.detail.requestConfig.triggeringEvent?.type === "changed") return;
    const busy = document.querySelector("input[data-pick]:checked, dialog[open]") || document.hidden;
    if (busy) event.preventDefault();
  });

  localize(document);
  recount();
})();
