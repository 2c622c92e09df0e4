
"use strict";
(() => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.id = "tip";
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);

  const show = (cell) => {
    tip.textContent = cell.dataset.note;
    tip.hidden = false;
    tip.style.left = tip.style.top = "0";
    const box = cell.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(box.left, 12), window.innerWidth - size.width - 12);
    const below = box.bottom + 6;
    tip.style.left = `${Math.max(left, 12)}px`;
    const above = box.top - size.height - 6, lowest = Math.max(window.innerHeight - size.height - 6, 6);
    tip.style.top = `${below <= lowest ? below : above >= 6 ? above : lowest}px`;
  };
  const hide = () => { tip.hidden = true; };
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  for (const table of document.querySelectorAll("table.noted")) {
    const cells = [...table.querySelectorAll("[title]")];
    for (const cell of cells) {
      cell.dataset.note = cell.title;
      cell.setAttribute("aria-description", cell.title);
      cell.removeAttribute("title");
      cell.tabIndex = -1;
    }
    const first = cells.find((cell) => cell.tagName === "TD");
    if (first) first.tabIndex = 0;
    const noted = (event) => event.target.closest("[data-note]");
    table.addEventListener("pointerover", (event) => { const cell = noted(event); if (cell) show(cell); });
    table.addEventListener("pointerout", hide);
    table.addEventListener("focusin", (event) => { const cell = noted(event); if (cell) show(cell); });
    table.addEventListener("focusout", hide);
    table.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      const cell = noted(event);
      if (!cell || !(event.key in steps)) return;
      event.preventDefault();
      const [down, right] = steps[event.key];
      const rows = [...table.rows];
      let row = rows.indexOf(cell.parentElement), column = cell.cellIndex, next;
      do {
        row += down;
        column += right;
        next = rows[row]?.cells[column];
      } while (rows[row] && column >= 0 && column < table.rows[rows.length - 1].cells.length && !next?.dataset.note);
      if (!next?.dataset.note) return;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }

  const slices = document.getElementById("slices");
  if (slices) {
    const choices = {
      m: [["", "outlines shown"], ["no-outlines", "outlines hidden"]],
      g: [["", "real and generated"], ["only-generated", "generated only"], ["only-real", "real only"]],
      c: [["", "lesion and control"], ["only-lesion", "lesion only"], ["only-control", "control only"]],
    };
    const at = { m: 0, g: 0, c: 0 };
    const buttons = Object.fromEntries([...slices.querySelectorAll("button")].map((b) => [b.dataset.key, b]));
    const label = (key) => {
      const kbd = document.createElement("kbd");
      kbd.textContent = key;
      kbd.setAttribute("aria-hidden", "true");
      buttons[key].replaceChildren(choices[key][at[key]][1], kbd);
    };
    const turn = (key) => {
      at[key] = (at[key] + 1) % choices[key].length;
      for (const [name] of choices[key]) if (name) slices.classList.remove(name);
      if (choices[key][at[key]][0]) slices.classList.add(choices[key][at[key]][0]);
      label(key);
    };
    for (const key of Object.keys(choices)) {
      label(key);
      buttons[key].setAttribute("aria-keyshortcuts", key);
      buttons[key].addEventListener("click", () => turn(key));
    }
    slices.querySelector(".keys").hidden = false;
    document.addEventListener("keydown", (event) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (plain && event.key in choices && slices.matches(":hover, :focus-within")) turn(event.key);
    });
  }

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const part of opened) part.open = true;
  });
  window.addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
})();
