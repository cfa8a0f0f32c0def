export const api = {
  apiURL: (path) => path,
};
