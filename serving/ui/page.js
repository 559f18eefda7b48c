// What the page does in the browser alone: keys, opening of passages, saving, the store of conversations, colours.
(() => {
  "use strict";
  if (window.oslerKeep) return; // Gradio runs what stands in the head twice
  const STORE = "osler-talks";
  const seen = new Set(); // ids of conversations that this tab has had
  let latest = { text: "", keep: false };
  const $ = (selector) => document.querySelector(selector);
  const messageBox = () => $("#message textarea");

  const stored = () => {
    try { return JSON.parse(localStorage.getItem(STORE) || "null"); } catch { return null; }
  };

  // Another tab may keep conversations too: those that this tab never had stay as they are.
  window.oslerKeep = (text, keep) => {
    latest = { text, keep };
    try {
      if (!keep) { return; }
      const mine = JSON.parse(text);
      mine.talks.forEach((talk) => seen.add(talk.id));
      const others = (stored()?.talks || []).filter((talk) => !seen.has(talk.id));
      const talks = [...mine.talks, ...others].filter((talk) => talk.turns.length);
      if (talks.length) localStorage.setItem(STORE, JSON.stringify({ talks, current: mine.current }));
      else localStorage.removeItem(STORE);
    } catch (error) {
      alert(`${error}`); // the browser's store is full or shut
    }
  };
  window.oslerForget = (text, keep) => {
    if (!keep) localStorage.removeItem(STORE);
    window.oslerKeep(text, keep);
  };
  window.oslerKept = () => {
    const kept = localStorage.getItem(STORE) || "";
    (stored()?.talks || []).forEach((talk) => seen.add(talk.id));
    return kept;
  };
  window.addEventListener("beforeunload", (event) => {
    let turns = 0;
    try { turns = JSON.parse(latest.text).talks.reduce((sum, talk) => sum + talk.turns.length, 0); } catch { /* none yet */ }
    if (turns && !latest.keep) event.preventDefault();
  });

  window.oslerSave = (text, type, suffix) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `osler-${new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  window.oslerColours = () => {
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem("osler-colours", dark ? "dark" : "light");
  };
  window.oslerArrive = () => {
    const colours = localStorage.getItem("osler-colours");
    if (colours) document.body.classList.toggle("dark", colours === "dark");
    messageBox()?.focus({ preventScroll: true });
  };

  document.addEventListener("keydown", (event) => {
    const writing = event.target === messageBox();
    // Enter that ends the choice of a Chinese word is not meant to send.
    if (writing && event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.stopImmediatePropagation();
    if (event.key === "Escape") {
      const stop = $("#stop");
      if (stop?.offsetParent) { event.preventDefault(); stop.click(); messageBox()?.focus(); }
    }
  }, true);

  // What the reader opened stays open when the conversation is drawn anew.
  const opened = new Set();
  const reopen = () => opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const cite = target?.closest("a.o-cite");
    if (cite) {
      event.preventDefault();
      const passage = document.getElementById(cite.getAttribute("href").slice(1));
      if (!passage) return;
      passage.open = true;
      opened.add(passage.id);
      passage.querySelector("summary").focus({ preventScroll: true });
      passage.scrollIntoView({ block: "center" });
    }
    const folded = target?.closest("summary")?.parentElement;
    if (folded?.id) { folded.open ? opened.delete(folded.id) : opened.add(folded.id); }
    if (target?.closest("a.o-skip")) { event.preventDefault(); messageBox()?.focus(); }
    const menu = target?.closest("#menu");
    if (menu) {
      const open = document.body.classList.toggle("o-menu-open");
      menu.setAttribute("aria-expanded", String(open));
    }
  });

  // What is said stays in sight while it grows, above the message box, unless the reader has scrolled up.
  let near = true;
  let asked = 0; // exchanges under way when last looked
  const hidden = () => {
    const last = $("#live .o-turn") || $("#thread .o-turn:last-child");
    return last ? last.getBoundingClientRect().bottom + 12 - $("#composer").getBoundingClientRect().top : 0;
  };
  const follow = () => {
    const now = document.querySelectorAll("#live .o-turn").length;
    if (now > asked) near = true; // a new question
    asked = now;
    if (near && hidden() > 0) scrollBy(0, hidden());
  };
  addEventListener("scroll", () => { near = hidden() < 160; }, { passive: true });
  const ready = setInterval(() => {
    if (!["#live", "#thread", "#language", "#talk_list", "#composer"].every($)) return; // they come one by one
    const [live, thread] = [$("#live"), $("#thread")];
    clearInterval(ready);
    new MutationObserver(follow).observe(live, { childList: true, subtree: true, characterData: true });
    // One stop of the Tab key for each group, and arrow keys within it: Gradio gives each radio a name of its own.
    for (const id of ["language", "talk_list"]) {
      const name = () => document.querySelectorAll(`#${id} input[type=radio]`).forEach((one) => { if (one.name !== id) one.name = id; });
      new MutationObserver(name).observe($(`#${id}`), { childList: true, subtree: true, attributes: true, attributeFilter: ["name"] });
      name();
    }
    const again = new MutationObserver(() => { again.disconnect(); reopen(); follow(); watch(); });
    const watch = () => again.observe(thread, { childList: true, subtree: true, attributes: true, attributeFilter: ["id"] });
    watch();
  }, 100);
})();
