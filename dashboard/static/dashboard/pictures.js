// A figure of the page as a picture: what stands there, drawn once more onto a canvas, with its title and on its ground.
// An image made of the SVG would not have the page's fonts, nor the legend, which is no SVG.

const SCALE = 2;
const PADDING = 24;
const HEAD = 52;

export function pictureOf(figure, { title, note, ground, strong, muted, charts }) {
  const size = (ratio) => charts.forEach((chart) => {
    chart.options.devicePixelRatio = ratio;
    chart.resize();
  });
  // The style sheet takes away what is there to be pressed, and adds what the page around it says. Nobody sees it:
  // all of this happens between two frames.
  figure.toggleAttribute("data-pictured", true);
  size(SCALE);
  const box = figure.getBoundingClientRect(), canvas = document.createElement("canvas");
  canvas.width = Math.round((box.width + 2 * PADDING) * SCALE);
  canvas.height = Math.round((box.height + HEAD + 2 * PADDING) * SCALE);
  const context = canvas.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(SCALE, SCALE);
  const family = getComputedStyle(figure).fontFamily;
  head(context, title, { font: `600 16px ${family}`, color: strong, y: PADDING + 14, width: box.width });
  head(context, note, { font: `12px ${family}`, color: muted, y: PADDING + 34, width: box.width });
  context.translate(PADDING - box.left, PADDING + HEAD - box.top);
  draw(context, figure);
  figure.toggleAttribute("data-pictured", false);
  size(undefined);
  return canvas;
}

function head(context, text, { font, color, y, width }) {
  Object.assign(context, { font, fillStyle: color });
  context.fillText(shortened(context, text, width), PADDING, y);
}

function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const letters = [...text];
  while (letters.length && context.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return `${letters.join("")}…`;
}

function draw(context, element) {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden") return;
  context.save();
  context.globalAlpha *= Number(style.opacity);
  if (element instanceof SVGGeometryElement) drawShape(context, element, style);
  if (element instanceof HTMLElement) drawBox(context, element, style);
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) drawText(context, child, element, style);
    if (child.nodeType === Node.ELEMENT_NODE) draw(context, child);
  }
  context.restore();
}

function drawBox(context, element, style) {
  const box = element.getBoundingClientRect();
  const corners = ["TopLeft", "TopRight", "BottomRight", "BottomLeft"].map((corner) => parseFloat(style[`border${corner}Radius`]));
  context.fillStyle = style.backgroundColor;
  context.beginPath();
  context.roundRect(box.left, box.top, box.width, box.height, corners);
  context.fill();
  drawBorder(context, style, "Top", [box.left, box.top], [box.right, box.top]);
  drawBorder(context, style, "Right", [box.right, box.top], [box.right, box.bottom]);
  drawBorder(context, style, "Bottom", [box.left, box.bottom], [box.right, box.bottom]);
  drawBorder(context, style, "Left", [box.left, box.top], [box.left, box.bottom]);
  if (style.overflowX !== "visible") {
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
  }
  if (element instanceof HTMLCanvasElement) context.drawImage(element, box.left, box.top, box.width, box.height);
}

function drawBorder(context, style, side, from, to) {
  const width = parseFloat(style[`border${side}Width`]);
  if (!width) return;
  const path = new Path2D();
  path.moveTo(...from);
  path.lineTo(...to);
  stroke(context, path, style[`border${side}Color`], width, style[`border${side}Style`] === "dashed" ? [2 * width, 2 * width] : []);
}

function stroke(context, path, color, width, dash) {
  Object.assign(context, { strokeStyle: color, lineWidth: width });
  context.setLineDash(dash);
  context.stroke(path);
}

function drawShape(context, element, style) {
  const path = new Path2D();
  path.addPath(outline(element), element.getScreenCTM());
  if (style.fill !== "none") {
    context.fillStyle = style.fill;
    context.fill(path);
  }
  if (style.stroke === "none") return;
  const dash = style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map(parseFloat);
  stroke(context, path, style.stroke, parseFloat(style.strokeWidth), dash);
}

function outline(element) {
  if (element.localName === "path") return new Path2D(element.getAttribute("d"));
  const path = new Path2D(), { x, y, width, height } = element.getBBox();
  if (element.localName === "circle") path.arc(x + width / 2, y + height / 2, width / 2, 0, 2 * Math.PI);
  else path.rect(x, y, width, height);
  return path;
}

function drawText(context, node, element, style) {
  Object.assign(context, {
    font: `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`,
    fillStyle: element instanceof SVGElement ? style.fill : style.color,
    direction: style.direction,
    textAlign: "left",
  });
  const end = element.getBoundingClientRect().right;
  for (const line of linesOf(node)) {
    const { fontBoundingBoxAscent: above, fontBoundingBoxDescent: below } = context.measureText(line.text);
    const text = style.textOverflow === "ellipsis" ? shortened(context, line.text, end - line.left) : line.text;
    context.fillText(text, line.left, line.top + (line.height + above - below) / 2);
  }
}

// As the page has broken it: letters that stand at one height are one line.
function linesOf(node) {
  const range = document.createRange(), lines = [];
  let place = 0;
  for (const letter of node.data) {
    range.setStart(node, place);
    range.setEnd(node, place += letter.length);
    const box = range.getClientRects()[0], last = lines.at(-1), isSpace = !letter.trim();
    if (!box || (isSpace && !box.width)) continue; // Space that the page does not show.
    if (last && Math.abs(box.top - last.top) < box.height / 2) {
      last.text += isSpace ? " " : letter;
      last.left = Math.min(last.left, box.left);
    } else lines.push({ text: isSpace ? " " : letter, left: box.left, top: box.top, height: box.height });
  }
  return lines;
}
