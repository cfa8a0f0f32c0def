/* What the pack's widgets have in common: elements, one style, and a place on a node in both renderers. */

export function addStyle(id, text) {
  if (document.getElementById(id)) return;
  const style = document.createElement("style");
  style.id = id;
  style.textContent = text;
  document.head.append(style);
}

export function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A press on these must not drag the node, and a wheel over them not zoom the graph away from under it. */
export function holdEvents(target, kinds = ["pointerdown", "mousedown", "dblclick", "contextmenu"]) {
  for (const kind of kinds) target.addEventListener(kind, (event) => event.stopPropagation());
}

/** The class of a node, in whichever way this version of the page tells it. */
export function nodeClass(node) {
  return node.comfyClass ?? node.constructor?.comfyClass;
}

/** Put an element on a node as a widget that is not saved. `most` undefined: it takes what the node has. */
export function addView(node, name, root, least, most) {
  const widget = node.addDOMWidget(name, `chrominance-${name.replaceAll(" ", "-")}`, root, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => least,
    ...(most === undefined ? {} : { getMaxHeight: () => most }),
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false;
  return widget;
}

/** Call `then` behind a method of a node, with what the method was called with. */
export function after(node, method, then) {
  const before = node[method];
  node[method] = function (...values) {
    const result = before?.apply(this, values);
    then(...values);
    return result;
  };
}

/** Call `then` when the value of a text widget changes, also while it is typed in. */
export function onEdited(widget, then) {
  after(widget, "callback", then);
  // Typing in the box does not call back before it loses the focus.
  (widget.element ?? widget.inputEl)?.addEventListener?.("input", then);
}

/** Where the page finds a picture that a node told of: {filename, subfolder, type}. */
export function pictureAddress(api, picture) {
  const query = new URLSearchParams({ subfolder: "", type: "temp", ...picture });
  return api.apiURL(`/view?${query}`);
}
