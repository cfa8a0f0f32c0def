/* Compare Before and After: one picture over the other, parted by a line that follows the pointer. */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addStyle, addView, after, element, holdEvents, nodeClass, pictureAddress } from "./dom.js";
import { loaded, say } from "./words.js";

const COMPARED = "ChrominanceCompare";
const LEAST_HEIGHT = 220;
const STEP = 0.02;

const STYLE = `
.chrominance-compare { display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; min-height: 0;
  box-sizing: border-box; padding: 2px 6px; font: 11px/1.3 sans-serif; color: var(--input-text, #ddd);
  pointer-events: auto; }
.chrominance-compare .stage { position: relative; flex: 1 1 0; min-height: 120px; overflow: hidden; cursor: ew-resize;
  border-radius: 4px; background: rgb(0 0 0 / .25); outline-offset: 1px; touch-action: none; }
.chrominance-compare img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
  user-select: none; -webkit-user-drag: none; }
.chrominance-compare .line { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 3px rgb(0 0 0 / .6); pointer-events: none; }
.chrominance-compare .tag { position: absolute; bottom: 4px; padding: 0 5px; border-radius: 3px; color: #fff;
  background: rgb(0 0 0 / .55); pointer-events: none; }
.chrominance-compare .tag.before { left: 4px; }
.chrominance-compare .tag.after { right: 4px; }
.chrominance-compare .empty { position: absolute; inset: 0; display: grid; place-items: center; opacity: .7; }
.chrominance-compare .row { display: flex; justify-content: center; align-items: center; gap: 8px; min-height: 18px; }
.chrominance-compare button { border: 1px solid rgb(128 128 128 / .6); border-radius: 4px; background: none;
  color: inherit; cursor: pointer; padding: 0 8px; line-height: 16px; }
.chrominance-compare [hidden] { display: none; }`;

class CompareView {
  constructor(node) {
    this.node = node;
    this.pairs = [];
    this.shown = 0;
    this.at = 0.5;
    this.root = element("div", "chrominance-compare");
    this.stage = element("div", "stage");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "slider");
    this.stage.setAttribute("aria-label", say("Before and after"));
    this.before = element("img", "before");
    this.after = element("img", "after");
    for (const picture of [this.before, this.after]) {
      picture.draggable = false;
      picture.addEventListener("load", () => this.move(this.at));
    }
    this.before.alt = say("before");
    this.after.alt = say("after");
    this.line = element("div", "line");
    this.tags = [element("span", "tag before", say("before")), element("span", "tag after", say("after"))];
    this.empty = element("div", "empty", say("Run the workflow to compare."));
    this.stage.append(this.after, this.before, this.line, ...this.tags, this.empty);
    this.row = element("div", "row");
    this.previous = element("button", "", "‹");
    this.previous.title = say("The picture before");
    this.count = element("span", "");
    this.next = element("button", "", "›");
    this.next.title = say("The next picture");
    this.row.append(this.previous, this.count, this.next);
    this.root.append(this.stage, this.row);
    this.listen();
    this.draw();
  }

  listen() {
    holdEvents(this.stage);
    holdEvents(this.row);
    this.stage.addEventListener("pointermove", (event) => this.follow(event));
    this.stage.addEventListener("pointerdown", (event) => {
      this.stage.focus({ preventScroll: true });
      this.follow(event);
    });
    this.stage.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -1, End: 1 }[event.key];
      if (way === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(this.at + way);
    });
    this.previous.addEventListener("click", () => this.show(this.shown - 1));
    this.next.addEventListener("click", () => this.show(this.shown + 1));
  }

  /** Where the picture is in the stage, which may be wider or higher, as parts of the stage's width. */
  bounds() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const { naturalWidth, naturalHeight } = this.after;
    if (!naturalWidth || !width || !height) return [0, 1];
    const wide = Math.min(1, (naturalWidth / naturalHeight) * (height / width));
    return [(1 - wide) / 2, (1 + wide) / 2];
  }

  follow(event) {
    // The canvas scales what it draws: the shown size counts, not the laid out one.
    const box = this.stage.getBoundingClientRect();
    const [left, right] = this.bounds();
    this.move(((event.clientX - box.left) / box.width - left) / (right - left));
  }

  move(at) {
    this.at = Math.min(1, Math.max(0, at));
    const [left, right] = this.bounds();
    const where = left + this.at * (right - left);
    this.before.style.clipPath = `inset(0 ${(1 - where) * 100}% 0 0)`;
    this.line.style.left = `${where * 100}%`;
    this.stage.setAttribute("aria-valuenow", String(Math.round(this.at * 100)));
  }

  show(number) {
    if (!this.pairs.length) return;
    this.shown = (number + this.pairs.length) % this.pairs.length;
    this.draw();
  }

  draw() {
    const pair = this.pairs[this.shown];
    this.empty.hidden = Boolean(pair);
    for (const part of [this.before, this.after, this.line, ...this.tags]) part.hidden = !pair;
    this.row.hidden = this.pairs.length < 2;
    if (!pair) return;
    [this.before.src, this.after.src] = pair;
    this.count.textContent = `${this.shown + 1} / ${this.pairs.length}`;
    this.move(this.at);
  }

  take(output) {
    const first = output?.chrominance_before ?? [];
    const second = output?.chrominance_after ?? [];
    if (!first.length || first.length !== second.length) return;
    this.pairs = first.map((picture, n) => [pictureAddress(api, picture), pictureAddress(api, second[n])]);
    this.shown = Math.min(this.shown, this.pairs.length - 1);
    this.draw();
  }
}

app.registerExtension({
  name: "Chrominance.Compare",

  init: () => loaded,

  nodeCreated(node) {
    if (nodeClass(node) !== COMPARED) return;
    addStyle("chrominance-compare-style", STYLE);
    const view = new CompareView(node);
    addView(node, "compare view", view.root, LEAST_HEIGHT);
    after(node, "onExecuted", (output) => view.take(output));
    after(node, "onResize", () => view.move(view.at));
    if (node.size) node.setSize?.([Math.max(node.size[0], 320), Math.max(node.size[1], 380)]);
  },
});
