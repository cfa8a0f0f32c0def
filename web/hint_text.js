/* The text of Hint Colorize's widget "hints": read into points, and written back. No page needed. */

const NUMBER = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)`;
const BETWEEN = String.raw`\s*[,;\s]\s*`;
const LINE = new RegExp(
  `^(${NUMBER})${BETWEEN}(${NUMBER})${BETWEEN}#([0-9a-f]{3}|[0-9a-f]{6})(?:${BETWEEN}(${NUMBER}))?(?:\\s+#(.*))?$`,
  "i",
);
const HEADER = new RegExp(`^x${BETWEEN}y${BETWEEN}colou?r(?:${BETWEEN}radius)?$`, "i");

export function fullHex(text) {
  const digits = text.replace("#", "").toLowerCase();
  return "#" + (digits.length === 3 ? [...digits].map((d) => d + d).join("") : digits);
}

/** Read hints; {points: [{x, y, color, radius, remark}], remarks: [lines]}, or null where the text is none.
 *
 * x, y and radius are pixels of a picture of that size; `size`, [width, height], is needed for fractions.
 */
export function readHints(text, size) {
  const trimmed = text.trim();
  return trimmed.startsWith("{") || trimmed.startsWith("[") ? readJson(trimmed, size) : readLines(text);
}

function readLines(text) {
  const points = [];
  const remarks = [];
  for (const whole of text.split(/\r?\n/)) {
    const line = whole.trim();
    if (!line) continue;
    if (line.startsWith("#") || (!points.length && HEADER.test(line))) {
      remarks.push(line);
      continue;
    }
    const found = LINE.exec(line);
    if (!found) return null;
    const [, x, y, color, radius, remark] = found;
    points.push({ x: +x, y: +y, color: fullHex(color), radius: +(radius ?? 0), remark: remark?.trim() ?? "" });
  }
  return { points, remarks };
}

function readJson(text, size) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return null;
  }
  if (Array.isArray(data)) data = { points: data };
  if (!Array.isArray(data.points)) return null;
  const fraction = data.unit === "fraction";
  if (fraction && !size) return null;
  const [wide, high] = fraction ? [size[0], size[1]] : [1, 1];
  const points = [];
  for (const item of data.points) {
    const { x, y, color, radius = 0 } = item ?? {};
    const fits = [x, y, radius].every(Number.isFinite) && /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(color);
    if (!fits) return null;
    // The far edges belong to the last pixels; a radius is in pixels either way.
    const place = fraction ? [within(x, wide), within(y, high)] : [x, y];
    points.push({ x: place[0], y: place[1], color: fullHex(color), radius, remark: "" });
  }
  return { points, remarks: [] };
}

function within(part, side) {
  return part === 1 ? side - 1 : Math.floor(part * side);
}

/** The lines of hints, as a user would type them. */
export function writeHints({ points, remarks }) {
  const lines = points.map(({ x, y, color, radius, remark }) => {
    const line = [x, y, color, ...(radius ? [radius] : [])].join(",");
    return remark ? `${line} # ${remark}` : line;
  });
  return [...remarks, ...lines].join("\n");
}
