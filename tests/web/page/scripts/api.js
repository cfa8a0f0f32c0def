export const api = {
  apiURL: (path) => path,
  fetchApi: (path) => fetch(path),
};
