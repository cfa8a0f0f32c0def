/* Hint Colorize: its picture on the node, on which hints are clicked, moved, recoloured and taken away.
 *
 * The points are lines of the widget "hints", as a user would type them: saved with the workflow, and usable without
 * this file. The picture is the one of the Load Image before the node, or the one of the last run.
 */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addStyle, addView, after, element, holdEvents, nodeClass, onEdited, pictureAddress } from "./dom.js";
import { readHints, writeHints } from "./hint_text.js";
import { loaded, say } from "./words.js";

const HINTED = "ChrominanceHintColorize";
const LEAST_HEIGHT = 260;
const PICTURE = /\.(png|jpe?g|webp|gif|bmp|avif|tiff?)$/i;

const STYLE = `
.chrominance-hints { display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; min-height: 0;
  box-sizing: border-box; padding: 2px 6px; font: 11px/1.3 sans-serif; color: var(--input-text, #ddd);
  pointer-events: auto; }
.chrominance-hints .tools { display: flex; align-items: center; gap: 6px; min-height: 24px; }
.chrominance-hints .tools input[type=color] { width: 34px; height: 22px; padding: 0; border: 0; background: none;
  cursor: pointer; }
.chrominance-hints .tools input[type=number] { width: 44px; box-sizing: border-box; color: inherit;
  background: rgb(0 0 0 / .2); border: 1px solid rgb(128 128 128 / .6); border-radius: 4px; }
.chrominance-hints button { border: 1px solid rgb(128 128 128 / .6); border-radius: 4px; background: none;
  color: inherit; cursor: pointer; padding: 1px 8px; line-height: 17px; }
.chrominance-hints button.on { background: rgb(128 128 128 / .45); }
.chrominance-hints .stage { position: relative; flex: 1 1 0; min-height: 140px; overflow: hidden; border-radius: 4px;
  background: rgb(0 0 0 / .25); cursor: crosshair; touch-action: none; outline-offset: 1px; }
.chrominance-hints img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
  user-select: none; -webkit-user-drag: none; pointer-events: none; }
.chrominance-hints .point { position: absolute; width: 14px; height: 14px; margin: -7px 0 0 -7px; border-radius: 50%;
  box-sizing: border-box; border: 2px solid #fff; box-shadow: 0 0 0 1px #000, 0 0 4px rgb(0 0 0 / .7); cursor: grab; }
.chrominance-hints .point.chosen { width: 20px; height: 20px; margin: -10px 0 0 -10px; }
.chrominance-hints .empty { position: absolute; inset: 0; display: grid; place-items: center; padding: 8px;
  text-align: center; opacity: .75; pointer-events: none; }
.chrominance-hints .note { min-height: 14px; opacity: .8; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.chrominance-hints .note.warning { color: #e8a33d; opacity: 1; }
.chrominance-hints [hidden] { display: none; }`;

class HintView {
  constructor(node) {
    this.node = node;
    this.chosen = -1;
    this.size = null;
    this.made = null; // of the last run: {picture, result, size, from}
    this.seen = "picture";
    this.root = element("div", "chrominance-hints");
    this.build();
    this.listen();
    if (this.box) onEdited(this.box, () => this.draw());
    this.draw();
  }

  build() {
    const tools = element("div", "tools");
    this.picker = element("input", "color");
    this.picker.type = "color";
    this.picker.value = "#c04030";
    this.picker.title = say("Colour of the next point, or of the chosen one");
    this.picker.setAttribute("aria-label", say("Colour of a hint"));
    this.dropper = element("button", "dropper", say("Pick"));
    this.dropper.title = say("Take a colour from anywhere on the screen");
    this.dropper.hidden = !window.EyeDropper;
    this.radius = element("input", "radius");
    Object.assign(this.radius, { type: "number", min: "0", max: "500", step: "1", value: "0" });
    this.radius.title = say("Pixels around the point that have its colour for sure");
    this.radius.setAttribute("aria-label", say("Radius of a hint in pixels"));
    this.remove = element("button", "remove", say("Delete"));
    this.remove.title = say("Take the chosen point away (or right-click one)");
    this.clear = element("button", "clear", say("Clear"));
    this.clear.title = say("Take all points away");
    this.toggle = element("button", "toggle", say("Result"));
    this.toggle.title = say("Show the result of the last run under the points");
    tools.append(this.picker, this.dropper, this.radius, this.remove, this.clear, this.toggle);
    this.tools = tools;
    this.stage = element("div", "stage");
    this.stage.tabIndex = 0;
    this.picture = element("img", "");
    this.picture.draggable = false;
    this.picture.alt = say("The picture to colour");
    this.empty = element("div", "empty");
    this.layer = element("div", "points");
    this.stage.append(this.picture, this.layer, this.empty);
    this.note = element("div", "note");
    this.root.append(tools, this.stage, this.note);
  }

  listen() {
    holdEvents(this.stage);
    holdEvents(this.tools);
    this.picture.addEventListener("load", () => {
      // What was made of the last run may be smaller than the picture itself.
      this.size = this.made?.size ?? [this.picture.naturalWidth, this.picture.naturalHeight];
      this.draw();
    });
    this.picture.addEventListener("error", () => {
      this.picture.removeAttribute("src");
      this.size = null;
      this.draw();
    });
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    this.stage.addEventListener("contextmenu", (event) => event.preventDefault());
    this.stage.addEventListener("pointerenter", () => this.refresh());
    this.stage.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      // Else the page would take the whole node away.
      event.preventDefault();
      event.stopPropagation();
      this.take(this.chosen);
    });
    this.picker.addEventListener("change", () => this.change({ color: this.picker.value }));
    this.radius.addEventListener("change", () => this.change({ radius: Math.max(0, Number(this.radius.value) || 0) }));
    this.remove.addEventListener("click", () => this.take(this.chosen));
    this.clear.addEventListener("click", () => this.edit((hints) => hints.points.splice(0)));
    this.toggle.addEventListener("click", () => {
      this.seen = this.seen === "result" ? "picture" : "result";
      this.refresh();
    });
    this.dropper.addEventListener("click", async () => {
      try {
        this.picker.value = (await new window.EyeDropper().open()).sRGBHex;
        this.change({ color: this.picker.value });
      } catch {
        // The user changed their mind.
      }
    });
  }

  /** The box with the text of the points. */
  get box() {
    return this.node.widgets?.find((widget) => widget.name === "hints");
  }

  /** What the text says; null where it is no hints. */
  get hints() {
    return readHints(String(this.box?.value ?? ""), this.size);
  }

  /** Let `work` change the points, and write them into the box. */
  edit(work) {
    const hints = this.hints;
    if (!hints || !this.box) return;
    work(hints);
    this.box.value = writeHints(hints);
    this.box.callback?.(this.box.value);
    this.node.graph?.setDirtyCanvas?.(true, true);
    this.draw();
  }

  change(values) {
    if (this.chosen < 0) return;
    this.edit((hints) => Object.assign(hints.points[this.chosen], values));
  }

  take(number) {
    if (number < 0) return;
    this.chosen = -1;
    this.edit((hints) => hints.points.splice(number, 1));
  }

  choose(number) {
    this.chosen = number;
    const point = this.hints?.points[number];
    if (point) {
      this.picker.value = point.color;
      this.radius.value = String(point.radius);
    }
    this.draw();
  }

  /** Where the picture is in the stage, as parts of the stage: left, top, width, height. */
  bounds() {
    const { clientWidth, clientHeight } = this.stage;
    const [width, height] = this.size ?? [1, 1];
    const scale = Math.min(clientWidth / width, clientHeight / height) || 1;
    const [wide, high] = [(width * scale) / (clientWidth || 1), (height * scale) / (clientHeight || 1)];
    return [(1 - wide) / 2, (1 - high) / 2, wide, high];
  }

  /** The pixel under the pointer; null outside the picture, or the nearest where `anyhow`. */
  pixel(event, anyhow = false) {
    if (!this.size) return null;
    // The canvas scales what it draws: the shown size counts, not the laid out one.
    const box = this.stage.getBoundingClientRect();
    const [left, top, wide, high] = this.bounds();
    const parts = [
      ((event.clientX - box.left) / box.width - left) / wide,
      ((event.clientY - box.top) / box.height - top) / high,
    ];
    if (!anyhow && parts.some((part) => part < 0 || part >= 1)) return null;
    const [x, y] = parts.map((part, n) => Math.max(0, Math.min(this.size[n] - 1, Math.floor(part * this.size[n]))));
    return { x, y };
  }

  press(event) {
    this.stage.focus({ preventScroll: true });
    const number = Number(event.target.dataset?.number ?? -1);
    if (event.button === 2) {
      this.take(number);
      return;
    }
    if (event.button !== 0) return;
    if (number >= 0) this.choose(number);
    else {
      const place = this.pixel(event);
      const hints = this.hints;
      if (!place || !hints) return;
      const radius = Math.max(0, Number(this.radius.value) || 0);
      this.chosen = hints.points.length;
      this.edit(({ points }) => points.push({ ...place, color: this.picker.value, radius, remark: "" }));
    }
    this.drag(event.pointerId);
  }

  drag(pointer) {
    this.stage.setPointerCapture?.(pointer);
    const move = (event) => {
      const place = this.pixel(event, true);
      const dot = this.layer.children[this.chosen];
      if (!place || !dot) return;
      this.moved = place;
      this.put(dot, place);
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      const place = this.moved;
      this.moved = null;
      if (place) this.change(place);
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", end, { once: true });
    this.stage.addEventListener("pointercancel", end, { once: true });
  }

  put(dot, { x, y }) {
    const [left, top, wide, high] = this.bounds();
    dot.style.left = `${(left + ((x + 0.5) / this.size[0]) * wide) * 100}%`;
    dot.style.top = `${(top + ((y + 0.5) / this.size[1]) * high) * 100}%`;
  }

  /** The address of what the Load Image before this node shows; null where something else is before it. */
  source() {
    const slot = this.node.inputs?.findIndex((input) => input.name === "image") ?? -1;
    const origin = slot < 0 ? null : this.node.getInputNode?.(slot);
    const value = origin?.widgets?.find((widget) => widget.name === "image")?.value;
    if (typeof value !== "string") return null;
    const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value);
    if (!PICTURE.test(path)) return null;
    const at = path.lastIndexOf("/");
    const picture = { filename: path.slice(at + 1), subfolder: path.slice(0, Math.max(0, at)), type: type ?? "input" };
    return pictureAddress(api, picture);
  }

  /** Show what there is to show: of the last run while it is of the same picture, else of the Load Image. */
  refresh() {
    const source = this.source();
    if (this.made && this.made.from !== source) this.made = null;
    if (!this.made) this.seen = "picture";
    const wanted = this.made?.[this.seen] ?? source;
    if (wanted && this.picture.getAttribute("src") !== wanted) this.picture.src = wanted;
    if (!wanted) {
      this.picture.removeAttribute("src");
      this.size = null;
    }
    this.draw();
  }

  draw() {
    const hints = this.hints;
    this.toggle.hidden = !this.made;
    this.toggle.classList.toggle("on", this.seen === "result");
    this.picture.hidden = !this.picture.getAttribute("src");
    this.empty.hidden = Boolean(this.size);
    const nothing = say("Connect Load Image, or run once, to click on the picture.");
    this.empty.textContent = this.picture.hidden ? nothing : "";
    this.layer.replaceChildren();
    if (!hints || this.chosen >= hints.points.length) this.chosen = -1;
    this.remove.disabled = this.chosen < 0;
    if (!hints) {
      this.tell(say("The text above is no list of hints: x,y,#rrggbb in each line"), true);
      return;
    }
    this.clear.disabled = !hints.points.length;
    if (!this.size) {
      this.tell(hints.points.length ? say("{count} points", { count: hints.points.length }) : "");
      return;
    }
    let outside = 0;
    hints.points.forEach((point, number) => {
      const dot = element("div", number === this.chosen ? "point chosen" : "point");
      dot.dataset.number = String(number);
      dot.style.background = point.color;
      dot.title = `${point.x}, ${point.y}: ${point.color}${point.remark ? ` (${point.remark})` : ""}`;
      this.put(dot, point);
      if (point.x >= this.size[0] || point.y >= this.size[1] || point.x < 0 || point.y < 0) outside += 1;
      this.layer.append(dot);
    });
    if (outside) {
      const size = this.size.join(" × ");
      this.tell(say("{count} outside this picture of {size} pixels", { count: outside, size }), true);
    } else if (hints.points.length) this.tell(say("Drag a point to move it, right-click it to take it away."));
    else this.tell(say("Click on the picture: the colour goes there, and spreads over what belongs to it."));
  }

  tell(text, warning = false) {
    this.note.classList.toggle("warning", warning);
    this.note.textContent = text;
    this.note.title = text;
  }

  shown(output) {
    const [picture] = output?.chrominance_picture ?? [];
    const [result] = output?.chrominance_result ?? [];
    if (!picture || !result) return;
    this.made = {
      picture: pictureAddress(api, picture),
      result: pictureAddress(api, result),
      size: output.chrominance_size,
      from: this.source(),
    };
    this.seen = "result";
    this.refresh();
  }
}

app.registerExtension({
  name: "Chrominance.Hints",

  init: () => loaded,

  nodeCreated(node) {
    if (nodeClass(node) !== HINTED) return;
    addStyle("chrominance-hints-style", STYLE);
    const view = new HintView(node);
    addView(node, "hints view", view.root, LEAST_HEIGHT);
    after(node, "onExecuted", (output) => view.shown(output));
    after(node, "onConfigure", () => setTimeout(() => view.refresh()));
    after(node, "onConnectionsChange", () => setTimeout(() => view.refresh()));
    after(node, "onResize", () => view.draw());
    if (node.size) node.setSize?.([Math.max(node.size[0], 360), Math.max(node.size[1], 620)]);
  },
});
