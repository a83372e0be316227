/** Packed columns (`format=columns`, see docs/http.md) into arrays. Pure. */

const MAGIC = "TGCOLS1\n";
// Times come as ns in 64 bits; a double holds them to some hundred ns, more than a page can show.
const NS_IN_MS = 1e6;
const HALF = 4294967296;

/**
 * One block: what its head says, and its columns; `times` in ms since 1970. Readings have `values` and
 * `qualities`, summaries a column for each name in `head.columns`.
 * @typedef {{head: Record<string, any>, times: Float64Array, values?: Float64Array,
 *   qualities?: Uint8Array, [column: string]: any}} Block
 */

/**
 * Take an answer apart.
 * @param {ArrayBuffer} data
 * @returns {Block[]}
 * @throws {Error} it was broken off
 */
export function unpacked(data) {
  const view = new DataView(data);
  const text = new TextDecoder();
  const word = (at, length) => text.decode(new Uint8Array(data, at, length));
  if (data.byteLength < 8 || word(0, 8) !== MAGIC) throw new Error("the answer holds no columns");
  const blocks = [];
  for (let at = 8; at + 4 <= data.byteLength; ) {
    const length = view.getUint32(at, true);
    const head = JSON.parse(word(at + 4, length));
    if (head.end) return blocks;
    at += 4 + length;
    const count = head.count;
    const block = { head, times: instants(data, at, count) };
    at += 8 * count;
    for (const name of head.columns ?? ["values"]) {
      block[name] = new Float64Array(data, at, count);
      at += 8 * count;
    }
    if (!head.columns) {
      block.qualities = new Uint8Array(data, at, count);
      at += Math.ceil(count / 8) * 8;
    }
    blocks.push(block);
  }
  throw new Error("the answer was broken off");
}

/** Blocks of the same series end to end. */
export function bySeries(blocks) {
  const found = new Map();
  for (const block of blocks) {
    const name = block.head.series;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(block);
  }
  return found;
}

function instants(data, at, count) {
  const low = new Uint32Array(data, at, 2 * count);
  const high = new Int32Array(data, at, 2 * count);
  const times = new Float64Array(count);
  for (let n = 0; n < count; n += 1) times[n] = Math.round((high[2 * n + 1] * HALF + low[2 * n]) / NS_IN_MS);
  return times;
}
