/* The colours of a palette on the nodes that make one; on Palette Edit they are pickers and locks.
 *
 * What is picked is written into the node's list "colors", as a user would type it: #rrggbb, or - for the colour
 * that is there, with ! for locked and ~ for unlocked. So it is saved with the workflow, and works without this file.
 */
import { app } from "../../scripts/app.js";
import { addStyle, addView, after, element, holdEvents, nodeClass, onEdited } from "./dom.js";
import { loaded, say } from "./words.js";

const SHOWN = new Set(["ChrominancePaletteExtract", "ChrominanceLoadPalette"]);
const EDITED = "ChrominancePaletteEdit";
const ITEM = /^(-|#?[0-9a-f]{3}|#?[0-9a-f]{6})([!~]?)$/i;
const MOST_COLORS = 16;
const HEIGHT = 84;

const STYLE = `
.chrominance-palette { display: flex; flex-direction: column; gap: 4px; width: 100%; box-sizing: border-box;
  padding: 2px 6px; font: 11px/1.2 sans-serif; color: var(--input-text, #ddd); pointer-events: auto; }
.chrominance-swatches { display: flex; gap: 2px; height: 56px; }
.chrominance-swatch { position: relative; flex: 1 1 0; min-width: 14px; border-radius: 4px; overflow: hidden;
  display: flex; flex-direction: column; justify-content: flex-end; outline: 1px solid rgb(128 128 128 / .4); }
.chrominance-swatch.unknown { background: repeating-linear-gradient(45deg, #555 0 6px, #777 6px 12px); }
.chrominance-swatch input[type=color] { position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0;
  cursor: pointer; border: 0; padding: 0; }
.chrominance-swatch .lock { pointer-events: none; text-align: center; line-height: 0; }
.chrominance-swatch .share { pointer-events: none; text-align: center; padding: 1px 0 2px; white-space: nowrap; }
.chrominance-swatch button, .chrominance-add { z-index: 1; border: 0; background: none; color: inherit; cursor: pointer;
  padding: 1px; font-size: 12px; line-height: 1; align-self: center; }
.chrominance-swatch button { opacity: .45; }
.chrominance-swatch button.on, .chrominance-swatch button:hover { opacity: 1; }
.chrominance-swatch.changed::after { content: ""; position: absolute; top: 3px; right: 3px; width: 6px; height: 6px;
  border-radius: 50%; background: currentColor; }
.chrominance-add { flex: 0 0 18px; border: 1px dashed rgb(128 128 128 / .7); border-radius: 4px; align-self: stretch; }
.chrominance-note { min-height: 13px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; opacity: .8; }
.chrominance-note.warning { color: #e8a33d; opacity: 1; }`;

/** A padlock; not every system's fonts have one. */
function padlock(closed) {
  const made = element("span", "lock");
  const bow = closed ? "M4 7V4.5a3 3 0 0 1 6 0V7" : "M4 7V4.5a3 3 0 0 1 5.8-1";
  made.innerHTML =
    `<svg width="14" height="14" viewBox="0 0 14 14"><path d="${bow}" fill="none" stroke="currentColor" ` +
    `stroke-width="1.5"/><rect x="2.5" y="6.5" width="9" height="6.5" rx="1" fill="currentColor"/></svg>`;
  return made;
}

function fullHex(text) {
  const digits = text.replace("#", "").toLowerCase();
  return "#" + (digits.length === 3 ? [...digits].map((d) => d + d).join("") : digits);
}

function readPalette(text) {
  try {
    return JSON.parse(text).colors ?? [];
  } catch {
    return [];
  }
}

/** The items of a typed list, each {color: "#rrggbb" or null for "-", lock: "!", "~" or ""}; null if one is none. */
function readItems(text) {
  const items = [];
  for (const word of text.split(/[\s,;]+/).filter(Boolean)) {
    const found = ITEM.exec(word);
    if (!found) return null;
    items.push({ color: found[1] === "-" ? null : fullHex(found[1]), lock: found[2] });
  }
  return items;
}

function writeItems(items) {
  const last = items.findLastIndex((item) => item.color || item.lock);
  return items
    .slice(0, last + 1)
    .map((item) => (item.color ?? "-") + item.lock)
    .join(", ");
}

/** Black or white, whichever is easier to read on a colour. */
function ink(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => (parseInt(hex.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
}

class PaletteView {
  constructor(node, editable) {
    this.node = node;
    this.editable = editable;
    this.warning = "";
    this.root = element("div", "chrominance-palette");
    this.row = element("div", "chrominance-swatches");
    this.note = element("div", "chrominance-note");
    this.root.append(this.row, this.note);
    holdEvents(this.row);
    if (editable && this.list) onEdited(this.list, () => this.draw());
  }

  /** What came in at the node's last run; kept with the workflow. */
  get given() {
    return readPalette(this.node.properties?.chrominance_given ?? "");
  }

  /** What went out, for nodes that only show it. */
  get made() {
    return readPalette(this.node.properties?.chrominance_palette ?? "");
  }

  get list() {
    return this.node.widgets?.find((widget) => widget.name === "colors");
  }

  write(items) {
    const list = this.list;
    list.value = writeItems(items);
    list.callback?.(list.value);
    this.node.graph?.setDirtyCanvas?.(true, true);
    this.draw();
  }

  /** The items of the list, one for each colour that is there or added. */
  items() {
    const items = readItems(String(this.list?.value ?? ""));
    if (!items) return null;
    while (items.length < this.given.length) items.push({ color: null, lock: "" });
    return items;
  }

  draw() {
    this.row.replaceChildren();
    if (!this.editable) {
      const total = this.made.reduce((sum, one) => sum + one.weight, 0) || 1;
      for (const one of this.made) this.row.append(this.swatch(one.hex, one.weight / total, one.locked));
      const idle = say("Run the workflow to see the colours.");
      this.tell(this.made.length ? this.made.map((one) => one.hex).join(" ") : idle);
      return;
    }
    const items = this.items();
    if (!items) {
      this.tell("", say("The list of colours has an item that is none: #rrggbb, or -"));
      return;
    }
    const given = this.given;
    const total = given.reduce((sum, one) => sum + one.weight, 0) || 1;
    items.forEach((item, at) => {
      const base = given[at];
      const locked = item.lock ? item.lock === "!" : Boolean(base?.locked);
      const share = base ? base.weight / total : undefined;
      const swatch = this.swatch(item.color ?? base?.hex, share, locked);
      if (item.color && item.color !== base?.hex) swatch.classList.add("changed");
      this.arm(swatch, items, at, base, locked);
      this.row.append(swatch);
    });
    if (items.length < MOST_COLORS && !given.length) {
      const add = element("button", "chrominance-add", "+");
      add.title = say("Add a colour");
      add.addEventListener("click", () => this.write([...items, { color: "#808080", lock: "" }]));
      this.row.append(add);
    }
    const idle = given.length
      ? say("Click a colour to change it, its lock to keep it.")
      : say("Run once to see the palette that comes in, or add colours.");
    this.tell(items.length || !given.length ? idle : "");
  }

  swatch(hex, share, locked) {
    const swatch = element("div", "chrominance-swatch");
    if (hex) {
      swatch.style.background = hex;
      swatch.style.color = ink(hex);
    } else swatch.classList.add("unknown");
    swatch.title = [hex ?? say("the colour that comes in"), share === undefined ? "" : `${(share * 100).toFixed(1)} %`]
      .filter(Boolean)
      .join(" · ");
    if (locked && !this.editable) swatch.append(padlock(true));
    if (share !== undefined) swatch.append(element("span", "share", `${Math.round(share * 100)}%`));
    return swatch;
  }

  /** Make a swatch a picker with a lock. */
  arm(swatch, items, at, base, locked) {
    const picker = element("input", "");
    picker.type = "color";
    picker.value = items[at].color ?? base?.hex ?? "#808080";
    picker.setAttribute("aria-label", say("Colour {number}", { number: at + 1 }));
    picker.addEventListener("input", () => {
      // Only the swatch, so that the browser's picker stays open.
      swatch.style.background = picker.value;
      swatch.style.color = ink(picker.value);
      swatch.classList.remove("unknown");
    });
    picker.addEventListener("change", () => {
      items[at].color = picker.value === base?.hex ? null : picker.value;
      this.write(items);
    });
    const lock = element("button", locked ? "on" : "");
    lock.append(padlock(locked));
    lock.title = locked ? say("Locked: stays as it is") : say("Lock");
    lock.addEventListener("click", () => {
      const wanted = !locked;
      items[at].lock = wanted === Boolean(base?.locked) ? "" : wanted ? "!" : "~";
      this.write(items);
    });
    swatch.addEventListener("contextmenu", (event) => {
      // Back to what came in; a colour that was added goes.
      event.preventDefault();
      if (base) items[at] = { color: null, lock: "" };
      else items.splice(at, 1);
      this.write(items);
    });
    swatch.prepend(picker);
    swatch.insertBefore(lock, picker.nextSibling);
  }

  tell(text, warning = this.warning) {
    this.note.classList.toggle("warning", Boolean(warning));
    this.note.textContent = warning || text;
    this.note.title = warning || text;
  }

  take(output) {
    const [palette] = output?.chrominance_palette ?? [];
    if (palette === undefined) return;
    this.node.properties ??= {};
    this.node.properties.chrominance_palette = palette;
    this.node.properties.chrominance_given = output.chrominance_given?.[0] ?? "";
    this.warning = output.chrominance_warning?.[0] ?? "";
    this.draw();
  }
}

app.registerExtension({
  name: "Chrominance.Palette",

  init: () => loaded,

  nodeCreated(node) {
    const kind = nodeClass(node);
    if (kind !== EDITED && !SHOWN.has(kind)) return;
    addStyle("chrominance-palette-style", STYLE);
    const view = new PaletteView(node, kind === EDITED);
    addView(node, "palette view", view.root, HEIGHT, HEIGHT);
    after(node, "onExecuted", (output) => view.take(output));
    after(node, "onConfigure", () => view.draw());
    view.draw();
  },
});
