// A QR code as one path.
import { h, svg } from "./kit.js";
import { qrcode } from "./vendor/qrcode-generator.js";

export function qr(text, label) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) for (let column = 0; column < count; column += 1) if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`;
  return h("div", { class: "qr" }, svg("svg", { viewBox: `0 0 ${count} ${count}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" }, svg("path", { d: path })));
}
