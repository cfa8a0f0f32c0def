// As much of the page's app as the pack's widgets touch; the real one is met in tests/comfyui/.
export const app = {
  extensions: [],
  extensionManager: {
    setting: { get: () => new URLSearchParams(location.search).get("language") ?? undefined },
  },
  registerExtension(extension) {
    this.extensions.push(extension);
  },
};
window.app = app;
