/** Style sheets that only one view needs: loaded with it, once. */

const loaded = new Map();

/** Load a style sheet; resolves when it is in force. */
export function useSheet(address) {
  if (!loaded.has(address)) loaded.set(address, load(address));
  return loaded.get(address);
}

function load(address) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = address;
  document.head.append(link);
  return new Promise((resolve) => {
    link.onload = resolve;
    link.onerror = () => {
      loaded.delete(address);
      link.remove();
      resolve(); // What it says can still be read.
    };
  });
}
