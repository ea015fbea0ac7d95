// The sums of the book on both sides; drawn where the chart's tab shows it.
import { canvas, colour } from "./kit.js";

export const depth = {
  box: null,
  model: null,
  draw(model = depth.model) {
    depth.model = model;
    if (!model || !depth.box?.isConnected || depth.box.hidden) return;
    const [context, width, height] = canvas(depth.box), bottom = 18;
    const sums = (side, up) => {
      let sum = 0;
      return [...side].map(([price, quantity]) => [Number(price), Number(quantity)]).sort((a, b) => (a[0] - b[0]) * (up ? 1 : -1))
        .slice(0, 200).map(([price, quantity]) => [price, sum += quantity]);
    };
    const bids = sums(model.bids, false), asks = sums(model.asks, true), all = [...bids, ...asks];
    if (!all.length) return;
    const low = Math.min(...all.map((one) => one[0])), high = Math.max(...all.map((one) => one[0])), most = Math.max(...all.map((one) => one[1]));
    const x = (price) => (width - 2) * (price - low) / (high - low || 1) + 1, y = (sum) => (height - bottom) * (1 - 0.92 * sum / most);
    for (const [levels, line, ground, edge] of [[bids, "buy", "buy-bar", 0], [asks, "sell", "sell-bar", width]]) {
      if (!levels.length) continue;
      let before = 0;
      context.beginPath();
      context.moveTo(x(levels[0][0]), height - bottom);
      for (const [price, sum] of levels) { context.lineTo(x(price), y(before)); context.lineTo(x(price), y(sum)); before = sum; }
      context.lineTo(edge, y(before));
      context.lineTo(edge, height - bottom);
      context.closePath();
      context.fillStyle = colour(ground);
      context.fill();
      context.strokeStyle = colour(line);
      context.lineWidth = 1.5;
      context.stroke();
    }
    context.fillStyle = colour("muted");
    context.textAlign = "left";
    context.fillText(String(low), 2, height - 5);
    context.textAlign = "right";
    context.fillText(String(high), width - 2, height - 5);
  },
};
